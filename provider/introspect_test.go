package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/authtest"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// What is asked, as RFC 7662 §2.1 has it, and what of an answer is one.
func TestAsk(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		good   bool
	}{"an answer": {200, true}, "our credential is refused": {401, false}, "it is broken": {500, false}, "another place": {302, false}, "nothing": {204, false}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, secret, _ := r.BasicAuth()
			if r.Method != http.MethodPost || id != "rs" || secret != "s" || r.PostFormValue("token") != "raw" || r.PostFormValue("token_type_hint") != "access_token" || r.URL.RawQuery != "" {
				t.Errorf("%s %s %v", r.Method, r.URL, r.PostForm)
			}
			w.Header().Set("Location", "/other")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(`{"active":true}`))
		}))
		body, err := provider.NewIntrospection(provider.Endpoint{URL: server.URL, ClientID: "rs", Secret: token.NewSecret("s")}, 0).Ask(t.Context(), "raw")
		if (err == nil) != c.good || c.good && string(body) != `{"active":true}` {
			t.Errorf("%s: %s %v", name, body, err)
		}
		if err != nil && (strings.Contains(err.Error(), "raw") || !errors.Is(err, provider.ErrAnswer)) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// Made-up tokens must not become a flood at the issuer: no more than a number of questions go on at once.
func TestQuestionsAreBounded(t *testing.T) {
	var under, most atomic.Int64
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := under.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		under.Add(-1)
		_, _ = w.Write([]byte(`{"active":false}`))
	}))
	defer server.Close()
	i := provider.NewIntrospection(provider.Endpoint{URL: server.URL, ClientID: "rs"}, 2)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var answered, refused atomic.Int64
	for range 8 {
		all.Go(func() {
			if _, err := i.Ask(ctx, "raw"); err == nil {
				answered.Add(1)
			} else if errors.Is(err, provider.ErrUnreachable) {
				refused.Add(1)
			}
		})
	}
	for end := time.Now().Add(5 * time.Second); under.Load() < 2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	close(release)
	all.Wait()
	if most.Load() > 2 || answered.Load()+refused.Load() == 0 {
		t.Errorf("%d at once; %d answered, %d refused", most.Load(), answered.Load(), refused.Load())
	}
}

// The test kit's introspection, its key set and the profiles agree: what is good by keys is good when it is asked about.
func TestIntrospectionOfEveryShape(t *testing.T) {
	for _, shape := range authtest.Shapes() {
		f := authtest.NewForeign(t, shape)
		v := token.NewVerifier(f.AskedAt(api))
		raw, opaque := f.Access(good()), f.Opaque(good())
		for name, c := range map[string]struct{ raw, want string }{
			"a JWT": {raw, ""}, "an opaque one": {opaque, ""}, "an ID token": {f.Identity(good()), "inactive"}, "a made-up one": {"made-up", "inactive"},
			"for another": {f.Opaque(said(func(s *authtest.Said) { s.Audience, s.Client = "another", "another" })), "audience"},
		} {
			want := c.want
			if shape == authtest.OktaOrg && name == "a JWT" {
				want = "type"
			}
			if got := reason(t, v, c.raw); got != want {
				t.Errorf("%s, %s: %q, want %q", shape, name, got, want)
			}
		}
		f.End(opaque)
		if got := reason(t, v, opaque); got != "" || len(f.Asked()) != 5 || !slices.Contains(f.Asked(), opaque) {
			t.Errorf("%s: kept for 30 s: %q, asked about %v", shape, got, f.Asked())
		}
		if got := reason(t, token.NewVerifier(f.AskedAt(api)), opaque); got != "inactive" {
			t.Errorf("%s: ended: %q", shape, got)
		}
	}
}
