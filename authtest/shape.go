package authtest

import (
	"crypto/rand"
	"maps"
	"strings"
)

// Shape is whose tokens those of a Foreign look like.
type Shape string

// The shapes. EntraV1 is Entra for an API that takes tokens of version 1. OktaOrg is the authorization server of an Okta
// organisation, whose access tokens are for Okta alone. Standard does what RFC 9068 says.
const (
	Entra    Shape = "entra"
	EntraV1  Shape = "entra-v1"
	Okta     Shape = "okta"
	OktaOrg  Shape = "okta-org"
	Cognito  Shape = "cognito"
	Keycloak Shape = "keycloak"
	Auth0    Shape = "auth0"
	Standard Shape = "standard"
)

// Shapes are all of them.
func Shapes() []Shape {
	return []Shape{Entra, EntraV1, Okta, OktaOrg, Cognito, Keycloak, Auth0, Standard}
}

const tenant = "0d5a4e3f-7f4a-4e0b-9a53-0f2a6f2b8d11"

// kind is what tells a shape from the others: where it is, and its tokens.
type kind struct {
	path, profile    string
	accessTyp, idTyp string // typ of the header; empty: there is none
	access, identity func(s Said) map[string]any
}

func kindOf(shape Shape) (k kind, ok bool) {
	switch shape {
	case Entra:
		return kind{path: "/" + tenant + "/v2.0", profile: "entra", accessTyp: "JWT", idTyp: "JWT", access: entraAccess("2.0", "azp", "azpacr"), identity: entraIdentity("2.0")}, true
	case EntraV1:
		return kind{path: "/" + tenant + "/", profile: "entra", accessTyp: "JWT", idTyp: "JWT", access: entraAccess("1.0", "appid", "appidacr"), identity: entraIdentity("1.0")}, true
	case Okta:
		return kind{path: "/oauth2/default", profile: "okta", access: oktaAccess, identity: oktaIdentity}, true
	case OktaOrg:
		return kind{profile: "okta", accessTyp: "application/okta-internal-at+jwt", access: oktaAccess, identity: oktaIdentity}, true
	case Cognito:
		return kind{path: "/eu-central-1_Ab1cD2eF3", profile: "cognito", access: cognitoAccess, identity: cognitoIdentity}, true
	case Keycloak:
		return kind{path: "/realms/main", profile: "keycloak", accessTyp: "JWT", idTyp: "JWT", access: keycloakAccess, identity: keycloakIdentity}, true
	case Auth0:
		return kind{path: "/", profile: "auth0", accessTyp: "JWT", idTyp: "JWT", access: auth0Access, identity: auth0Identity}, true
	case Standard:
		return kind{accessTyp: "at+jwt", idTyp: "JWT", access: standardAccess, identity: standardIdentity}, true
	}
	return kind{}, false
}

// list is a claim with several values, absent if there are none.
func list(claims map[string]any, name string, values []string) {
	if len(values) > 0 {
		claims[name] = values
	}
}

func text(claims map[string]any, name string, values []string) {
	if len(values) > 0 {
		claims[name] = strings.Join(values, " ")
	}
}

func entraAccess(version, client, how string) func(Said) map[string]any {
	return func(s Said) map[string]any {
		c := map[string]any{"aio": "E2Zg", "oid": s.Subject, "sub": "pairwise-" + s.Subject, "tid": tenant, "uti": rand.Text(), "rh": "0.A", "ver": version,
			"nbf": s.issued(), client: s.Client, how: "0"}
		text(c, "scp", s.Scopes)
		list(c, "roles", s.Roles)
		list(c, "groups", s.Groups)
		return c
	}
}

// entraIdentity has roles too, where people have them in the application.
func entraIdentity(version string) func(Said) map[string]any {
	return func(s Said) map[string]any {
		c := map[string]any{"aio": "AXQAi", "oid": s.Subject, "sub": "pairwise-" + s.Subject, "tid": tenant, "uti": rand.Text(), "ver": version, "nbf": s.issued(),
			"name": s.Subject, "preferred_username": s.Subject + "@example.com"}
		list(c, "roles", s.Roles)
		list(c, "groups", s.Groups)
		return c
	}
}

