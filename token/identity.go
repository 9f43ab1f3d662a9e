package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/oauth"
)

// IDToken tells an OpenID client who signed in. OpenID Connect Core 1.0 §2. It is no access token: no resource takes it.
type IDToken struct {
	Subject, Client  string // sub; aud
	Nonce, ACR, Name string // empty: not said
	AccessToken      string // what is issued with it, of which at_hash tells; empty: nothing, or not known
	Authenticated    time.Time
	Expires          time.Time
}

// identity is the JSON of an IDToken. Name stands in both claims in which clients look for one, OpenID Connect Core 1.0 §5.1.
type identity struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      audience `json:"aud"`
	Expires       seconds  `json:"exp"`
	Issued        seconds  `json:"iat"`
	Authenticated seconds  `json:"auth_time,omitzero"`
	ACR           string   `json:"acr,omitempty"`
	Nonce         string   `json:"nonce,omitempty"`
	Hash          string   `json:"at_hash,omitempty"`
	Name          string   `json:"name,omitempty"`
	Username      string   `json:"preferred_username,omitempty"`
}

// Identity mints an ID token that is good from now until i.Expires.
func (r *Ring) Identity(now time.Time, i IDToken) (string, error) {
	c := identity{
		Issuer: r.issuer, Subject: i.Subject, Audience: audience{i.Client}, Expires: toSeconds(i.Expires), Issued: toSeconds(now),
		Authenticated: toSeconds(i.Authenticated), ACR: i.ACR, Nonce: i.Nonce, Name: i.Name, Username: i.Name,
	}
	if i.AccessToken != "" {
		// OpenID Connect Core 1.0 §3.1.3.6: the left half of the hash that the algorithm, ES256, uses.
		sum := sha256.Sum256([]byte(i.AccessToken))
		c.Hash = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	return r.sign(now, TypIdentity, c)
}

// ReadIdentity reads an ID token that this ring minted, with a key that it still shows at now: the id_token_hint of a logout
// (OpenID Connect RP-Initiated Logout 1.0 §2). Whether it has expired is not judged: people sign out late. AccessToken is
// empty. The error is an *oauth.Error with code invalid_request.
func (r *Ring) ReadIdentity(now time.Time, raw string) (IDToken, error) {
	bad := oauth.InvalidRequest("id_token", "the ID token is not one that was issued here")
	var c identity
	h, err := split(bounded(raw), &c)
	if err != nil || h.kind() != "jwt" {
		return IDToken{}, bad
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return IDToken{}, bad
	}
	key, err := Own(func() *Ring { return r })(context.Background(), now, signed.Signatures[0].Protected.KeyID)
	if err != nil {
		return IDToken{}, bad
	}
	if _, err := signed.Verify(key); err != nil || c.Issuer != r.issuer || c.Subject == "" || len(c.Audience) != 1 {
		return IDToken{}, bad
	}
	return IDToken{
		Subject: c.Subject, Client: c.Audience[0], Nonce: c.Nonce, ACR: c.ACR, Name: c.Name,
		Authenticated: c.Authenticated.time(), Expires: c.Expires.time(),
	}, nil
}
