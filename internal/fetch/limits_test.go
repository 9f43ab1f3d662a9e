package fetch_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/internal/fetch"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func TestAThousandDocumentsOfOneHostAreBounded(t *testing.T) {
	s := newSite(t, document)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c := s.client()
	c.PerHost, c.Now = 5, func() time.Time { return now }
	get := func(n int) error {
		_, _, err := c.Get(t.Context(), s.named(fmt.Sprintf("/client/%d", n)))
		return err
	}
	for n := range 1000 {
		if err := get(n); (n < 5) != (err == nil) || n >= 5 && !errors.Is(err, fetch.ErrBusy) {
			t.Fatalf("request %d: %v", n, err)
		}
	}
	if s.hits.Load() != 5 {
		t.Errorf("the host was asked %d times", s.hits.Load())
	}
	now = now.Add(12 * time.Second)
	if err := get(0); err != nil {
		t.Errorf("after a fifth of a minute: %v", err)
	}
}

func TestAThousandHostsAreBoundedTogether(t *testing.T) {
	s := newSite(t, document)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c := s.client()
	c.PerHost, c.PerMinute, c.Now = 2, 3, func() time.Time { return now }
	sent := 0
	for n := range 1000 {
		address := strings.Replace(s.named("/"), "example.com", fmt.Sprintf("h%d.example.com", n), 1)
		if _, _, err := c.Get(t.Context(), address); !errors.Is(err, fetch.ErrBusy) {
			sent++
		}
	}
	if sent != 3 {
		t.Errorf("%d requests left, want 3", sent)
	}
}

func TestATypedLoopbackAddressIsNotCounted(t *testing.T) {
	s := newSite(t, document)
	c := (&fetch.Client{RootCAs: s.cas, PerHost: 1, PerMinute: 1}).From(s.URL)
	for range 5 {
		if _, _, err := c.Get(t.Context(), s.URL); err != nil {
			t.Error(err)
		}
	}
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	var under, most atomic.Int32
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		n := under.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		under.Add(-1)
		document(w, r)
	})
	c := s.client()
	c.AtOnce, c.PerHost = 2, -1
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if _, _, err := c.Get(t.Context(), s.named("/")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > 2 || s.hits.Load() != 12 {
		t.Errorf("%d at once, %d in all", most.Load(), s.hits.Load())
	}
}

// RFC 9111 §4.2
func TestFreshness(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const unsaid = -1
	for _, c := range []struct {
		name    string
		headers []string
		want    int // seconds from now
	}{
		{"nothing said", nil, unsaid},
		{"max-age", []string{"Cache-Control: max-age=300"}, 300},
		{"among others, upper case, quoted", []string{`Cache-Control: public, Max-Age="300"`}, 300},
		{"less its age", []string{"Cache-Control: max-age=300", "Age: 100"}, 200},
		{"older than it may be", []string{"Cache-Control: max-age=300", "Age: 900"}, 0},
		{"an invalid age", []string{"Cache-Control: max-age=300", "Age: -5"}, 300},
		{"shared caches first", []string{"Cache-Control: max-age=300, s-maxage=60"}, 60},
		{"no-store", []string{"Cache-Control: no-store"}, 0},
		{"no-store wins", []string{"Cache-Control: max-age=300, no-store"}, 0},
		{"no-cache", []string{"Cache-Control: no-cache", "Expires: Sat, 21 Nov 2026 13:00:00 GMT"}, 0},
		{"two field lines", []string{"Cache-Control: max-age=300", "Cache-Control: no-store"}, 0},
		{"contradiction", []string{"Cache-Control: max-age=300, max-age=900"}, 0},
		{"not a number", []string{"Cache-Control: max-age=soon"}, 0},
		{"negative", []string{"Cache-Control: max-age=-1"}, 0},
		{"past every bound", []string{"Cache-Control: max-age=99999999999999999999"}, 1 << 31},
		{"Expires", []string{"Date: Sat, 21 Nov 2026 12:00:00 GMT", "Expires: Sat, 21 Nov 2026 13:00:00 GMT"}, 3600},
		{"Expires against a clock that is off", []string{"Date: Sat, 21 Nov 2026 09:00:00 GMT", "Expires: Sat, 21 Nov 2026 10:00:00 GMT"}, 3600},
		{"Expires in the past", []string{"Date: Sat, 21 Nov 2026 12:00:00 GMT", "Expires: Sat, 21 Nov 2020 13:00:00 GMT"}, 0},
		{"Expires: 0", []string{"Expires: 0"}, 0},
		{"max-age before Expires", []string{"Cache-Control: max-age=5", "Expires: Sat, 21 Nov 2026 13:00:00 GMT"}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
				for _, line := range c.headers {
					name, value, _ := strings.Cut(line, ": ")
					w.Header().Add(name, value)
				}
			})
			client := s.client()
			client.Now = func() time.Time { return now }
			_, fresh, err := client.Get(t.Context(), s.named("/"))
			want := now.Add(time.Duration(c.want) * time.Second)
			if c.want == unsaid {
				want = time.Time{}
			}
			if err != nil || !fresh.Equal(want) {
				t.Errorf("fresh until %v, want %v; %v", fresh, want, err)
			}
		})
	}
}
