package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// forger has the server's own keys. Its tokens differ from good ones in the one member that an attack is about.
type forger struct {
	t    *testing.T
	s    *server
	key  token.Key
	ring *token.Ring
}

func newForger(t *testing.T, s *server) *forger {
	keys := s.keys()
	ring, err := token.NewRing(s.ready.Issuer, keys)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	return &forger{t, s, keys[0], ring}
}

func (f *forger) claims() token.Claims {
	return token.Claims{Principal: token.Principal{Issuer: f.s.ready.Issuer, Subject: "alice"}, Client: "a-client", ID: rand.Text(), Grant: "g",
		Resource: f.s.ready.Resource, Scopes: oauth.NewScopes("mcp"), Expires: time.Now().Add(5 * time.Minute)}
}

// minted is a token of the ring at now, after change.
func (f *forger) minted(now time.Time, change func(*token.Claims)) string {
	f.t.Helper()
	c := f.claims()
	change(&c)
	raw, err := f.ring.Access(now, c)
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// signed is a token with the right signature over a header and payload that change has altered.
func (f *forger) signed(change func(header, payload map[string]any)) string {
	header, payload := f.parts()
	change(header, payload)
	return jws(f.t, header, payload, es256(f.t, f.key.Private))
}

func (f *forger) parts() (header, payload map[string]any) {
	now := time.Now().Unix()
	return map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": f.key.ID}, map[string]any{
		"iss": f.s.ready.Issuer, "sub": "alice", "aud": f.s.ready.Resource, "client_id": "a-client", "jti": rand.Text(), "scope": "mcp",
		"iat": now, "exp": now + 300}
}

// RS-TOKEN-VALIDATE, RS-AUDIENCE, RS-NO-FOREIGN-TOKENS, RS-ENFORCE-EXPIRY: no token but a good one for this server, from
// this issuer, reaches the upstream.
func TestAttackWithForgedTokens(t *testing.T) {
	up := upstreamOf(t, nil)
	s, other := protect(t, up.URL), protect(t)
	_, foreign := other.connect()
	f := newForger(t, s)

	s.works("what the forger mints when it forges nothing", f.minted(time.Now(), func(*token.Claims) {}))
	s.works("what the forger signs when it forges nothing", f.signed(func(_, _ map[string]any) {}))
	reached := len(up.all())

	attack := func(name string, tokens ...string) {
		as(t, s, name, func(*testing.T) {
			for _, raw := range tokens {
				s.refuses(name, raw)
			}
		})
	}
	attack("a token of another server", foreign.Access)
	attack("another audience", f.minted(time.Now(), func(c *token.Claims) { c.Resource = other.ready.Resource }),
		f.minted(time.Now(), func(c *token.Claims) { c.Resource += "/" }),
		f.minted(time.Now(), func(c *token.Claims) { c.Resource = strings.Replace(c.Resource, "127.0.0.1", "localhost", 1) }),
		f.minted(time.Now(), func(c *token.Claims) { c.Resource = s.ready.Issuer }),
		f.signed(func(_, p map[string]any) { p["aud"] = []string{other.ready.Resource, s.ready.Issuer} }),
		f.signed(func(_, p map[string]any) { delete(p, "aud") }))
	attack("another issuer", f.signed(func(_, p map[string]any) { p["iss"] = other.ready.Issuer }),
		f.signed(func(_, p map[string]any) { p["iss"] = s.ready.Issuer + "/" }),
		f.signed(func(_, p map[string]any) { delete(p, "iss") }))
	attack("expired", f.minted(time.Now(), func(c *token.Claims) { c.Expires = time.Now().Add(-token.Leeway - time.Second) }),
		f.signed(func(_, p map[string]any) { p["iat"], p["exp"] = time.Now().Unix()-3600, time.Now().Unix()-3000 }),
		f.signed(func(_, p map[string]any) { delete(p, "exp") }))
	attack("not yet", f.minted(time.Now().Add(2*time.Minute), func(*token.Claims) {}),
		f.signed(func(_, p map[string]any) { p["nbf"] = time.Now().Unix() + 120 }))
	attack("alg none", algNone(f)...)
	attack("HS256 with the public key", withPublicKey(f)...)
	attack("foreign kid", foreignKeys(f)...)
	attack("another type", f.signed(func(h, _ map[string]any) { h["typ"] = "JWT" }), f.signed(func(h, _ map[string]any) { delete(h, "typ") }),
		f.signed(func(h, _ map[string]any) { h["typ"] = token.TypCaller }))
	attack("altered", altered(f.signed(func(_, _ map[string]any) {})))
	attack("bound to a key", f.signed(func(_, p map[string]any) { p["cnf"] = map[string]any{"jkt": "x"} }))
	attack("without a claim that RFC 9068 requires", f.signed(func(_, p map[string]any) { delete(p, "sub") }),
		f.signed(func(_, p map[string]any) { delete(p, "client_id") }), f.signed(func(_, p map[string]any) { delete(p, "jti") }))

	if n := len(up.all()); n != reached {
		t.Errorf("%d forged calls reached the upstream", n-reached)
	}
}

