package registration

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	methods    = []string{none, "client_secret_basic", "client_secret_post", privateKeyJWT}
)

const (
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	jwtGrant      = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// credentials are what a client is given once: the text of what is kept as a hash. Empty members it does not have.
type credentials struct{ secret, management token.Secret }

// newClient makes a client of what was settled. A client with credentials of its own may manage its registration; one
// that shares its id with everybody who sends the same may not (rule 14).
func (r *Registry) newClient(now time.Time, m oauth.ClientMetadata) (Kept, credentials) {
	k := Kept{Client: oauth.Client{ID: "dw-" + rand.Text(), Source: oauth.Dynamic, ClientMetadata: m, Issued: now, Waits: r.c.Policy.Mode == ModeReview}}
	k.Fingerprint = fingerprint(k.Client)
	var c credentials
	if k.Public() {
		return k, c
	}
	if strings.HasPrefix(m.TokenAuthMethod, "client_secret_") {
		c.secret, k.SecretHash = newSecret("dws_")
	}
	if r.managed() {
		c.management, k.Management = newSecret("dwm_")
	}
	return k, c
}

func newSecret(prefix string) (token.Secret, [32]byte) {
	raw := prefix + rand.Text()
	return token.NewSecret(raw), sha256.Sum256([]byte(raw))
}

// settle makes the metadata that will hold of what was sent. What a client may not have is left out, and what it left
// out is filled in: RFC 7591 §2 and §3.2.1 let the server replace what was asked, if the answer says so.
func (p Policy) settle(s sent) (oauth.ClientMetadata, error) {
	redirects, refused := p.filterRedirects(s.RedirectURIs)
	if len(redirects) == 0 {
		return s.ClientMetadata, &oauth.Error{Status: 400, Code: "invalid_redirect_uri", Reason: "no_redirect",
			Description: "no redirect address can be used: " + strings.Join(refused, "; ") + ". Allowed are https, and http on 127.0.0.1, [::1] and localhost"}
	}
	s.RedirectURIs = redirects
	s.LogoutURIs, _ = p.filterRedirects(s.LogoutURIs)
	if s.TokenAuthMethod == "" && len(s.Methods) == 0 {
		s.TokenAuthMethod = "client_secret_basic" // RFC 7591 §2
		if !slices.ContainsFunc(redirects, func(u string) bool { return !oauth.LoopbackRedirect(u) }) {
			s.TokenAuthMethod = none // a program on a person's machine keeps no secret: OAuth 2.1 §2.1
		}
	}
	if err := s.choose(methods); err != nil {
		return s.ClientMetadata, err
	}
	if len(s.GrantTypes) > 0 && !slices.Contains(s.GrantTypes, "authorization_code") {
		return s.ClientMetadata, invalidMetadata("grant_types", "a client that registers itself needs the grant type authorization_code")
	}
	if len(s.ResponseTypes) > 0 && !slices.Contains(s.ResponseTypes, "code") {
		return s.ClientMetadata, invalidMetadata("response_types", "a client that registers itself needs the response type code")
	}
	s.GrantTypes, s.ResponseTypes = slices.Clone(grantTypes), []string{"code"}
	return s.ClientMetadata, words(s.ClientMetadata)
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

// fingerprint is the same for registrations that only differ in a loopback port; empty for a client with credentials.
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
