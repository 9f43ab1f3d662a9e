package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// hostile is an upstream that answers a call with whatever bytes it likes. It gives how often it was called.
func hostile(t testing.TB, answer func(w io.Writer)) (address string, called *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	called = &atomic.Int32{}
	serve := func(c net.Conn) {
		defer func() { _ = c.Close() }()
		for in := bufio.NewReader(c); ; {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Header.Get("Doorward-Caller") == "" { // the look that protect takes
				_, _ = io.WriteString(c, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			called.Add(1)
			answer(c)
			return
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "http://" + l.Addr().String() + "/mcp", called
}

func unchanged(*token.Claims) {}

// faulty is the code in the data of a JSON-RPC error.
func (a answer) faulty(t testing.TB) string {
	t.Helper()
	var m struct {
		Error struct {
			Data struct {
				Code      string `json:"code"`
				RequestID string `json:"request_id"`
			} `json:"data"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%s: %v\n%s", a.Status, err, a.body)
	}
	if m.Error.Data.RequestID == "" {
		t.Errorf("no request id: %s", a.body)
	}
	return m.Error.Data.Code
}

// What an upstream answers that must not reach a client as it is: 502 and a code that stays. No redirect is followed, and
// nobody is asked twice.
func TestAttackByAnUpstreamThatMisleads(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer inside.Close()
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, tt := range map[string]struct{ answer, code string }{
		"401":                           {"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer resource_metadata=\"http://evil.example/\"\r\nContent-Length: 2\r\n\r\n{}", "upstream.unauthorized"},
		"403":                           {"HTTP/1.1 403 No\r\nWWW-Authenticate: Bearer error=\"insufficient_scope\"\r\nContent-Length: 2\r\n\r\n{}", "upstream.unauthorized"},
		"407":                           {"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "upstream.unauthorized"},
		"301 to the metadata address":   {"HTTP/1.1 301 Go\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n", "upstream.redirect"},
		"302 to the inside":             {"HTTP/1.1 302 Go\r\nLocation: " + inside.URL + "\r\nContent-Length: 0\r\n\r\n", "upstream.redirect"},
		"303 to the inside":             {"HTTP/1.1 303 Go\r\nLocation: " + inside.URL + "\r\nContent-Length: 0\r\n\r\n", "upstream.redirect"},
		"307 to the inside":             {"HTTP/1.1 307 Go\r\nLocation: " + inside.URL + "\r\nContent-Length: 0\r\n\r\n", "upstream.redirect"},
		"308 to the inside":             {"HTTP/1.1 308 Go\r\nLocation: " + inside.URL + "\r\nContent-Length: 0\r\n\r\n", "upstream.redirect"},
		"a page":                        {"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>", "upstream.not_mcp"},
		"another protocol":              {"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "upstream.not_mcp"},
		"a status that there is not":    {"HTTP/1.1 099 Oh\r\nContent-Length: 2\r\n\r\n{}", "upstream.not_mcp"},
		"no HTTP":                       {"220 mail.example ESMTP\r\n", "upstream.broken"},
		"nothing":                       {"", "upstream.broken"},
		"two lengths":                   {ok + "Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}", "upstream.broken"},
		"a length that is none":         {ok + "Content-Length: -2\r\n\r\n{}", "upstream.broken"},
		"a coding that nobody knows":    {ok + "Transfer-Encoding: chunked, identity\r\n\r\n{}", "upstream.broken"},
		"a header of 2 MB":              {ok + "X-Long: " + strings.Repeat("x", 2<<20) + "\r\nContent-Length: 2\r\n\r\n{}", "upstream.broken"},
		"100,000 headers":               {ok + strings.Repeat("X-Many: x\r\n", 100_000) + "Content-Length: 2\r\n\r\n{}", "upstream.broken"},
		"100,000 answers on the way":    {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100_000), "upstream.broken"},
		"a hint with a gigantic header": {"HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "upstream.broken"},
	} {
		t.Run(name, func(t *testing.T) {
			address, called := hostile(t, func(w io.Writer) { _, _ = io.WriteString(w, tt.answer) })
			s := protect(t, address)
			f := newForger(t, s)
			a := s.call(f.minted(time.Now(), unchanged), "whoami", "{}")
			if a.StatusCode != http.StatusBadGateway || a.faulty(t) != tt.code || called.Load() != 1 {
				t.Errorf("%s, called %d times\n%s", a.Status, called.Load(), a.body)
			}
			for _, header := range []string{"WWW-Authenticate", "Proxy-Authenticate", "Location", "Link", "Upgrade"} {
				if a.Header.Get(header) != "" {
					t.Errorf("%s: %s", header, a.Header.Get(header))
				}
			}
		})
	}
}

// Headers of a good answer that are not the client's business, before the body, after it and on the way.
func TestAttackByAnUpstreamsHeaders(t *testing.T) {
	const secret = "Set-Cookie: session=evil; Path=/\r\nWWW-Authenticate: Bearer\r\nAuthorization: Bearer x\r\nAccess-Control-Allow-Origin: *\r\nStrict-Transport-Security: max-age=0\r\n" +
		"Location: http://evil.example/\r\nRefresh: 0; url=http://evil.example/\r\nDoorward-Receipt: forged\r\nClear-Site-Data: \"*\"\r\nConnection: X-Hop\r\nX-Hop: x\r\nServer: evil\r\n"
	address, _ := hostile(t, func(w io.Writer) {
		_, _ = io.WriteString(w, "HTTP/1.1 103 Early Hints\r\n"+secret+"\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie, X-Late, Doorward-Receipt\r\n"+secret+
			"\r\n2\r\n{}\r\n0\r\nSet-Cookie: late=evil\r\nX-Late: evil\r\nMcp-Session-Id: late\r\nDoorward-Receipt: late\r\n\r\n")
	})
	s := protect(t, address)
	r := s.calling(t, newForger(t, s).minted(time.Now(), unchanged), "2026-07-28")
	hints := 0
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil }}))
	a := do(t, http.DefaultClient, r)
	if a.StatusCode != 200 || a.body != "{}" || len(a.Trailer) != 0 || hints != 0 {
		t.Errorf("%s %q, trailers %v, %d hints", a.Status, a.body, a.Trailer, hints)
	}
	for name, v := range a.Header {
		if text := fmt.Sprint(v); strings.Contains(text, "evil") || strings.Contains(text, "forged") || strings.Contains(text, "late") {
			t.Errorf("%s: %v", name, v)
		}
	}
	for _, name := range []string{"Set-Cookie", "Www-Authenticate", "Authorization", "Access-Control-Allow-Origin", "Location", "Refresh", "Clear-Site-Data", "X-Hop", "X-Late"} {
		if v := a.Header.Values(name); len(v) > 0 && fmt.Sprint(v) != "[]" {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func (s *server) breaks(t *testing.T, c *http.Client, access string) (body string, err error) {
	t.Helper()
	res, err := c.Do(s.calling(t, access, "2026-07-28"))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// An answer that its upstream does not end is not ended by us: a client of HTTP/1.1 and of HTTP/2 sees that it broke off.
func TestAttackByAnAnswerThatBreaksOff(t *testing.T) {
	const plain, events = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	const event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n"
	for name, answer := range map[string]string{
		"shorter than it says":          plain + "Content-Length: 500\r\n\r\n{\"jsonrpc\":\"2.0\",",
		"shorter, and longer than held": plain + "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 200_000),
		"no last chunk":                 plain + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"half a chunk":                  plain + "Transfer-Encoding: chunked\r\n\r\n20\r\n{}",
		"a chunk of no size":            plain + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
		"events without an end":         events + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(event), event),
		"half an event":                 events + "Content-Length: 5000\r\n\r\n" + event + "data: {",
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := hostile(t, func(w io.Writer) { _, _ = io.WriteString(w, answer) })
			s := protect(t, address)
			if body, err := s.breaks(t, http.DefaultClient, newForger(t, s).minted(time.Now(), unchanged)); err == nil {
				t.Errorf("a clean end: %q", body)
			}
			two, c := protectTLS(t, address)
			body, err := two.breaks(t, c, newForger(t, two).minted(time.Now(), unchanged))
			if err == nil {
				t.Errorf("a clean end over HTTP/2: %q", body)
			}
		})
	}
}

// protectTLS is a server that speaks HTTP/2, and a client that does.
func protectTLS(t *testing.T, args ...string) (*server, *http.Client) {
	t.Helper()
	cert, key := certificate(t)
	port := freePort(t)
	s := started(t, "127.0.0.1:"+port, append([]string{"--public-url", "https://localhost:" + port, "--tls-cert", cert, "--tls-key", key}, args...)...)
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	t.Cleanup(c.CloseIdleConnections)
	return s, c
}

// An answer longer than it says: what is too much of it is nobody's answer.
func TestAttackByAnAnswerThatIsTooLong(t *testing.T) {
	address, _ := hostile(t, func(w io.Writer) {
		_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n\"poison\"")
	})
	s := protect(t, address)
	access := newForger(t, s).minted(time.Now(), unchanged)
	whole := 0
	for range 20 {
		body, err := s.breaks(t, http.DefaultClient, access)
		// A call that is handed the connection in the moment in which it is found out is refused as an upstream's fault.
		if err != nil || body != "{}" && !strings.Contains(body, "upstream") || strings.Contains(body, "poison") {
			t.Fatalf("%q, %v", body, err)
		}
		if body == "{}" {
			whole++
		}
	}
	if whole == 0 {
		t.Error("no call was answered")
	}
}

// Streams without an end: what cannot be judged piece by piece is cut at a bound; what can be passes as long as the client
// reads it, and ends for the upstream when the client goes.
func TestAttackByAnEndlessAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		head, piece string
		cut         bool
	}{
		"an event without an end": {"text/event-stream", strings.Repeat("x", 64<<10), true},
		"a comment without one":   {"text/event-stream", ":" + strings.Repeat("x", 64<<10), true},
		"empty lines":             {"text/event-stream", strings.Repeat("\n", 64<<10), false},
		"a body":                  {"application/json", strings.Repeat(" ", 64<<10), false},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			over := make(chan struct{})
			address, _ := hostile(t, func(w io.Writer) {
				defer close(over)
				_, err := io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Type: "+tt.head+"\r\n\r\n"+strings.TrimRight(tt.piece[:1], "x"))
				for n := 0; err == nil && sent.Load() < 1<<30; sent.Add(int64(n)) {
					n, err = io.WriteString(w, tt.piece)
				}
			})
			s := protect(t, address)
			res := s.begun(t, s.calling(t, newForger(t, s).minted(time.Now(), unchanged), "2026-07-28"))
			n, err := io.CopyN(io.Discard, res.Body, 64<<20)
			if tt.cut != (err != nil) || errors.Is(err, io.EOF) && n == 0 && !tt.cut {
				t.Errorf("%d bytes, %v", n, err)
			}
			_ = res.Body.Close()
			select {
			case <-over:
			case <-time.After(20 * time.Second):
				t.Fatal("the upstream goes on")
			}
			if sent.Load() > 200<<20 {
				t.Errorf("the upstream sent %d MB", sent.Load()>>20)
			}
		})
	}
}