// RFC 8725 §3.2: none in every spelling.
func algNone(f *forger) (all []string) {
	for _, alg := range []string{"none", "None", "NONE", ""} {
		header, payload := f.parts()
		header["alg"] = alg
		all = append(all, jws(f.t, header, payload, nil), jws(f.t, header, payload, es256(f.t, f.key.Private)))
	}
	return all
}

// withPublicKey signs with what is public, as a shared secret, in every form that a verifier might take for the key.
func withPublicKey(f *forger) (all []string) {
	der, err := x509.MarshalPKIXPublicKey(f.key.Private.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(do(f.t, http.DefaultClient, request(f.t, "GET", f.s.at("/jwks"), "")).body), &set); err != nil || len(set.Keys) != 1 {
		f.t.Fatalf("the published keys: %v", err)
	}
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), set.Keys[0], f.key.Private.X.Bytes(), nil} {
		header, payload := f.parts()
		header["alg"] = "HS256"
		all = append(all, jws(f.t, header, payload, func(input []byte) []byte {
			h := hmac.New(sha256.New, secret)
			h.Write(input)
			return h.Sum(nil)
		}))
	}
	return all
}

// foreignKeys signs with a key of the attacker's: under its own name, under ours, under none, and with the key in the header.
func foreignKeys(f *forger) (all []string) {
	mine, err := token.NewKey(time.Now(), time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	ring, err := token.NewRing(f.s.ready.Issuer, []token.Key{mine})
	if err != nil {
		f.t.Fatal(err)
	}
	raw, err := ring.Access(time.Now(), f.claims())
	if err != nil {
		f.t.Fatal(err)
	}
	published := ring.Public(time.Now()).Keys[0]
	for _, change := range []func(map[string]any){
		func(h map[string]any) { h["kid"] = f.key.ID },
		func(h map[string]any) { delete(h, "kid") },
		func(h map[string]any) { h["kid"], h["jwk"] = mine.ID, published },
		func(h map[string]any) { delete(h, "kid"); h["jwk"] = published },
		func(h map[string]any) { h["kid"], h["jku"] = mine.ID, "http://127.0.0.1:1/jwks" },
		func(h map[string]any) { h["kid"] = "../../../../dev/null" },
	} {
		header, payload := f.parts()
		change(header)
		all = append(all, jws(f.t, header, payload, es256(f.t, mine.Private)))
	}
	return append(all, raw)
}

// altered is raw with more scope in its payload and the signature of before.
func altered(raw string) string {
	parts := strings.Split(raw, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), `"scope":"mcp"`, `"scope":"mcp admin"`, 1)))
	return strings.Join(parts, ".")
}

