package authserver_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

// kit is an authorization server over a real database, its endpoints called as handlers, its clock in the test's hand.
type kit struct {
	t       testing.TB
	s       *authserver.Server
	db      *store.DB
	mux     *http.ServeMux
	now     time.Time
	person  *authserver.SignedIn
	clients map[string]oauth.Client
	fetched int // how often a client was looked up in a way that may read a document
	read    map[string]bool

	mu      sync.Mutex
	records []audit.Entry

	box    *seal.Box
	path   string
	config authserver.Config
}

const (
	crm    = "https://as.example/crm"
	files  = "https://as.example/files"
	secret = "s3cret"
	verify = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

var alice = authserver.SignedIn{Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Name: "alice", Groups: []string{"staff"}, At: clock.Add(-time.Minute), ACR: "urn:doorward:single-factor"}

func newKit(t testing.TB, change ...func(*authserver.Config)) *kit {
	t.Helper()
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{t: t, now: clock, clients: map[string]oauth.Client{}, read: map[string]bool{}, box: box, path: filepath.Join(t.TempDir(), "as.db")}
	who := alice
	k.person = &who
	k.config = authserver.Config{
		Issuer: issuer, ACR: []string{alice.ACR}, Nonces: token.NewNonces([]byte("nonces")), Cookie: func(purpose string) string { return purpose },
		Resources: []oauth.Resource{
			{URI: crm, Devices: true, Scopes: []oauth.ScopeText{{Name: "mcp", Sentence: "Use it"}, {Name: "crm:admin", Sentence: "Rule it", Groups: []string{"ops"}}}},
			{URI: files, Scopes: []oauth.ScopeText{{Name: "mcp", Sentence: "Use it"}, {Name: "files:write", Sentence: "Write"}}},
		},
		Clients: authserver.Clients{Client: k.client, Known: k.known, KeysOf: keysOf, Workload: k.workload},
		Person:  func(*http.Request) (*authserver.SignedIn, error) { return k.person, nil },
		Log:     audit.New(k.keep),
	}
	for _, f := range change {
		f(&k.config)
	}
	k.restart()
	t.Cleanup(func() { _ = k.db.Close() })
	return k
}

// restart ends the process, as it were, and begins another one over the same database.
func (k *kit) restart() {
	k.t.Helper()
	if k.db != nil {
		if err := k.db.Close(); err != nil {
			k.t.Fatal(err)
		}
	}
	var err error
	if k.db, err = store.Open(context.Background(), "sqlite:"+k.path, k.box); err != nil {
		k.t.Fatal(err)
	}
	k.config.Store = k.db.Authserver()
	k.s = authserver.New(k.config)
	k.s.Begin(authserver.SignIn("/sign-in"), k.s.Consent("/consent"))
	if err := k.s.LoadKeys(context.Background(), k.now); err != nil {
		k.t.Fatal(err)
	}
	k.mux = http.NewServeMux()
	for path, h := range k.s.Routes() {
		k.mux.Handle(path, h)
	}
}

func (k *kit) keep(_ context.Context, e audit.Entry) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records = append(k.records, e)
	return nil
}

func (k *kit) client(_ context.Context, id string) (oauth.Client, error) {
	k.fetched++
	k.read[id] = true
	if c, ok := k.clients[id]; ok {
		return c, nil
	}
	return oauth.Client{}, oauth.InvalidClient("unknown_client", "nobody knows this client")
}

func (k *kit) known(_ context.Context, id string) (oauth.Client, bool) {
	c, ok := k.clients[id]
	return c, ok && (c.Source != oauth.Document || k.read[id])
}

func (k *kit) workload(_ context.Context, who token.Principal) (oauth.Client, bool, error) {
	for _, c := range k.clients {
		if c.WorkloadIssuer == who.Issuer && c.WorkloadSubject == who.Subject && who.Subject != "" {
			return c, true, nil
		}
	}
	return oauth.Client{}, false, nil
}

func keysOf(c oauth.Client) (token.Keys, error) { return token.FixedKeys(c.JWKS) }

// add registers a client: public with an https redirect unless change says otherwise.
func (k *kit) add(id string, source oauth.Source, change ...func(*oauth.Client)) oauth.Client {
	c := oauth.Client{ID: id, Source: source, ClientMetadata: oauth.ClientMetadata{Name: id, TokenAuthMethod: "none", RedirectURIs: []string{"https://app.example/cb"}}}
	for _, f := range change {
		f(&c)
	}
	k.clients[id] = c
	return c
}

// withSecret makes a client confidential; grant types and what it reaches and serves follow.
func withSecret(grantTypes ...string) func(*oauth.Client) {
	return func(c *oauth.Client) {
		c.TokenAuthMethod, c.SecretHash, c.GrantTypes = "client_secret_basic", sha256.Sum256([]byte(secret)), grantTypes
	}
}

func reaches(resources ...string) func(*oauth.Client) {
	return func(c *oauth.Client) { c.Reaches = resources }
}

func serves(resources ...string) func(*oauth.Client) {
	return func(c *oauth.Client) { c.Serves = resources }
}

// reply is an answer of an endpoint.
type reply struct {
	*httptest.ResponseRecorder
	body map[string]any
}

func (r reply) text(name string) string { s, _ := r.body[name].(string); return s }

// wants fails the test unless the answer is this error, or no error if code is empty.
func (r reply) wants(t testing.TB, status int, code string) reply {
	t.Helper()
	if got := r.text("error"); r.Code != status || got != code {
		t.Errorf("%d %q (%s), want %d %q", r.Code, got, r.text("error_description"), status, code)
	}
	return r
}

