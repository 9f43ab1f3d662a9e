package request_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/internal/request"
)

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func TestBeginGivesIdAddressAndOneNow(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.7:4711"
	if got := request.From(r.Context()); got != (request.Info{}) {
		t.Errorf("before Begin: %+v", got)
	}
	first := request.From(request.Begin(r, noon, nil).Context())
	second := request.From(request.Begin(r, noon, nil).Context())
	if len(first.ID) < 26 || first.ID == second.ID {
		t.Errorf("ids %q and %q", first.ID, second.ID)
	}
	if first.Now != noon() || first.Client != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("Begin: %+v", first)
	}
}

func TestTheOutermostBeginDecides(t *testing.T) {
	outer := request.Begin(httptest.NewRequest("GET", "/", nil), noon, nil)
	inner := request.Begin(outer, func() time.Time { return time.Time{} }, nil)
	if outer != inner {
		t.Error("a second Begin replaced the Info of the first")
	}
}

// Rule 3 of the design: forwarded headers count only from trusted proxies.
func TestClientAddress(t *testing.T) {
	proxies := []string{"10.0.0.0/8", "fd00::/8"}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		trusted    []string
		want       string
	}{
		{"no header", "192.0.2.7:1", nil, proxies, "192.0.2.7"},
		{"a stranger's header is not read", "192.0.2.7:1", []string{"198.51.100.1"}, proxies, "192.0.2.7"},
		{"nobody is trusted", "10.0.0.1:1", []string{"198.51.100.1"}, nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1:1", []string{"198.51.100.1"}, proxies, "198.51.100.1"},
		{"the client's own entry is not believed", "10.0.0.1:1", []string{"127.0.0.1, 198.51.100.1"}, proxies, "198.51.100.1"},
		{"not even one that names a proxy", "10.0.0.1:1", []string{"203.0.113.9, 10.0.0.9, 198.51.100.1"}, proxies, "198.51.100.1"},
		{"two proxies", "10.0.0.1:1", []string{"6.6.6.6, 198.51.100.1,10.0.0.2"}, proxies, "198.51.100.1"},
		{"two field lines are one list", "10.0.0.1:1", []string{"6.6.6.6, 198.51.100.1", "10.0.0.2"}, proxies, "198.51.100.1"},
		{"only proxies", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, proxies, "10.0.0.3"},
		{"ports", "10.0.0.1:1", []string{"198.51.100.1:5555"}, proxies, "198.51.100.1"},
		{"IPv6 in brackets", "[fd00::1]:1", []string{"[2001:db8::5]"}, proxies, "2001:db8::5"},
		{"IPv6 with port", "[fd00::1]:1", []string{"[2001:db8::5]:443"}, proxies, "2001:db8::5"},
		{"IPv6 plain", "[fd00::1]:1", []string{"2001:db8::5"}, proxies, "2001:db8::5"},
		{"a zone hides no proxy", "[fd00::1%eth0]:1", []string{"198.51.100.1"}, proxies, "198.51.100.1"},
		{"zones are dropped", "[fe80::1%eth0]:1", nil, proxies, "fe80::1"},
		{"a mapped peer is its IPv4 address", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, proxies, "198.51.100.1"},
		{"malformed", "10.0.0.1:1", []string{"unknown"}, proxies, "10.0.0.1"},
		{"malformed behind a second proxy", "10.0.0.1:1", []string{"198.51.100.1, _hidden, 10.0.0.2"}, proxies, "10.0.0.2"},
		{"half a bracket", "10.0.0.1:1", []string{"[2001:db8::5"}, proxies, "10.0.0.1"},
		{"empty entry", "10.0.0.1:1", []string{"198.51.100.1,"}, proxies, "10.0.0.1"},
		{"leading comma", "10.0.0.1:1", []string{",10.0.0.2"}, proxies, "10.0.0.2"},
		{"empty header", "10.0.0.1:1", []string{""}, proxies, "10.0.0.1"},
		{"Unix socket", "@", []string{"198.51.100.1"}, proxies, "invalid IP"},
		{"name for an address", "localhost:80", nil, proxies, "invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			var trusted []netip.Prefix
			for _, p := range c.trusted {
				trusted = append(trusted, netip.MustParsePrefix(p))
			}
			if got := request.From(request.Begin(r, noon, trusted).Context()).Client.String(); got != c.want {
				t.Errorf("client = %s, want %s", got, c.want)
			}
		})
	}
}

// Whatever a client writes into the header, a trusted proxy that appends the peer's address makes that address the answer.
func FuzzAClientCannotChooseItsAddress(f *testing.F) {
	f.Add("10.0.0.2")
	f.Add("127.0.0.1, [::1]:80,,")
	f.Fuzz(func(t *testing.T, written string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {written, "198.51.100.1"}}}
		got := request.From(request.Begin(r, noon, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}).Context()).Client
		if got.String() != "198.51.100.1" {
			t.Errorf("%q made the client %s", written, got)
		}
	})
}
