package authserver_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

const (
	issuer   = "https://as.example"
	resource = "https://as.example/mcp"
)

// clients are two: one whose consent is remembered, and one that is asked every time.
var clients = map[string]oauth.Client{
	"fixed":    {ID: "fixed", Source: oauth.Dynamic, ClientMetadata: oauth.ClientMetadata{Name: "Fixed", TokenAuthMethod: "none", RedirectURIs: []string{"https://app.example/cb"}}},
	"loopback": {ID: "loopback", Source: oauth.Dynamic, ClientMetadata: oauth.ClientMetadata{Name: "Loop", TokenAuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1:9/cb"}}},
}

func newServer(t *testing.T) *authserver.Server {
	t.Helper()
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "as.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := authserver.New(authserver.Config{Issuer: issuer, Resources: []oauth.Resource{{URI: resource, Scopes: []oauth.ScopeText{{Name: "mcp"}, {Name: "more"}}}},
		Clients: authserver.Clients{Client: func(_ context.Context, id string) (oauth.Client, error) { return clients[id], nil }},
		Cookie:  func(purpose string) string { return purpose }, Log: audit.New(func(context.Context, audit.Entry) error { return nil }), Store: db.Authserver()})
	s.Begin(authserver.SignIn("/sign-in"), s.Consent("/consent"))
	return s
}

// browser is one cookie jar, and an address, because one source can begin only so many sign-ins a minute.
type browser struct {
	cookies []*http.Cookie
	addr    netip.Addr
}

func newBrowser() *browser {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return &browser{addr: netip.AddrFrom16(b)}
}

var clock = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// visit runs one handler as a request of this browser.
func (b *browser) visit(address string, h func(http.ResponseWriter, *http.Request) error) (*url.URL, error) {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.RemoteAddr = netip.AddrPortFrom(b.addr, 1).String()
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	r = request.Begin(r, func() time.Time { return clock }, nil)
	w := httptest.NewRecorder()
	err := h(w, r)
	b.cookies = append(b.cookies, w.Result().Cookies()...)
	to, _ := w.Result().Location()
	return to, err
}

// model is what a pending request may do, said once more and simpler.
type model struct {
	id       string
	client   string
	scope    string
	owner    int // which browser began
	person   string
	allowed  bool
	declined bool
	done     bool
}

// Signing in is a state machine over a stored request. Whatever pages answer in whatever order, from whichever browser: a
// code is given once, to the browser that asked, for a person who signed in and, after that, allowed exactly this.
func TestNoCodeWithoutPersonAndConsent(t *testing.T) {
	s := newServer(t)
	rapid.Check(t, func(t *rapid.T) {
		browsers := []*browser{newBrowser(), newBrowser()}
		remembered := map[string]bool{} // :: person, client, scope that were allowed
		person := "run-" + rand.Text()  // people of this run: the database outlives it
		var all []*model
		page := func(t *rapid.T, m *model, from int, do func(w http.ResponseWriter, r *http.Request, p authserver.Pending) error) bool {
			_, err := browsers[from].visit("/page?pending="+m.id, func(w http.ResponseWriter, r *http.Request) error {
				p, err := s.Pending(r)
				if err != nil {
					return err
				}
				return do(w, r, p)
			})
			if (err == nil) != (from == m.owner && !m.done) {
				t.Fatalf("a page of browser %d for a request of browser %d, done %v: %v", from, m.owner, m.done, err)
			}
			return err == nil
		}
		pick := func(t *rapid.T) (*model, int) {
			if len(all) == 0 {
				t.Skip("nothing was begun")
			}
			// Mostly the right browser, and one of the newest two: else a run hardly ever gets far with any.
			m := all[rapid.IntRange(max(0, len(all)-2), len(all)-1).Draw(t, "request")]
			if rapid.IntRange(0, 4).Draw(t, "wrong browser") == 0 {
				return m, 1 - m.owner
			}
			return m, m.owner
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				if len(all) > 0 && rapid.IntRange(0, 3).Draw(t, "another") > 0 {
					t.Skip("finish one first")
				}
				m := &model{owner: rapid.IntRange(0, 1).Draw(t, "browser"), client: rapid.SampledFrom([]string{"fixed", "loopback"}).Draw(t, "client"), scope: rapid.SampledFrom([]string{"mcp", "mcp more"}).Draw(t, "scope")}
				q := url.Values{"response_type": {"code"}, "client_id": {m.client}, "code_challenge": {oauth.S256(strings.Repeat("v", 43))}, "code_challenge_method": {"S256"}, "resource": {resource}, "scope": {m.scope}}
				to, err := browsers[m.owner].visit("/authorize?"+q.Encode(), s.Authorize)
				if err != nil || to.Path != "/sign-in" {
					t.Fatalf("beginning: %v, %v", to, err)
				}
				m.id = to.Query().Get("pending")
				all = append(all, m)
			},
			"sign in": func(t *rapid.T) {
				m, from := pick(t)
				who := person + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "person")
				if page(t, m, from, func(w http.ResponseWriter, r *http.Request, p authserver.Pending) error {
					return s.Answer(w, r, p, authserver.SignedIn{Principal: token.Principal{Issuer: issuer, Subject: who}, At: clock})
				}) {
					m.person, m.allowed = who, false
				}
			},
			"allow": func(t *rapid.T) {
				m, from := pick(t)
				if m.person == "" {
					t.Skip("package web asks nobody for consent before somebody is known")
				}
				if page(t, m, from, func(w http.ResponseWriter, r *http.Request, p authserver.Pending) error { return s.Allow(w, r, p, "") }) {
					m.allowed = true
					remembered[m.person+m.client+m.scope] = true
				}
			},
			"decline": func(t *rapid.T) {
				m, from := pick(t)
				if m.person == "" {
					t.Skip("as above")
				}
				if page(t, m, from, s.Decline) {
					m.declined = true
				}
			},
			"go on": func(t *rapid.T) {
				m, from := pick(t)
				to, err := browsers[from].visit("/authorize?pending="+m.id, s.Authorize)
				code := to != nil && to.Query().Get("code") != ""
				covered := m.allowed || m.client == "fixed" && (remembered[m.person+m.client+m.scope] || remembered[m.person+m.client+"mcp more"])
				if may := from == m.owner && !m.done && !m.declined && m.person != "" && covered; code != may {
					t.Fatalf("a code: %v, may be: %v (%+v, browser %d, %v, %v)", code, may, *m, from, to, err)
				}
				var back *authserver.Return
				if m.declined && from == m.owner && !m.done && (!errors.As(err, &back) || !strings.Contains(back.To, "error=access_denied")) {
					t.Fatalf("declined, and the client learns: %v", err)
				}
				m.done = m.done || code
			},
		})
	})
}
