package registration

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// grantTypes and methods are what a client that registers itself may have; others are removed from what it asked for.
var (
	grantTypes = []string{"authorization_code", "refresh_token"}
	methods    = []string{"none", "client_secret_basic", "client_secret_post"}
)

// newClient judges what a client says of itself and makes a client of it. What it may not have is left out, and what it
// left out is filled in: RFC 7591 §2 and §3.2.1 let the server replace what was asked, if the answer says so.
func newClient(now time.Time, m oauth.ClientMetadata) (oauth.Client, token.Secret, error) {
	m, err := settle(m)
	if err != nil {
		return oauth.Client{}, token.Secret{}, err
	}
	c := oauth.Client{ID: "dw-" + rand.Text(), Source: oauth.Dynamic, ClientMetadata: m, Issued: now}
	if c.Public() {
		return c, token.Secret{}, nil
	}
	secret := "dws_" + rand.Text()
	c.SecretHash = sha256.Sum256([]byte(secret))
	return c, token.NewSecret(secret), nil
}

// settle makes the metadata that will hold of what was sent.
func settle(m oauth.ClientMetadata) (oauth.ClientMetadata, error) {
	redirects, refused := filterRedirects(m.RedirectURIs)
	if len(redirects) == 0 {
		return m, &oauth.Error{Status: 400, Code: "invalid_redirect_uri", Reason: "no_redirect",
			Description: "no redirect address can be used: " + strings.Join(refused, "; ") + ". Allowed are https, and http on 127.0.0.1, [::1] and localhost"}
	}
	m.RedirectURIs = redirects
	loopback := !slices.ContainsFunc(redirects, func(u string) bool { return !oauth.LoopbackRedirect(u) })
	switch {
	case m.TokenAuthMethod == "" && loopback:
		m.TokenAuthMethod = "none" // a program on a person's machine keeps no secret: OAuth 2.1 §2.1
	case m.TokenAuthMethod == "":
		m.TokenAuthMethod = "client_secret_basic" // RFC 7591 §2
	case !slices.Contains(methods, m.TokenAuthMethod):
		return m, invalidMetadata("method", fmt.Sprintf("token_endpoint_auth_method can be %s", strings.Join(methods, ", ")))
	}
	if len(m.GrantTypes) > 0 && !slices.Contains(m.GrantTypes, "authorization_code") {
		return m, invalidMetadata("grant_types", "a client that registers itself needs the grant type authorization_code")
	}
	if len(m.ResponseTypes) > 0 && !slices.Contains(m.ResponseTypes, "code") {
		return m, invalidMetadata("response_types", "a client that registers itself needs the response type code")
	}
	m.GrantTypes, m.ResponseTypes = slices.Clone(grantTypes), []string{"code"}
	m.JWKS, m.JWKSURI = nil, ""
	return m, words(m)
}

// words judges the texts that a person will see, and the addresses that a page might show.
func words(m oauth.ClientMetadata) error {
	if len(m.Name) > 200 || strings.ContainsFunc(m.Name, unprintable) {
		return invalidMetadata("name", "client_name is longer than 200 bytes or has characters that cannot be shown")
	}
	for name, uri := range map[string]string{"client_uri": m.URI, "logo_uri": m.LogoURI, "policy_uri": m.PolicyURI, "tos_uri": m.TermsURI} {
		u, err := url.Parse(uri)
		if uri != "" && (err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || len(uri) > 2048) {
			return invalidMetadata("uri", name+" is not an http or https address")
		}
	}
	return nil
}

// unprintable are controls and the marks that turn the direction of text: with them a name reads as another.
func unprintable(r rune) bool {
	return r < 0x20 || r == 0x7f || 0x80 <= r && r < 0xa0 || 0x200b <= r && r <= 0x200f || 0x2028 <= r && r <= 0x202e || 0x2060 <= r && r <= 0x206f || r == 0xfeff || r == 0xfffd
}

// filterRedirects keeps the redirect addresses that can be used, at most 20, and says why the others cannot. Clients
// send a mixed list, of which they then use one.
func filterRedirects(all []string) (kept, refused []string) {
	for _, u := range all {
		if reason := oauth.CheckRedirect(u); reason != "" {
			refused = append(refused, reason)
		} else if len(kept) < 20 && !slices.Contains(kept, u) {
			kept = append(kept, u)
		}
	}
	if len(all) == 0 {
		refused = []string{"none was sent"}
	}
	return kept, refused
}

// fingerprint is the same for registrations that only differ in a loopback port; empty for a client with a secret.
func fingerprint(c oauth.Client) string {
	if !c.Public() {
		return ""
	}
	m := c.ClientMetadata
	m.RedirectURIs = slices.Clone(m.RedirectURIs)
	for i, u := range m.RedirectURIs {
		m.RedirectURIs[i] = oauth.WithoutLoopbackPort(u)
	}
	slices.Sort(m.RedirectURIs)
	b, err := json.Marshal(m)
	if err != nil {
		panic("registration: metadata that was decoded cannot fail to encode: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func invalidMetadata(reason, description string) *oauth.Error {
	return &oauth.Error{Status: 400, Code: "invalid_client_metadata", Reason: reason, Description: description}
}
