package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/client"
)

// CL-ISS-COMPARE, CL-ISS-REJECT-MISSING, CL-ISS-COMPARE-UNADVERTISED, CL-ISS-ABSENT-PROCEED, CL-ISS-NO-NORMALIZE.
func TestIssuerOfTheResponse(t *testing.T) {
	set := func(f func(p *peer) string) func(*peer, url.Values) {
		return func(p *peer, q url.Values) { q.Set("iss", f(p)) }
	}
	none := func(_ *peer, q url.Values) { q.Del("iss") }
	for _, c := range []struct {
		what      string
		announced bool
		back      func(*peer, url.Values)
		ok        bool
	}{
		{"announced and right", true, nil, true},
		{"announced and missing", true, none, false},
		{"announced and wrong", true, set(func(*peer) string { return "https://evil.example.com" }), false},
		{"announced, one slash more", true, set(func(p *peer) string { return p.iss() + "/" }), false},
		{"announced, other case", true, set(func(p *peer) string { return strings.Replace(p.iss(), "http", "HTTP", 1) }), false},
		{"not announced and right", false, nil, true},
		{"not announced and missing", false, none, true},
		{"not announced and wrong", false, set(func(*peer) string { return "https://evil.example.com" }), false},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.back = c.back
			p.metadata = func(_ *peer, md map[string]any) { md["authorization_response_iss_parameter_supported"] = c.announced }
			if c.ok {
				admitted(t, dial(t, p, client.Options{}), p)
				return
			}
			refused(t, p, client.Options{}, "issuer")
			if p.count("token authorization_code") != 0 {
				t.Error("the code was sent to the token endpoint")
			}
		})
	}
}

// CL-ISS-ERROR-RESPONSE: the error of another issuer is neither shown nor acted on.
func TestErrorOfAnotherIssuerIsNotShown(t *testing.T) {
	p := newPeer(t)
	p.back = func(_ *peer, q url.Values) {
		q.Del("code")
		q.Set("iss", "https://evil.example.com")
		q.Set("error", "access_denied")
		q.Set("error_description", "call this number")
	}
	_, _, err := post(t, dial(t, p, client.Options{}), p.address(), "{}")
	if err == nil || errors.Is(err, client.ErrDenied) || strings.Contains(err.Error(), "call this") {
		t.Errorf("got %v, want an error about the issuer alone", err)
	}
}

func TestDenialIsErrDenied(t *testing.T) {
	p := newPeer(t)
	p.back = func(_ *peer, q url.Values) {
		q.Del("code")
		q.Set("error", "access_denied")
		q.Set("error_description", "the person said no\x1b[31m")
	}
	_, _, err := post(t, dial(t, p, client.Options{}), p.address(), "{}")
	if !errors.Is(err, client.ErrDenied) || !errors.Is(err, client.ErrSignIn) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %q, want ErrDenied without control characters", err)
	}
}

