package authtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Said is what a token says. The zero Said is of alice and her application, for nobody, with no scope.
type Said struct {
	Subject  string         // empty: alice
	Client   string         // empty: the-app. Cognito's access tokens are for it, unless Claims has an aud
	Audience string         // of an ID token too: an application may be the API that it calls
	Scopes   []string       // scp or scope
	Roles    []string       // roles of Entra and Keycloak, permissions of Auth0
	Groups   []string       // by whatever name the shape has for them
	Life     time.Duration  // zero: 10 min; less: it has ended
	Claims   map[string]any // besides, or in place of the shape's own; nil: the claim is left out

	now time.Time
}

func (s Said) issued() int64 { return s.now.Add(min(0, 2*s.Life)).Unix() }

func (s Said) filled() Said {
	s.now = time.Now()
	if s.Subject == "" {
		s.Subject = "alice"
	}
	if s.Client == "" {
		s.Client = "the-app"
	}
	if s.Life == 0 {
		s.Life = 10 * time.Minute
	}
	return s
}

// Access is an access token. Introspection says that it is active, and what it says.
func (f *Foreign) Access(s Said) string {
	f.t.Helper()
	k, claims := f.access(s)
	raw := f.signed(f.signing(), k.accessTyp, claims)
	f.know(raw, claims)
	return raw
}

// Identity is the ID token that an application gets with its access token. No resource may take it. Introspection does not
// know it.
func (f *Foreign) Identity(s Said) string {
	f.t.Helper()
	k, _ := kindOf(f.shape)
	s = s.filled()
	c := k.identity(s)
	claims := s.whole(f.Issuer, c)
	if _, said := s.Claims["aud"]; !said {
		claims["aud"] = s.Audience
		if s.Audience == "" {
			claims["aud"] = s.Client
		}
	}
	return f.signed(f.signing(), k.idTyp, claims)
}

// Opaque is an access token that says nothing by itself. Introspection says what an access token of the shape would.
func (f *Foreign) Opaque(s Said) string {
	f.t.Helper()
	_, claims := f.access(s)
	raw := "opaque_" + rand.Text()
	f.know(raw, claims)
	return raw
}

// End has introspection say of a token that it is not active. Its signature stays good: nobody can take that back.
func (f *Foreign) End(raw string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, raw)
}

// Stolen is an access token that somebody else signed under the name of the server's key.
func (f *Foreign) Stolen(s Said) string {
	f.t.Helper()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.t.Fatal(err)
	}
	k, claims := f.access(s)
	return f.signed(key{f.signing().id, other}, k.accessTyp, claims)
}

// Unsigned is an access token with alg none.
func (f *Foreign) Unsigned(s Said) string {
	f.t.Helper()
	_, claims := f.access(s)
	return f.encoded(map[string]any{"alg": "none", "typ": "JWT", "kid": f.signing().id}) + "." + f.encoded(claims) + "."
}

// Symmetric is an access token signed with HS256 under the server's public key: a verifier that lets the token choose the
// algorithm takes the key for a shared secret.
func (f *Foreign) Symmetric(s Said) string {
	f.t.Helper()
	k := f.signing()
	public, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	_, claims := f.access(s)
	return f.sign(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), KeyID: k.id}}, "JWT", claims)
}

// Altered is raw with other claims under the same signature. change gets what it says.
func (f *Foreign) Altered(raw string, change func(claims map[string]any)) string {
	f.t.Helper()
	parts := strings.Split(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	change(claims)
	parts[1] = f.encoded(claims)
	return strings.Join(parts, ".")
}

func (f *Foreign) access(s Said) (kind, map[string]any) {
	k, _ := kindOf(f.shape)
	s = s.filled()
	return k, s.whole(f.Issuer, k.access(s))
}

// know has introspection say what claims say.
func (f *Foreign) know(raw string, claims map[string]any) {
	f.t.Helper()
	answer := map[string]any{"active": true, "token_type": "Bearer"}
	for name, v := range claims {
		answer[name] = v
	}
	b, err := json.Marshal(answer)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active[raw] = b
}

func (f *Foreign) signing() key {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.key
}

func (f *Foreign) signed(k key, typ string, claims map[string]any) string {
	f.t.Helper()
	return f.sign(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, typ, claims)
}

func (f *Foreign) sign(k jose.SigningKey, typ string, claims map[string]any) string {
	f.t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(k, options)
	if err != nil {
		f.t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := signer.Sign(b)
	if err != nil {
		f.t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

func (f *Foreign) encoded(v any) string {
	f.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		f.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
