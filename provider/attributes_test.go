package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

var alice = token.Principal{Issuer: "https://house.example", Subject: "alice"}

// people answers questions about people. What it answers, and how late, can be changed.
type people struct {
	asked atomic.Int64
	late  atomic.Int64 // nanoseconds
	mu    sync.Mutex   // guards what is below
	body  string
	seen  string
}

func (p *people) say(body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body = body
}

// RoundTrip is an http.RoundTripper's: within a bubble of synctest there is no network.
func (p *people) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked.Add(1)
	select {
	case <-time.After(time.Duration(p.late.Load())):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := make([]byte, r.ContentLength)
	_, _ = r.Body.Read(sent)
	p.seen = string(sent)
	w := httptest.NewRecorder()
	if p.body == "" {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.WriteString(p.body)
	return w.Result(), nil
}

// What is known of a person is good for as long as it may be kept and never longer, absent when it comes late, and asked for once
// however many calls want it.
func TestAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{}
		var failed atomic.Int64
		a := provider.NewAttributes(provider.Service{URL: "https://people.example/a", HTTP: &http.Client{Transport: p}}, 30*time.Second, time.Now, func(context.Context, error) { failed.Add(1) })
		wants := func(what string, want provider.Known, asked int64) {
			t.Helper()
			if diff := cmp.Diff(want, a.Of(t.Context(), alice)); diff != "" || p.asked.Load() != asked {
				t.Errorf("%s: asked %d times, want %d\n%s", what, p.asked.Load(), asked, diff)
			}
		}
		p.say(`{"groups":["crm-admins"],"attributes":{"level":3,"team":"x","vip":true,"regions":["eu","us"],"half":1.5,"big":9007199254740993,"deep":{"a":1},"mixed":["a",1],"none":null}}`)
		first := provider.Known{Groups: []string{"crm-admins"}, Attributes: map[string]any{"level": int64(3), "big": int64(9007199254740993), "team": "x", "vip": true, "regions": []string{"eu", "us"}}}
		var all sync.WaitGroup
		p.late.Store(int64(50 * time.Millisecond))
		for range 20 {
			all.Go(func() { a.Of(t.Context(), alice) })
		}
		all.Wait()
		wants("twenty at once", first, 1)
		if p.seen != `{"issuer":"https://house.example","subject":"alice"}` {
			t.Errorf("asked: %s", p.seen)
		}
		p.say(`{"groups":["other"]}`)
		time.Sleep(29 * time.Second)
		wants("while it is good", first, 1)
		time.Sleep(time.Second)
		wants("when it is not any more", provider.Known{Groups: []string{"other"}, Attributes: map[string]any{}}, 2)
		p.late.Store(int64(time.Second)) // more than it may take
		time.Sleep(30 * time.Second)
		began := time.Now()
		wants("late", provider.Known{}, 3)
		if took := time.Since(began); took != provider.DefaultAttributesTimeout || failed.Load() != 1 {
			t.Errorf("it was waited for %s; %d failures", took, failed.Load())
		}
		wants("soon after", provider.Known{}, 3)
		p.late.Store(0)
		time.Sleep(time.Second)
		wants("when it is back", provider.Known{Groups: []string{"other"}, Attributes: map[string]any{}}, 4)
		for _, body := range []string{"", "[]", `{"groups":"staff"}`, `{"attributes":[]}`, "no", `{"Groups":["staff"]}`, `{"groups":["a"],"groups":["staff"]}`,
			`{"groups":["staff"]}{}`, `{"groups":["staff",null]}`, `{"groups":{"staff":1}}`, "{\"groups\":[\"\xff\"]}", `{"attributes":{"level":1,"level":3}}`, `{"attributes":{"level":3e0,"regions":["eu",null]}}`} {
			p.say(body)
			time.Sleep(31 * time.Second)
			if got := a.Of(t.Context(), alice); len(got.Groups)+len(got.Attributes) > 0 {
				t.Errorf("%s: %+v", body, got)
			}
		}
	})
}

// Whatever a service says of a person, it is one of the types that attributes have, or nothing.
func FuzzAttributes(f *testing.F) {
	for _, seed := range []string{`{"groups":["a"],"attributes":{"a":1,"b":"x","c":true,"d":["e"]}}`, `{"groups":null,"attributes":null}`, `{"attributes":{"a":-0,"b":1e400,"c":[[]],"d":"\ud800"}}`, `{"groups":[]`, `[]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p := &people{body: body}
		known := provider.NewAttributes(provider.Service{URL: "https://people.example/a", HTTP: &http.Client{Transport: p}}, 0, time.Now, func(context.Context, error) {}).Of(t.Context(), alice)
		for name, v := range known.Attributes {
			switch v.(type) {
			case string, bool, int64, []string:
			default:
				t.Errorf("%s is %T", name, v)
			}
		}
	})
}

// A service is asked where the operator said and nowhere else, and what is no answer is an error.
func TestService(t *testing.T) {
	var seen http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusTemporaryRedirect)
		case "/ok":
			_, _ = w.Write([]byte(`{}`))
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer s.Close()
	for path, want := range map[string]error{"/ok": nil, "/moved": provider.ErrAnswer, "/no": provider.ErrAnswer} {
		answer, err := provider.Service{URL: s.URL + path, Headers: http.Header{"Authorization": {"Bearer x"}}}.Post(t.Context(), []byte(`{}`))
		if !errors.Is(err, want) || (string(answer) == `{}`) != (want == nil) || seen.Get("Authorization") != "Bearer x" || seen.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %v", path, answer, err)
		}
	}
	if _, err := (provider.Service{}).Post(t.Context(), nil); err == nil {
		t.Error("the zero Service was asked")
	}
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }))
	defer slow.Close()
	if _, err := (provider.Service{URL: slow.URL, Timeout: 10 * time.Millisecond}).Post(t.Context(), nil); !errors.Is(err, provider.ErrUnreachable) {
		t.Errorf("slow: %v", err)
	}
}