func oktaAccess(s Said) map[string]any {
	c := map[string]any{"ver": 1, "jti": "AT." + rand.Text(), "sub": s.Subject + "@example.com", "uid": "00u" + s.Subject, "cid": s.Client, "auth_time": s.issued()}
	list(c, "scp", s.Scopes)
	list(c, "groups", s.Groups)
	return c
}

func oktaIdentity(s Said) map[string]any {
	c := map[string]any{"ver": 1, "jti": "ID." + rand.Text(), "sub": "00u" + s.Subject, "amr": []string{"pwd"}, "idp": "00o1", "auth_time": s.issued(), "at_hash": "preview_at_hash", "name": s.Subject}
	list(c, "groups", s.Groups)
	return c
}

// cognitoAccess has no aud: who it is for is which application it was issued to.
func cognitoAccess(s Said) map[string]any {
	c := map[string]any{"sub": s.Subject, "client_id": s.Client, "token_use": "access", "version": 2, "auth_time": s.issued(), "jti": rand.Text(), "origin_jti": rand.Text(), "event_id": rand.Text(), "username": s.Subject}
	text(c, "scope", s.Scopes)
	list(c, "cognito:groups", s.Groups)
	return c
}

func cognitoIdentity(s Said) map[string]any {
	c := map[string]any{"sub": s.Subject, "token_use": "id", "auth_time": s.issued(), "jti": rand.Text(), "cognito:username": s.Subject, "email": s.Subject + "@example.com", "email_verified": true}
	list(c, "cognito:groups", s.Groups)
	return c
}

func keycloakAccess(s Said) map[string]any {
	c := map[string]any{"jti": "onrtac:" + rand.Text(), "sub": s.Subject, "typ": "Bearer", "azp": s.Client, "sid": rand.Text(), "acr": "1", "preferred_username": s.Subject,
		"realm_access": map[string]any{"roles": append([]string{"offline_access"}, s.Roles...)}}
	text(c, "scope", append([]string{"profile"}, s.Scopes...))
	list(c, "groups", s.Groups)
	return c
}

func keycloakIdentity(s Said) map[string]any {
	c := map[string]any{"jti": rand.Text(), "sub": s.Subject, "typ": "ID", "azp": s.Client, "sid": rand.Text(), "acr": "1", "at_hash": "x", "preferred_username": s.Subject, "auth_time": s.issued()}
	list(c, "groups", s.Groups)
	return c
}

func auth0Access(s Said) map[string]any {
	c := map[string]any{"sub": "auth0|" + s.Subject, "azp": s.Client}
	text(c, "scope", s.Scopes)
	list(c, "permissions", s.Roles)
	return c
}

func auth0Identity(s Said) map[string]any {
	return map[string]any{"sub": "auth0|" + s.Subject, "sid": rand.Text(), "name": s.Subject, "nickname": s.Subject}
}

func standardAccess(s Said) map[string]any {
	c := map[string]any{"sub": s.Subject, "client_id": s.Client, "jti": rand.Text()}
	text(c, "scope", s.Scopes)
	list(c, "groups", s.Groups)
	return c
}

func standardIdentity(s Said) map[string]any {
	return map[string]any{"sub": s.Subject, "nonce": rand.Text(), "auth_time": s.issued()}
}

// whole are the claims of a token: what the shape says, what every JWT says, and what the test says besides.
func (s Said) whole(issuer string, c map[string]any) map[string]any {
	c["iss"], c["iat"], c["exp"] = issuer, s.issued(), s.now.Add(s.Life).Unix()
	if c["token_use"] != "access" { // Cognito
		c["aud"] = s.Audience
	}
	maps.Copy(c, s.Claims)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}