// The upstream is told who calls. What it is told must be of no use to it, or to whoever reads its logs.
func TestAttackWithTheCallerHeaderAsAToken(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	s.works("a good call", good.Access)
	seen := up.all()
	assertion := seen[len(seen)-1].Header.Get("Doorward-Caller")
	if strings.Count(assertion, ".") != 2 {
		t.Fatalf("the upstream was not told who calls: %q", assertion)
	}
	s.refuses("the caller header as a token", assertion)
	// Not even one that names the resource as its audience.
	f := newForger(t, s)
	for _, audience := range []string{s.ready.Resource, s.ready.Issuer} {
		raw, err := f.ring.Caller(time.Now(), audience, token.Caller(f.claims()))
		if err != nil {
			t.Fatal(err)
		}
		s.refuses("a caller assertion for "+audience, raw)
	}
}

// RS-TOKEN-NO-QUERY, RS-LOG-NO-CREDENTIALS: a token belongs in the header, and what came elsewhere stands in no log.
func TestAttackWithTheTokenElsewhere(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	s.works("a good call", good.Access)
	reached := len(up.all())
	post := func(address, body string, header ...string) answer {
		return do(t, http.DefaultClient, request(t, "POST", address, body, append([]string{"Content-Type", "application/json"}, header...)...))
	}
	whole := callBody("whoami", "{}")
	for name, a := range map[string]answer{
		"in the query":                post(s.ready.Resource+"?access_token="+good.Access, whole, callHeaders("whoami")...),
		"in the query and the header": post(s.ready.Resource+"?access_token="+good.Access, whole, append(callHeaders("whoami"), "Authorization", "Bearer "+good.Access)...),
		"in a form":                   post(s.ready.Resource, "access_token="+good.Access, "Content-Type", "application/x-www-form-urlencoded"),
		"in the message":              post(s.ready.Resource, strings.Replace(whole, `{`, `{"access_token":"`+good.Access+`",`, 1), callHeaders("whoami")...),
		"in a cookie":                 post(s.ready.Resource, whole, append(callHeaders("whoami"), "Cookie", "access_token="+good.Access)...),
		"as Basic":                    post(s.ready.Resource, whole, append(callHeaders("whoami"), "Authorization", "Basic "+good.Access)...),
		"twice":                       post(s.ready.Resource, whole, append(callHeaders("whoami"), "Authorization", "Bearer "+good.Access+", Bearer "+good.Access)...),
	} {
		if a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if n := len(up.all()); n != reached {
		t.Errorf("%d calls reached the upstream", n-reached)
	}
	s.stop() // what is counted is written at the end
	for what, secret := range map[string]string{"access token": good.Access, "refresh token": good.Refresh} {
		if s.holds(secret) {
			t.Errorf("the %s stands in a log or in the database", what)
		}
	}
}

// Rule 7: what is taken back is refused at once, whatever a cache holds.
func TestAttackWithARevokedToken(t *testing.T) {
	s := protect(t)
	app, one := s.connect()
	s.works("before", one.Access)
	two := app.refresh(one.Refresh).tokens(t)
	s.works("before", two.Access)

	revoke := func(raw, client string) {
		form := "client_id=" + client + "&token=" + raw
		if a := do(t, http.DefaultClient, request(t, "POST", s.at("/revoke"), form, "Content-Type", "application/x-www-form-urlencoded")); a.StatusCode != http.StatusOK {
			t.Errorf("revoking: %s %s", a.Status, a.body)
		}
	}
	stranger := s.register(`{"client_name":"Stranger","redirect_uris":["http://127.0.0.1:1/other"]}`)
	revoke(two.Access, stranger.ID)
	revoke(two.Refresh, stranger.ID)
	s.works("after another client's revocation", two.Access)

	revoke(one.Access, app.ID)
	s.refuses("an access token that was taken back", one.Access)
	s.works("another of the same grant", two.Access)
	revoke(two.Refresh, app.ID)
	s.refuses("an access token whose grant was taken back", two.Access)
	app.refresh(two.Refresh).wants(t, http.StatusBadRequest, "invalid_grant")
	s.restart()
	s.refuses("after a restart", one.Access)
	s.refuses("after a restart", two.Access)
}