func (k *kit) send(method, path, form string, header ...string) reply {
	k.t.Helper()
	r := httptest.NewRequest(method, issuer+path, strings.NewReader(form))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	k.mux.ServeHTTP(w, request.Begin(r, func() time.Time { return k.now }, nil))
	answer := reply{ResponseRecorder: w}
	if bytes.HasPrefix(w.Body.Bytes(), []byte("{")) {
		if err := json.Unmarshal(w.Body.Bytes(), &answer.body); err != nil {
			k.t.Fatalf("%s: %v", w.Body, err)
		}
	}
	return answer
}

// form is pairs as a form; an empty value is left out.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Add(pairs[i], pairs[i+1])
		}
	}
	return v
}

func (k *kit) token(v url.Values, header ...string) reply {
	k.t.Helper()
	return k.send(http.MethodPost, "/token", v.Encode(), header...)
}

func basic(id string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
}

// visit is one browser's request to the pages' side of the server.
func (k *kit) visit(b *browser, address string, h func(http.ResponseWriter, *http.Request) error) (*url.URL, error) {
	k.t.Helper()
	was := clock
	clock = k.now
	defer func() { clock = was }()
	return b.visit(address, h)
}

// asks is an authorization request of a client, with more parameters or other ones; the last of a name counts, an empty one is
// none.
func asks(client string, more ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {client}, "code_challenge": {oauth.S256(verify)}, "code_challenge_method": {"S256"}, "resource": {crm}}
	for i := 0; i+1 < len(more); i += 2 {
		if q.Set(more[i], more[i+1]); more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return q
}

// allow walks an authorization request through the pages; choice is what the person picks where there is a choice.
func (k *kit) allow(b *browser, q url.Values, choice string) (*url.URL, error) {
	k.t.Helper()
	to, err := k.visit(b, issuer+"/authorize?"+q.Encode(), k.s.Authorize)
	for range 5 {
		if err != nil || to == nil || to.Query().Get("pending") == "" {
			return to, err
		}
		page := to.Path
		to, err = k.visit(b, issuer+"/page?pending="+to.Query().Get("pending"), func(w http.ResponseWriter, r *http.Request) error {
			p, err := k.s.Pending(r)
			switch {
			case err != nil:
				return err
			case page == "/sign-in":
				who := *k.person
				who.At = k.now
				return k.s.Answer(w, r, p, who)
			case page == "/consent":
				return k.s.Allow(w, r, p, choice)
			}
			return k.s.Authorize(w, r)
		})
		if err == nil && to.Path == "/authorize" {
			to, err = k.visit(b, to.String(), k.s.Authorize)
		}
	}
	return to, err
}

// code is the code that a client gets for q.
func (k *kit) code(q url.Values) string {
	k.t.Helper()
	to, err := k.allow(newBrowser(), q, "")
	if err != nil || to.Query().Get("code") == "" {
		k.t.Fatalf("no code: %v, %v", to, err)
	}
	return to.Query().Get("code")
}

// redeem is the token request for a code of a public client.
func redeem(client, code string, more ...string) url.Values {
	return form(append([]string{"grant_type", "authorization_code", "client_id", client, "code", code, "code_verifier", verify}, more...)...)
}

// claims are what a JWT says, unverified.
func claims(t testing.TB, raw string) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", raw)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c map[string]any
	if err := errors.Join(err, json.Unmarshal(b, &c)); err != nil {
		t.Fatal(err)
	}
	return c
}

// signer is a key that a test signs with.
type signer struct {
	private *ecdsa.PrivateKey
	id      string
}

func newSigner(t testing.TB, id string) signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{private, id}
}

func (s signer) jwks() json.RawMessage {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.private.Public(), KeyID: s.id, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		panic(err)
	}
	return b
}

func (s signer) sign(t testing.TB, typ string, embed bool, c map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{EmbedJWK: embed}).WithType(jose.ContentType(typ))
	if !embed {
		o = o.WithHeader("kid", s.id)
	}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.private}, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := made.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// proof is a DPoP proof of s for a request to path; more are claims besides or instead.
func (k *kit) proof(s signer, path string, more ...any) string {
	k.t.Helper()
	c := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": issuer + path, "iat": k.now.Unix(), "nonce": token.NewNonces([]byte("nonces")).Make(k.now)}
	for i := 0; i+1 < len(more); i += 2 {
		if c[more[i].(string)] = more[i+1]; more[i+1] == nil {
			delete(c, more[i].(string))
		}
	}
	return s.sign(k.t, "dpop+jwt", true, c)
}

// assertion is a client assertion of client; more are claims besides or instead.
func (k *kit) assertion(s signer, client string, more ...any) string {
	k.t.Helper()
	c := map[string]any{"iss": client, "sub": client, "aud": issuer, "jti": rand.Text(), "iat": k.now.Unix(), "exp": k.now.Add(time.Minute).Unix()}
	for i := 0; i+1 < len(more); i += 2 {
		if c[more[i].(string)] = more[i+1]; more[i+1] == nil {
			delete(c, more[i].(string))
		}
	}
	return s.sign(k.t, "JWT", false, c)
}

// allows is the consent page on which the person picks choice and allows.
func (k *kit) allows(choice string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := k.s.Pending(r)
		if err != nil {
			return err
		}
		return k.s.Allow(w, r, p, choice)
	}
}