// Nobody is asked again and again: two times, then the error comes at once.
func TestNobodyIsAskedWithoutEnd(t *testing.T) {
	p := newPeer(t)
	p.back = func(_ *peer, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
	now := newClock()
	tr := dial(t, p, client.Options{Now: now.Now})
	for range 6 {
		if _, _, err := post(t, tr, p.address(), "{}"); !errors.Is(err, client.ErrSignIn) {
			t.Fatalf("got %v, want ErrSignIn", err)
		}
	}
	if n := p.count("authorize"); n != 2 {
		t.Errorf("the person was asked %d times, want 2", n)
	}
	now.pass(11 * time.Minute)
	_, _, _ = post(t, tr, p.address(), "{}")
	if n := p.count("authorize"); n != 3 {
		t.Errorf("after a while the person was asked %d times, want 3", n)
	}
}

// listener is a browser that hands the redirect address of a sign-in to the test and does nothing more.
func listener(into chan<- *url.URL) func(context.Context, string) error {
	return func(_ context.Context, address string) error {
		u, err := url.Parse(address)
		if err == nil {
			into <- u
		}
		return err
	}
}

// CL-STATE: what does not have the state changes nothing, and the listener keeps waiting for what does.
func TestStrangersCannotEndTheSignIn(t *testing.T) {
	p := newPeer(t)
	shown := make(chan *url.URL, 1)
	done := make(chan error, 1)
	tr := dial(t, p, client.Options{Browser: listener(shown)})
	go func() { _, _, err := post(t, tr, p.address(), "{}"); done <- err }()
	asked := <-shown
	to, state := asked.Query().Get("redirect_uri"), asked.Query().Get("state")
	for _, c := range []struct {
		method, address, host string
		status                int
	}{
		{"GET", to + "?code=x", "", 400},
		{"GET", to + "?code=x&state=wrong", "", 400},
		{"GET", to + "?code=x&state=" + state + "&state=wrong", "", 400},
		{"GET", to + "?code=x&code=y&state=" + state, "", 400},
		{"POST", to + "?code=x&state=" + state, "", 405},
		{"HEAD", to + "?code=x&state=" + state, "", 405},
		{"GET", strings.Replace(to, "/callback", "/other", 1) + "?code=x&state=" + state, "", 404},
		{"GET", to + "?code=x&state=" + state, "evil.example.com", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.address, err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s (host %q): status %d, want %d", c.method, c.address, c.host, resp.StatusCode, c.status)
		}
	}
	if err := browse(t.Context(), asked.String()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the sign-in ended with %v", err)
	}
	if resp, err := http.Get(to); err == nil {
		resp.Body.Close()
		t.Error("the listener is still open")
	}
}

// The page of the listener holds nothing of what came in and loads nothing.
func TestCallbackPage(t *testing.T) {
	p := newPeer(t)
	shown := make(chan *url.URL, 1)
	tr := dial(t, p, client.Options{Browser: listener(shown)})
	go func() { _, _, _ = post(t, tr, p.address(), "{}") }()
	q := (<-shown).Query()
	resp, err := http.Get(q.Get("redirect_uri") + "?code=secretcode&error_description=%3Cscript%3E&state=" + q.Get("state"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"secretcode", "script", "http://", "https://", "src="} {
		if strings.Contains(string(text), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	h := resp.Header
	if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
}

// People whose browser runs elsewhere paste the address. Only this sign-in's is taken.
func TestPastedAddress(t *testing.T) {
	p := newPeer(t)
	var shown string
	asked := 0
	tr := dial(t, p, client.Options{
		Browser: func(_ context.Context, a string) error { shown = a; return nil },
		Prompt: func(ctx context.Context, a string) (string, error) {
			u, _ := url.Parse(a)
			asked++
			switch asked {
			case 1:
				return "what?", nil
			case 2:
				return "https://evil.example.com/callback?code=x&state=" + u.Query().Get("state"), nil
			case 3:
				return u.Query().Get("redirect_uri") + "?code=x&state=other", nil
			}
			c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := c.Get(shown)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			return "  " + resp.Header.Get("Location") + "\n", nil
		},
	})
	admitted(t, tr, p)
	if asked != 4 {
		t.Errorf("asked %d times, want 4", asked)
	}
}

func TestNobodyAnswers(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{Browser: func(context.Context, string) error { return nil }, Wait: 50 * time.Millisecond})
	_, _, err := post(t, tr, p.address(), "{}")
	if !errors.Is(err, client.ErrSignIn) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrSignIn for the time", err)
	}
}

// CL-SCOPE-PRIORITY, CL-REFRESH-OFFLINE-ACCESS.
func TestScopesAreChosen(t *testing.T) {
	for _, c := range []struct {
		what, challenged string
		resource, server []string
		want             string
	}{
		{"the challenge's", "a b", []string{"x"}, nil, "a b"},
		{"the resource's", "", []string{"y", "x"}, nil, "x y"},
		{"none", "", nil, []string{"admin"}, ""},
		{"none, and no offline_access alone", "", nil, []string{"offline_access"}, ""},
		{"offline_access where it is listed", "a", nil, []string{"offline_access", "admin"}, "a offline_access"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.need = func(*peer, *http.Request) string { return c.challenged }
			p.metadata = func(_ *peer, md map[string]any) { md["scopes_supported"] = c.server }
			p.resource = func(p *peer, w http.ResponseWriter, _ *http.Request) bool {
				writeJSON(w, 200, map[string]any{"resource": p.address(), "authorization_servers": []string{p.iss()}, "scopes_supported": c.resource})
				return true
			}
			admitted(t, dial(t, p, client.Options{}), p)
			if got := p.authz[0].Get("scope"); got != c.want || p.authz[0].Has("scope") != (c.want != "") {
				t.Errorf("scope %q, want %q", got, c.want)
			}
		})
	}
}
