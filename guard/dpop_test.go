package guard_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// holder is a client with a key.
type holder struct {
	t       *testing.T
	private *ecdsa.PrivateKey
	print   string // thumbprint of its key
}

func newHolder(t *testing.T) *holder {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	print, err := (&jose.JSONWebKey{Key: k.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{t, k, base64.RawURLEncoding.EncodeToString(print)}
}

func (h *holder) bound(c *token.Claims) { c.Key = h.print }

// proof is a proof for POST to the resource with raw; what changes holds goes over its claims.
func (h *holder) proof(raw string, changes map[string]any) string {
	h.t.Helper()
	sum := sha256.Sum256([]byte(raw))
	claims := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": resource, "iat": noon.Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:])}
	for name, value := range changes {
		claims[name] = value
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: h.private}, &jose.SignerOptions{EmbedJWK: true, ExtraHeaders: map[jose.HeaderKey]any{"typ": "dpop+jwt"}})
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		h.t.Fatal(err)
	}
	signed, err := s.Sign(b)
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func (h *holder) call(raw string, changes map[string]any) *http.Request {
	h.t.Helper()
	return post(callBody, "Authorization", "DPoP "+raw, "DPoP", h.proof(raw, changes))
}

func reached(http.ResponseWriter, *http.Request) {}

func challenges(w *httptest.ResponseRecorder) []oauth.Challenge {
	return oauth.ParseChallenges(w.Header().Values("WWW-Authenticate"))
}

// schemes are those of the challenges, in order.
func schemes(w *httptest.ResponseRecorder) (all []string) {
	for _, c := range challenges(w) {
		all = append(all, c.Scheme)
	}
	return all
}

// admit is the answer to a request that is refused, and the reason; both empty if it is admitted. The record is no place to
// look: of refusals of strangers it holds one a second.
func (f *fixture) admit(r *http.Request) (w *httptest.ResponseRecorder, why string) {
	f.t.Helper()
	w, r = httptest.NewRecorder(), request.Begin(r, f.now, nil)
	_, err := f.g.Admit(r)
	if err == nil {
		return w, ""
	}
	f.g.Refuse(w, r, err)
	var known *oauth.Error
	if !errors.As(err, &known) {
		return w, err.Error()
	}
	return w, known.Reason
}

// DPOP-RS-VALIDATE, DPOP-RS-401, DPOP-RS-IAT, DPOP-RS-AUDIENCE, DPOP-RS-NO-DOWNGRADE, RFC 9449 §7.1 and §7.2: what is wrong with a call of a
// bound token is refused with 401 and a challenge that says under which scheme a better try could come.
func TestCallsWithBoundTokens(t *testing.T) {
	f, h, thief := guarded(t, nil), newHolder(t), newHolder(t)
	bound, free := f.token(h.bound), f.token()
	foreign := f.token(h.bound, func(c *token.Claims) { c.Resource = "https://other.example" })
	twice := h.call(bound, nil)
	twice.Header.Add("DPoP", h.proof(bound, nil))
	two := post(callBody, "Authorization", "Bearer "+free)
	two.Header.Add("Authorization", "DPoP "+bound)
	lower := h.call(bound, nil)
	lower.Header.Set("Authorization", "dpop "+bound)
	both := []string{"Bearer", "DPoP"}
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
		reason string
		offers []string
	}{
		{"good", h.call(bound, nil), 200, "", "", nil},
		{"good, the scheme in lower case", lower, 200, "", "", nil},
		{"good, four minutes old", h.call(bound, map[string]any{"iat": noon.Unix() - 240}), 200, "", "", nil},
		{"good, four minutes ahead", h.call(bound, map[string]any{"iat": noon.Unix() + 240}), 200, "", "", nil},
		{"good, a nonce that nobody asked for", h.call(bound, map[string]any{"nonce": "n"}), 200, "", "", nil},
		{"a bearer token with a proof that nobody needs", post(callBody, "Authorization", "Bearer "+free, "DPoP", "x"), 200, "", "", nil},
		{"six minutes old", h.call(bound, map[string]any{"iat": noon.Unix() - 360}), 401, "invalid_dpop_proof", "too_old", []string{"DPoP"}},
		{"six minutes ahead", h.call(bound, map[string]any{"iat": noon.Unix() + 360}), 401, "invalid_dpop_proof", "not_yet", []string{"DPoP"}},
		{"no proof", post(callBody, "Authorization", "DPoP "+bound), 401, "invalid_dpop_proof", "no_proof", []string{"DPoP"}},
		{"two proofs", twice, 401, "invalid_dpop_proof", "several", []string{"DPoP"}},
		{"a proof for another method", h.call(bound, map[string]any{"htm": "GET"}), 401, "invalid_dpop_proof", "htm", []string{"DPoP"}},
		{"a proof for another server", h.call(bound, map[string]any{"htu": "https://other.example/mcp"}), 401, "invalid_dpop_proof", "htu", []string{"DPoP"}},
		{"a proof for another path", h.call(bound, map[string]any{"htu": "https://mcp.example/other"}), 401, "invalid_dpop_proof", "htu", []string{"DPoP"}},
		{"a proof for another token", post(callBody, "Authorization", "DPoP "+bound, "DPoP", h.proof(free, nil)), 401, "invalid_dpop_proof", "ath", []string{"DPoP"}},
		{"stolen and proved with another key", thief.call(bound, nil), 401, "invalid_token", "other_key", both},
		{"bound, as a bearer token", post(callBody, "Authorization", "Bearer "+bound), 401, "invalid_token", "bound", both},
		{"bound, as a bearer token with its proof", post(callBody, "Authorization", "Bearer "+bound, "DPoP", h.proof(bound, nil)), 401, "invalid_token", "bound", both},
		{"free, under DPoP", h.call(free, nil), 401, "invalid_token", "unbound", both},
		{"a good proof for a token of another audience", h.call(foreign, nil), 401, "invalid_token", "audience", both},
		{"DPoP without a token", post(callBody, "Authorization", "DPoP "), 401, "invalid_token", "authorization_header", both},
		{"two tokens", two, 401, "invalid_token", "authorization_header", both},
		{"nothing", post(callBody), 401, "", "no_token", both},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			w, why := f.admit(c.r)
			if w.Code != c.status || why != c.reason {
				t.Errorf("%d %s, reason %q, want %d %q", w.Code, w.Body, why, c.status, c.reason)
			}
			if diff := cmp.Diff(c.offers, schemes(w)); diff != "" {
				t.Errorf("challenges (-want +got)\n%s", diff)
			}
			for _, got := range challenges(w) {
				if got.Error != c.code || got.ResourceMetadata != document || (got.Scheme == "DPoP") != slices.Equal(got.Algorithms, token.Algorithms()) {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// DPOP-RS-JTI, RFC 9449 §11.1: a proof is good once; another of the same client is another one.
func TestAProofIsTakenOnce(t *testing.T) {
	f, h := guarded(t, nil), newHolder(t)
	raw := f.token(h.bound)
	first := h.call(raw, map[string]any{"jti": "one"})
	again := first.Clone(t.Context())
	if w := f.serve(first, reached); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	again.Body = post(callBody).Body
	if w, why := f.admit(again); w.Code != 401 || why != "replayed" || challenges(w)[0].Error != "invalid_dpop_proof" {
		t.Errorf("again: %d %s", w.Code, w.Body)
	}
	if w, why := f.admit(h.call(raw, map[string]any{"jti": "one", "iat": noon.Unix() - 200})); w.Code != 401 || why != "replayed" {
		t.Errorf("its jti at another time: %d %s", w.Code, w.Body)
	}
	other := newHolder(t)
	if w := f.serve(other.call(f.token(other.bound), map[string]any{"jti": "one"}), reached); w.Code != 200 {
		t.Errorf("its jti by another client: %d %s", w.Code, w.Body)
	}
	if w := f.serve(h.call(raw, nil), reached); w.Code != 200 {
		t.Errorf("another proof: %d %s", w.Code, w.Body)
	}
}

// What is remembered of a proof is forgotten when the proof is good no more, and not before.
func TestAProofIsForgottenInTime(t *testing.T) {
	now := noon
	f := guarded(t, func(c *guard.Config) { c.Now = func() time.Time { return now } })
	h := newHolder(t)
	raw := f.token(h.bound, func(c *token.Claims) { c.Expires = noon.Add(time.Hour) })
	text := h.proof(raw, map[string]any{"iat": noon.Add(5 * time.Minute).Unix()})
	for _, c := range []struct {
		after  time.Duration
		reason string
	}{{0, ""}, {5 * time.Minute, "replayed"}, {10*time.Minute - time.Second, "replayed"}, {10 * time.Minute, "replayed"}, {10*time.Minute + time.Second, "too_old"}} {
		now = noon.Add(c.after)
		if w, why := f.admit(post(callBody, "Authorization", "DPoP "+raw, "DPoP", text)); (w.Code == 200) != (c.reason == "") || why != c.reason {
			t.Errorf("after %s: %d, %s, want %s", c.after, w.Code, why, c.reason)
		}
	}
}

// A process that can remember no more refuses: to forget what is still good would let it in again.
func TestAFullMemoryRefuses(t *testing.T) {
	now := noon
	f := guarded(t, func(c *guard.Config) { c.DPoP.Memory, c.Now = 2, func() time.Time { return now } })
	h := newHolder(t)
	raw := f.token(h.bound, func(c *token.Claims) { c.Expires = noon.Add(time.Hour) })
	for n, want := range []string{"", "", "too_many_proofs"} {
		if w, why := f.admit(h.call(raw, nil)); why != want || why != "" && (w.Code != 503 || w.Header().Get("Retry-After") == "") {
			t.Errorf("proof %d: %d %s", n, w.Code, w.Body)
		}
	}
	now = noon.Add(6 * time.Minute)
	if w, why := f.admit(h.call(raw, map[string]any{"iat": now.Unix()})); why != "" {
		t.Errorf("when they are forgotten: %d %s", w.Code, w.Body)
	}
}

// shared is what several replicas keep together.
type shared struct {
	used map[string]time.Time
	fail error
}

func (s *shared) once(_ context.Context, _ time.Time, kind, id string, until time.Time) (bool, error) {
	_, twice := s.used[kind+" "+id]
	s.used[kind+" "+id] = until
	return !twice, s.fail
}

// Rule 11: with one memory for all, a proof is good at one replica once; and only for callers with a good token anything is remembered.
func TestReplicasShareWhatTheyRemember(t *testing.T) {
	s := &shared{used: map[string]time.Time{}}
	share := func(c *guard.Config) { c.DPoP.Once = s.once }
	one, h := guarded(t, share), newHolder(t)
	two := guarded(t, func(c *guard.Config) { share(c); c.Issuers[0].Keys = token.Own(func() *token.Ring { return one.ring }) })
	raw := one.token(h.bound)
	text := h.proof(raw, map[string]any{"jti": "one"})
	proved := func() *http.Request { return post(callBody, "Authorization", "DPoP "+raw, "DPoP", text) }
	for _, wrong := range []*http.Request{newHolder(t).call(raw, nil), h.call(one.token(), nil), h.call(one.token(h.bound, func(c *token.Claims) { c.Expires = noon.Add(-time.Hour) }), nil)} {
		if w := one.serve(wrong, nil); w.Code != 401 || len(s.used) != 0 {
			t.Errorf("%d: %v is remembered of a stranger", w.Code, s.used)
		}
	}
	if w := one.serve(proved(), reached); w.Code != 200 || !cmp.Equal(s.used, map[string]time.Time{"dpop " + h.print + " one": noon.Add(5*time.Minute + time.Second)}) {
		t.Errorf("%d, %v", w.Code, s.used)
	}
	if w, why := two.admit(proved()); w.Code != 401 || why != "replayed" {
		t.Errorf("at the other replica: %d %s", w.Code, w.Body)
	}
	s.fail = errors.New("the database is away")
	if w := one.serve(h.call(raw, nil), nil); w.Code != 500 || strings.Contains(w.Body.String(), "database") {
		t.Errorf("without an answer: %d %s", w.Code, w.Body)
	}
}

// DPOP-RS-NONCE, RFC 9449 §9: who needs nonces gives them, and gives a new one before the old one ends.
func TestNonces(t *testing.T) {
	now, nonces := noon, token.NewNonces([]byte(strings.Repeat("k", 32)))
	f := guarded(t, func(c *guard.Config) {
		c.DPoP.NonceRequired, c.DPoP.Nonces, c.Now = true, nonces, func() time.Time { return now }
	})
	h := newHolder(t)
	raw := f.token(h.bound)
	w := f.serve(h.call(raw, nil), nil)
	nonce := w.Header().Get("DPoP-Nonce")
	if got := challenges(w); w.Code != 401 || len(got) != 1 || got[0].Scheme != "DPoP" || got[0].Error != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	for _, c := range []struct {
		name, nonce string
		after       time.Duration
		status      int
		next        bool
	}{
		{"at once", nonce, 0, 200, false}, {"again with another proof", nonce, time.Minute, 200, false}, {"over half its life", nonce, 3 * time.Minute, 200, true},
		{"over", nonce, 6 * time.Minute, 401, true}, {"made up", "nonce", 0, 401, true}, {"of another server", token.NewNonces([]byte("x")).Make(noon), 0, 401, true},
		{"of another replica", nonces.Make(noon), 0, 200, false},
	} {
		now = noon.Add(c.after)
		next := http.HandlerFunc(nil)
		if c.status == 200 {
			next = reached
		}
		w := f.serve(h.call(raw, map[string]any{"nonce": c.nonce, "iat": now.Unix()}), next)
		given := w.Header().Get("DPoP-Nonce")
		if w.Code != c.status || (given != "") != c.next {
			t.Errorf("%s: %d, nonce %q: %s", c.name, w.Code, given, w.Body)
		}
		if ok, stale := nonces.Good(now, given); given != "" && (!ok || stale) {
			t.Errorf("%s: the new nonce is no good", c.name)
		}
	}
	// Without Nonces a server makes a key of its own.
	f = guarded(t, func(c *guard.Config) { c.DPoP.NonceRequired = true })
	raw = f.token(h.bound)
	nonce = f.serve(h.call(raw, nil), nil).Header().Get("DPoP-Nonce")
	if w := f.serve(h.call(raw, map[string]any{"nonce": nonce}), reached); nonce == "" || w.Code != 200 {
		t.Errorf("with its own key: %q, %d %s", nonce, w.Code, w.Body)
	}
	if w := f.serve(h.call(raw, map[string]any{"nonce": ""}), nil); w.Code != 401 {
		t.Errorf("an empty nonce: %d", w.Code)
	}
}

// RFC 9449 §7.1, RFC 9728 §2: a server that wants bound tokens says so in its document and takes no other.
func TestBoundTokensRequired(t *testing.T) {
	f, h := guarded(t, func(c *guard.Config) { c.DPoP.Required = true }), newHolder(t)
	for name, r := range map[string]*http.Request{"a bearer token": post(callBody, "Authorization", "Bearer "+f.token()), "no token": post(callBody), "unbound under DPoP": h.call(f.token(), nil),
		"bound as a bearer token": post(callBody, "Authorization", "Bearer "+f.token(h.bound))} {
		if w := f.serve(r, nil); w.Code != 401 || !cmp.Equal(schemes(w), []string{"DPoP"}) {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := f.serve(h.call(f.token(h.bound), nil), reached); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := httptest.NewRecorder()
	f.g.Metadata().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource/mcp", nil))
	var got oauth.ProtectedResource
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !got.DPoPRequired || !cmp.Equal(got.DPoPAlgorithms, token.Algorithms()) {
		t.Errorf("%s: %v", w.Body, err)
	}
}

// The address of a proof is the public one, whatever a proxy called us; on loopback it is the one that the client was given.
func TestTheAddressOfAProofIsThePublicOne(t *testing.T) {
	f, h := guarded(t, func(c *guard.Config) { c.Hosts = map[string]string{"localhost:8080": "http://localhost:8080"} }), newHolder(t)
	for _, c := range []struct {
		host, path, htu string
		status          int
	}{
		{"10.0.0.7:3000", "/mcp", resource, 200}, {"10.0.0.7:3000", "/mcp", "http://10.0.0.7:3000/mcp", 401}, {"evil.example", "/mcp", "https://evil.example/mcp", 401},
		{"localhost:8080", "/mcp", "http://localhost:8080/mcp", 200}, {"localhost:8080", "/mcp", resource, 401}, {"mcp.example", "/mcp?a=b", resource, 200}, {"mcp.example", "/mcp/more", "https://mcp.example/mcp/more", 200},
		{"mcp.example", "/mcp/more", resource, 401}, {"mcp.example", "/mcp/%7Ea", "https://mcp.example/mcp/~a", 200},
	} {
		raw := f.token(h.bound)
		r := httptest.NewRequest("POST", c.path, strings.NewReader(callBody))
		r.Host, r.Header = c.host, h.call(raw, map[string]any{"htu": c.htu}).Header
		r.Header.Set("X-Forwarded-Host", "evil.example")
		next := http.HandlerFunc(nil)
		if c.status == 200 {
			next = reached
		}
		if w := f.serve(r, next); w.Code != c.status {
			t.Errorf("%s%s with a proof for %s: %d %s", c.host, c.path, c.htu, w.Code, w.Body)
		}
	}
}

// A server behind Protect gets no proof: with it and the token it could act as the caller elsewhere.
func TestAProofIsNotPassedOn(t *testing.T) {
	f, h := guarded(t, nil), newHolder(t)
	w := f.serve(h.call(f.token(h.bound), nil), func(_ http.ResponseWriter, r *http.Request) {
		if call, _ := guard.From(r.Context()); r.Header.Get("DPoP") != "" || call.Caller.Key != h.print {
			t.Errorf("%v, %+v", r.Header, call.Caller)
		}
	})
	if w.Code != 200 || f.log[0].Record.Code != audit.Called || f.log[0].Record.Caller.Key != h.print {
		t.Errorf("%d, %+v", w.Code, f.log)
	}
}

// A step up is asked for under the scheme that the client uses.
func TestAStepUpOfABoundToken(t *testing.T) {
	f, h := guarded(t, nil), newHolder(t)
	w := f.serve(h.call(f.token(h.bound, func(c *token.Claims) { c.Scopes = nil }), nil), nil)
	if got := challenges(w); w.Code != 403 || len(got) != 1 || got[0].Scheme != "DPoP" || got[0].Error != "insufficient_scope" || got[0].Scope.String() != "mcp" {
		t.Errorf("%d %+v", w.Code, got)
	}
}
