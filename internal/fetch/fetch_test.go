package fetch_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/internal/fetch"
)

// site is a TLS server on loopback whose certificate names example.com, and how often it was reached.
type site struct {
	*httptest.Server
	hits atomic.Int32
	cas  *x509.CertPool
}

func newSite(t *testing.T, h http.HandlerFunc) *site {
	s := &site{cas: x509.NewCertPool()}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		h(w, r)
	}))
	s.Config.ErrorLog = discard()
	s.StartTLS()
	t.Cleanup(s.Close)
	s.cas.AddCert(s.Certificate())
	return s
}

// named is the site's address under the name example.com.
func (s *site) named(path string) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "https://example.com:" + port + path
}

// client reaches the site under its name as if it were public.
func (s *site) client() *fetch.Client {
	return &fetch.Client{RootCAs: s.cas, InsecureLoopback: true, Lookup: answers("127.0.0.1")}
}

// answers is a resolver whose nth answer is the nth list; the last one stays.
func answers(lists ...string) func(context.Context, string) ([]netip.Addr, error) {
	var mu sync.Mutex
	return func(context.Context, string) ([]netip.Addr, error) {
		mu.Lock()
		defer mu.Unlock()
		list := lists[0]
		if len(lists) > 1 {
			lists = lists[1:]
		}
		var out []netip.Addr
		for a := range strings.FieldsSeq(list) {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"a":1}`))
}

func TestADocumentIsRead(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Accept") != "application/json" || r.ProtoMajor != 1 {
			t.Errorf("request: %v", r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		document(w, r)
	})
	c := s.client()
	c.JSON = true
	for range 2 {
		body, fresh, err := c.Get(t.Context(), s.named("/doc"))
		if err != nil || string(body) != `{"a":1}` || !fresh.IsZero() {
			t.Errorf("Get = %q, %v, %v", body, fresh, err)
		}
	}
}

// CIMD, SSRF: special-use addresses are refused however the address is written or resolved, before anything is sent.
func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	s := newSite(t, document)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, addr := range []string{
		"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
		"169.254.169.254", "fe80::1", "fd00::1", "fec0::1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "64:ff9b::7f00:1",
		"2002:7f00:1::", "2001:db8::1", "::ffff:10.0.0.1", "100::1",
	} {
		for name, address := range map[string]string{
			"as a literal": "https://" + net.JoinHostPort(addr, port) + "/",
			"by its name":  "https://example.com:" + port + "/",
		} {
			c := &fetch.Client{RootCAs: s.cas, Lookup: answers(addr)}
			if _, _, err := c.Get(t.Context(), address); !errors.Is(err, fetch.ErrAddress) {
				t.Errorf("%s %s: %v", addr, name, err)
			}
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST", "2130706433", "127.1", "0x7f.1", "localhost."} {
		c := &fetch.Client{RootCAs: s.cas, Lookup: answers("127.0.0.1")}
		if _, _, err := c.Get(t.Context(), "https://"+host+":"+port+"/"); !errors.Is(err, fetch.ErrAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if s.hits.Load() != 0 {
		t.Errorf("the server was reached %d times", s.hits.Load())
	}
}

func TestURLsThatAreRefusedUnread(t *testing.T) {
	for _, address := range []string{
		"http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///x", "https:example.com", "//example.com/x", "", "::",
		"https://user@example.com/", "https://user:secret@example.com/", "gopher://x/", "http://127.0.0.1/", "https://:443/",
	} {
		c := &fetch.Client{Lookup: func(context.Context, string) ([]netip.Addr, error) {
			t.Errorf("%s was resolved", address)
			return nil, errors.New("no")
		}}
		_, _, err := c.Get(t.Context(), address)
		if !errors.Is(err, fetch.ErrAddress) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestANameWhoseAnswerChangesGainsNothing(t *testing.T) {
	s := newSite(t, document)
	c := s.client()
	c.Lookup = answers("127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1 10.0.0.1")
	if _, _, err := c.Get(t.Context(), s.named("/")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := c.Get(t.Context(), s.named("/")); !errors.Is(err, fetch.ErrAddress) {
			t.Errorf("after the answer changed: %v", err)
		}
	}
}

func TestAMixedAnswerReachesOnlyWhatIsAllowed(t *testing.T) {
	s := newSite(t, document)
	c := s.client()
	c.Lookup = answers("10.0.0.1 127.0.0.1")
	if _, _, err := c.Get(t.Context(), s.named("/")); err != nil {
		t.Error(err)
	}
}

func TestLoopbackOnlyInAChainThatBeganThere(t *testing.T) {
	s := newSite(t, document)
	plain := httptest.NewServer(http.HandlerFunc(document))
	t.Cleanup(plain.Close)
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	base := &fetch.Client{RootCAs: s.cas, Lookup: answers("127.0.0.1")}

	try := func(c *fetch.Client, address string) error {
		_, _, err := c.Get(t.Context(), address)
		return err
	}
	for _, typed := range []string{"http://127.0.0.1:8080/mcp", "http://localhost/mcp", "https://[::1]:1/"} {
		c := base.From(typed)
		for _, address := range []string{plain.URL, s.URL, "http://localhost:" + port + "/"} {
			if err := try(c, address); err != nil {
				t.Errorf("from %s to %s: %v", typed, address, err)
			}
		}
		// A name in somebody's zone that points here is not what the user typed.
		for _, address := range []string{s.named("/"), "http://example.com:" + port + "/", "http://10.0.0.1/", "https://10.0.0.1/"} {
			if err := try(c, address); !errors.Is(err, fetch.ErrAddress) {
				t.Errorf("from %s to %s: %v", typed, address, err)
			}
		}
	}
	for _, typed := range []string{"https://example.com/mcp", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "", "://"} {
		if err := try(base.From(typed), plain.URL); !errors.Is(err, fetch.ErrAddress) {
			t.Errorf("from %q to loopback: %v", typed, err)
		}
	}
}

func TestListedHosts(t *testing.T) {
	s := newSite(t, document)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	get := func(host, at string, hosts ...string) error {
		c := &fetch.Client{RootCAs: s.cas, Hosts: hosts, Lookup: answers(at), Timeout: 200 * time.Millisecond}
		_, _, err := c.Get(t.Context(), "https://"+net.JoinHostPort(host, port)+"/")
		return err
	}
	if err := get("127.0.0.1", "", "127.0.0.1:"+port); err != nil {
		t.Errorf("a listed loopback address: %v", err)
	}
	refused := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, fetch.ErrAddress) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("another port", get("127.0.0.1", "", "127.0.0.1:1"))
	refused("a listed name that leads to loopback", get("idp.corp", "127.0.0.1", "idp.corp"))
	refused("a listed name that leads to the cloud's credentials", get("idp.corp", "169.254.169.254", "idp.corp"))
	refused("a name below a listed one", get("x.idp.corp", "10.0.0.1", "idp.corp"))
	refused("nothing listed", get("idp.corp", "10.0.0.1"))
	// What is allowed fails later, for want of such a network.
	for _, at := range []string{"10.255.255.1", "fd00::1", "100.64.0.1"} {
		if err := get("idp.corp", at, "IDP.corp"); err == nil || errors.Is(err, fetch.ErrAddress) {
			t.Errorf("listed host at %s: %v", at, err)
		}
	}
}

func TestInsecureLoopbackNeedsANamedCA(t *testing.T) {
	s := newSite(t, document)
	c := &fetch.Client{InsecureLoopback: true, Lookup: answers("127.0.0.1")}
	if _, _, err := c.Get(t.Context(), s.named("/")); !errors.Is(err, fetch.ErrAddress) {
		t.Error(err)
	}
	c = s.client()
	if _, _, err := c.Get(t.Context(), "http://127.0.0.1/"); !errors.Is(err, fetch.ErrAddress) {
		t.Errorf("http under InsecureLoopback: %v", err)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	s := newSite(t, document)
	c := s.client()
	c.RootCAs = x509.NewCertPool()
	if _, _, err := c.Get(t.Context(), s.named("/")); err == nil || s.hits.Load() != 0 {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
	c = s.client()
	other := strings.Replace(s.named("/"), "example.com", "example.org", 1)
	if _, _, err := c.Get(t.Context(), other); err == nil || s.hits.Load() != 0 {
		t.Errorf("a certificate of another name: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/1":
			http.Redirect(w, r, "/2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, "/doc", http.StatusPermanentRedirect)
		case "/private":
			http.Redirect(w, r, "https://10.0.0.1/", http.StatusFound)
		case "/plain":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			document(w, r)
		}
	})
	get := func(path string, n int) error {
		c := s.client()
		c.Redirects = n
		_, _, err := c.Get(t.Context(), s.named(path))
		return err
	}
	if err := get("/1", 2); err != nil {
		t.Errorf("two of two: %v", err)
	}
	for _, n := range []int{0, 1} {
		if status, ok := errors.AsType[*fetch.StatusError](get("/1", n)); !ok || status.Code/100 != 3 {
			t.Errorf("two of %d are followed", n)
		}
	}
	for _, path := range []string{"/private", "/plain"} {
		if err := get(path, 5); !errors.Is(err, fetch.ErrAddress) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, ok := errors.AsType[*fetch.StatusError](get("/loop", 3)); !ok || s.hits.Load() > 20 {
		t.Error("a loop is not ended")
	}
}

func TestOnlyWholeSmallQuickAnswersOfTheRightKindCount(t *testing.T) {
	gone := make(chan struct{})
	t.Cleanup(func() { close(gone) })
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		switch r.URL.Path {
		case "/404":
			w.WriteHeader(404)
		case "/201":
			w.WriteHeader(201)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
		case "/keys":
			w.Header().Set("Content-Type", "application/jwk-set+json")
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 101))
		case "/largeunannounced":
			for range 101 {
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
			}
		case "/exact":
			fmt.Fprint(w, strings.Repeat("x", 100))
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 64<<10))
		case "/slow":
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		case "/drip":
			fmt.Fprint(w, "{")
			w.(http.Flusher).Flush()
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		case "/cut":
			w.Header().Set("Content-Length", "50")
			fmt.Fprint(w, "{")
		}
	})
	c := s.client()
	c.JSON, c.MaxBytes, c.Timeout = true, 100, 300*time.Millisecond
	get := func(path string) error { _, _, err := c.Get(t.Context(), s.named(path)); return err }

	for _, code := range []int{404, 201} {
		status, ok := errors.AsType[*fetch.StatusError](get(fmt.Sprintf("/%d", code)))
		if !ok || status.Code != code {
			t.Errorf("status %d: %v", code, status)
		}
	}
	for path, want := range map[string]error{
		"/html": fetch.ErrType, "/large": fetch.ErrTooLarge, "/largeunannounced": fetch.ErrTooLarge, "/slow": fetch.ErrTimeout, "/drip": fetch.ErrTimeout,
		"/exact": nil, "/keys": nil,
	} {
		if err := get(path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	for _, path := range []string{"/cut", "/headers"} {
		if err := get(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Get(ctx, s.named("/exact")); !errors.Is(err, context.Canceled) || errors.Is(err, fetch.ErrTimeout) {
		t.Errorf("the caller's end: %v", err)
	}
}

func TestMessagesKeepQueriesToThemselves(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	_, _, err := s.client().Get(t.Context(), s.named("/doc?code=topsecret"))
	if err == nil || strings.Contains(err.Error(), "topsecret") || !strings.Contains(err.Error(), "/doc: answered 404 Not Found") {
		t.Error(err)
	}
}

func TestAProxyIsAnOperatorsChoiceAndItsTargetIsJudged(t *testing.T) {
	s := newSite(t, document)
	var connects atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connects.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	at, _ := url.Parse(proxy.URL)
	through := func(u *url.URL) (*url.URL, error) { return at, nil }
	get := func(address, resolved string, hosts ...string) error {
		c := &fetch.Client{RootCAs: s.cas, Proxy: through, Hosts: hosts, Lookup: answers(resolved)}
		_, _, err := c.Get(t.Context(), address)
		return err
	}
	if err := get("https://example.com/", "1.1.1.1"); !errors.Is(err, fetch.ErrAddress) || connects.Load() != 0 {
		t.Errorf("a proxy on loopback that is not listed: %v", err)
	}
	for _, private := range []string{"10.0.0.1", "169.254.169.254", "127.0.0.1", "1.1.1.1 10.0.0.1"} {
		if err := get("https://example.com/", private, at.Host); !errors.Is(err, fetch.ErrAddress) || connects.Load() != 0 {
			t.Errorf("target at %s: %v", private, err)
		}
	}
	if err := get("https://10.0.0.1/", "", at.Host); !errors.Is(err, fetch.ErrAddress) || connects.Load() != 0 {
		t.Errorf("literal target: %v", err)
	}
	if err := get("https://example.com/", "1.1.1.1", at.Host); err == nil || connects.Load() != 1 {
		t.Errorf("a listed proxy was asked %d times: %v", connects.Load(), err)
	}
	// A listed host goes to the proxy unresolved; this machine never does.
	if err := get("https://idp.corp/", "", at.Host, "idp.corp"); err == nil || connects.Load() != 2 {
		t.Errorf("a listed host: %v", err)
	}
	c := (&fetch.Client{RootCAs: s.cas, Proxy: through, Hosts: []string{at.Host}}).From(s.URL)
	if _, _, err := c.Get(t.Context(), s.URL); err != nil || connects.Load() != 2 {
		t.Errorf("loopback: %v", err)
	}
}

func TestDoPostsUnderTheSameRules(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
			return
		}
		_ = r.ParseForm()
		w.WriteHeader(400)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.PostForm.Get("code"), r.UserAgent())
	})
	post := func(address string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", address, strings.NewReader("code=abc"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.client().Do(req)
	}
	res, err := post(s.named("/token"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := res.Write(&text); err != nil || res.StatusCode != 400 || !strings.HasSuffix(strings.TrimSpace(text.String()), "POST abc doorward") {
		t.Errorf("answer %q, %v", text.String(), err)
	}
	res.Body.Close()

	res, err = post(s.named("/redirect"))
	if err != nil || res.StatusCode != http.StatusTemporaryRedirect {
		t.Fatalf("a redirect: %v, %v", res, err)
	}
	res.Body.Close()
	if _, err := post("https://10.0.0.1/token"); !errors.Is(err, fetch.ErrAddress) {
		t.Error(err)
	}
	if s.hits.Load() != 2 {
		t.Errorf("%d requests, want 2", s.hits.Load())
	}
}

func TestABodyThatIsReadTooLateFails(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c := s.client()
	c.Timeout = 100 * time.Millisecond
	req, _ := http.NewRequestWithContext(t.Context(), "POST", s.named("/"), nil)
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, fetch.ErrTimeout) {
		t.Error(err)
	}
}
