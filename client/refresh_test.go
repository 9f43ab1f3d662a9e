package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/oauth"
)

// CL-RESOURCE-PARAM-TOKEN: also when refreshing, which happens before the token ends and without asking anybody.
func TestRefreshBeforeTheEnd(t *testing.T) {
	p := newPeer(t)
	now := newClock()
	tr := dial(t, p, client.Options{Now: now.Now})
	admitted(t, tr, p)
	now.pass(3560 * time.Second) // of 3600
	admitted(t, tr, p)
	if p.count("token refresh_token") != 0 {
		t.Error("refreshed too early")
	}
	now.pass(20 * time.Second)
	admitted(t, tr, p)
	if p.count("token refresh_token") != 1 || p.count("authorize") != 1 || p.count("mcp 401") != 1 {
		t.Errorf("asked %v", p.seen)
	}
	if got := p.forms[1].Get("resource"); got != p.address() {
		t.Errorf("resource %q at the refresh, want %q", got, p.address())
	}
}

// A life shorter than the usual leeway does not mean a refresh for every request.
func TestShortLives(t *testing.T) {
	p := newPeer(t)
	p.life = 20
	now := newClock()
	tr := dial(t, p, client.Options{Now: now.Now})
	for range 3 {
		admitted(t, tr, p)
		now.pass(4 * time.Second)
	}
	if n := p.count("token refresh_token"); n != 0 {
		t.Errorf("refreshed %d times in 12 of 20 seconds, want 0", n)
	}
}

// One refresh for twenty requests at once: the peer takes a refresh token once only.
func TestTwentyRequestsRefreshOnce(t *testing.T) {
	p := newPeer(t)
	now := newClock()
	tr := dial(t, p, client.Options{Now: now.Now})
	admitted(t, tr, p)
	now.pass(time.Hour)
	twenty(t, func() http.RoundTripper { return tr }, p)
	if p.count("token refresh_token") != 1 || p.replayed != 0 || p.count("authorize") != 1 {
		t.Errorf("refreshed %d times, %d replays, %d sign-ins; want 1, 0, 1", p.count("token refresh_token"), p.replayed, p.count("authorize"))
	}
}

// Twenty requests that are refused at once lead to one refresh too.
func TestTwentyRefusalsRefreshOnce(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	p.revokeAccess()
	twenty(t, func() http.RoundTripper { return tr }, p)
	if p.count("token refresh_token") != 1 || p.replayed != 0 || p.count("authorize") != 1 {
		t.Errorf("refreshed %d times, %d replays, %d sign-ins; want 1, 0, 1", p.count("token refresh_token"), p.replayed, p.count("authorize"))
	}
}

// Twenty first requests ask the person once.
func TestTwentyRequestsSignInOnce(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	twenty(t, func() http.RoundTripper { return tr }, p)
	if p.count("authorize") != 1 {
		t.Errorf("%d sign-ins, want 1", p.count("authorize"))
	}
}

// A denial is the answer for all that waited for it: the person is not asked once for each.
func TestTwentyRequestsShareADenial(t *testing.T) {
	p := newPeer(t)
	var waiting sync.WaitGroup
	waiting.Add(20)
	p.back = func(_ *peer, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
	p.challenge = func(_ *peer, _ *http.Request, c oauth.Challenge) string { waiting.Done(); return c.String() }
	tr := dial(t, p, client.Options{Browser: func(ctx context.Context, address string) error {
		waiting.Wait() // all were refused before the person answers
		time.Sleep(50 * time.Millisecond)
		return browse(ctx, address)
	}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, err := post(t, tr, p.address(), ""); !errors.Is(err, client.ErrDenied) {
				t.Errorf("got %v, want ErrDenied", err)
			}
		})
	}
	wg.Wait()
	if n := p.count("authorize"); n != 1 {
		t.Errorf("the person was asked %d times, want once", n)
	}
}

func twenty(t *testing.T, rt func() http.RoundTripper, p *peer) {
	t.Helper()
	var wg sync.WaitGroup
	for range 20 {
		use := rt()
		wg.Go(func() {
			if status, _, err := post(t, use, p.address(), "{}"); err != nil || status != 200 {
				t.Errorf("got %d, %v", status, err)
			}
		})
	}
	wg.Wait()
}

// files opens a Keeper of its own over dir, as another process would.
func files(t *testing.T, dir string) *client.Files {
	t.Helper()
	f, err := client.OpenFiles(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Processes over one directory: one refreshes, the others take its tokens and replay nothing.
func TestProcessesRefreshOnce(t *testing.T) {
	p := newPeer(t)
	dir := t.TempDir()
	now := newClock()
	process := func() *client.Transport { return dial(t, p, client.Options{Keeper: files(t, dir), Now: now.Now}) }
	admitted(t, process(), p)
	now.pass(time.Hour)
	twenty(t, func() http.RoundTripper { return process() }, p)
	if p.count("token refresh_token") != 1 || p.replayed != 0 || p.count("authorize") != 1 {
		t.Errorf("refreshed %d times, %d replays, %d sign-ins; want 1, 0, 1", p.count("token refresh_token"), p.replayed, p.count("authorize"))
	}
}

// A process that holds old tokens in memory takes the newer ones of another instead of replaying its refresh token.
func TestNewerTokensOfAnotherProcess(t *testing.T) {
	p := newPeer(t)
	dir := t.TempDir()
	now := newClock()
	one := dial(t, p, client.Options{Keeper: files(t, dir), Now: now.Now})
	admitted(t, one, p)
	two := dial(t, p, client.Options{Keeper: files(t, dir), Now: now.Now})
	admitted(t, two, p)
	now.pass(time.Hour)
	admitted(t, two, p)
	admitted(t, one, p)
	p.revokeAccess() // now by way of 401
	admitted(t, one, p)
	admitted(t, two, p)
	if p.count("token refresh_token") != 2 || p.replayed != 0 || p.count("authorize") != 1 {
		t.Errorf("refreshed %d times, %d replays, %d sign-ins; want 2, 0, 1", p.count("token refresh_token"), p.replayed, p.count("authorize"))
	}
}

// Processes that start together without tokens ask the person once.
func TestProcessesSignInOnce(t *testing.T) {
	p := newPeer(t)
	dir := t.TempDir()
	twenty(t, func() http.RoundTripper { return dial(t, p, client.Options{Keeper: files(t, dir)}) }, p)
	if p.count("authorize") != 1 {
		t.Errorf("%d sign-ins, want 1", p.count("authorize"))
	}
}

// A refresh token that is refused for good leads to a sign-in, one that could not be tried does not.
func TestRefreshThatFails(t *testing.T) {
	p := newPeer(t)
	now := newClock()
	tr := dial(t, p, client.Options{Now: now.Now})
	admitted(t, tr, p)
	p.token = func(_ *peer, w http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") == "refresh_token" {
			w.WriteHeader(502)
			return true
		}
		return false
	}
	now.pass(3585 * time.Second)
	for range 3 {
		admitted(t, tr, p) // the old token is still good
	}
	if n := p.count("token refresh_token"); n != 1 || p.count("authorize") != 1 {
		t.Errorf("%d attempts and %d sign-ins, want 1 and 1", n, p.count("authorize"))
	}
	p.token = nil
	p.mu.Lock()
	clear(p.refresh)
	p.mu.Unlock()
	p.revokeAccess()
	now.pass(time.Minute)
	admitted(t, tr, p)
	if p.count("authorize") != 2 {
		t.Errorf("%d sign-ins, want 2", p.count("authorize"))
	}
}

// Without a new refresh token the old one stays. RFC 6749 §6. Without any, the next 401 asks the person (CL-REFRESH-NO-ASSUME).
func TestRefreshTokensAreNotPromised(t *testing.T) {
	p := newPeer(t)
	p.token = func(p *peer, w http.ResponseWriter, r *http.Request) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		access := p.next("access")
		p.access[access] = nil
		answer := map[string]any{"access_token": access, "token_type": "Bearer"}
		if r.PostForm.Get("grant_type") == "authorization_code" {
			answer["refresh_token"] = "lasting"
		} else if r.PostForm.Get("refresh_token") != "lasting" {
			writeJSON(w, 400, map[string]any{"error": "invalid_grant"})
			return true
		}
		writeJSON(w, 200, answer)
		return true
	}
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	for range 2 {
		p.revokeAccess()
		admitted(t, tr, p)
	}
	if p.count("token refresh_token") != 2 || p.count("authorize") != 1 {
		t.Errorf("asked %v", p.seen)
	}
}

// A server that takes no token ends in an error, after a bounded number of everything.
func TestServerThatTakesNoToken(t *testing.T) {
	p := newPeer(t)
	p.tokens = true
	refused(t, p, client.Options{}, "took no token")
	if a, r := p.count("authorize"), p.count("token refresh_token"); a > 2 || r > 2 {
		t.Errorf("%d sign-ins and %d refreshes", a, r)
	}
}

// CL-SCOPE-UNION: also a sign-in after a loss asks for all that was asked for before.
func TestSignInAgainAsksForAllScopes(t *testing.T) {
	p := newPeer(t)
	scope := "a"
	p.need = func(*peer, *http.Request) string { return scope }
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	scope = "b"
	p.revokeAccess()
	clear(p.refresh)
	admitted(t, tr, p)
	if got := p.authz[1].Get("scope"); got != "a b offline_access" {
		t.Errorf("scope %q, want a b offline_access", got)
	}
}

// Tokens outlive the process, under the issuer and the resource that they are for.
func TestTokensAreKept(t *testing.T) {
	p := newPeer(t)
	dir := t.TempDir()
	admitted(t, dial(t, p, client.Options{Keeper: files(t, dir)}), p)
	f := files(t, dir)
	admitted(t, dial(t, p, client.Options{Keeper: f}), p)
	if p.count("authorize") != 1 || p.count("mcp 401") != 1 {
		t.Errorf("asked %v", p.seen)
	}
	if _, err := f.Load(t.Context(), client.Key{Issuer: p.iss(), Resource: p.address()}); err != nil {
		t.Errorf("the record of issuer and resource: %v", err)
	}
	if _, err := f.Load(t.Context(), client.Key{Issuer: "https://other.example.com", Resource: p.address()}); err == nil {
		t.Error("a record of another issuer was found")
	}
}
