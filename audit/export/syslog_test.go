package export_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// messages reads octet counted messages (RFC 6587 §3.4.1) of one connection.
func messages(c net.Conn, to chan<- string) {
	r := bufio.NewReader(c)
	for {
		n, err := r.ReadString(' ')
		if err != nil {
			return
		}
		length, err := strconv.Atoi(strings.TrimSuffix(n, " "))
		if err != nil {
			to <- fmt.Sprintf("bad length %q", n)
			return
		}
		b := make([]byte, length)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		to <- string(b)
	}
}

func collect(l net.Listener) (<-chan string, <-chan net.Conn) {
	got, conns := make(chan string, 100), make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
			go messages(c, got)
		}
	}()
	return got, conns
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// rfc5424 is SYSLOG-MSG with the one structured element that is sent.
var rfc5424 = regexp.MustCompile(`^<(\d{1,3})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) \[meta sequenceId="(\d+)"\] (.*)$`)

func receive(t *testing.T, from <-chan string) []string {
	t.Helper()
	select {
	case m := <-from:
		parts := rfc5424.FindStringSubmatch(m)
		if parts == nil {
			t.Fatalf("no message of RFC 5424: %q", m)
		}
		return parts[1:]
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		return nil
	}
}

func TestSyslogOverEachTransport(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	secure := httptest.NewUnstartedServer(nil)
	secure.StartTLS()
	defer secure.Close()
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	tcp, unix := listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", socket)
	tlsl := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), &tls.Config{Certificates: secure.TLS.Certificates})
	raw := encode(t, verify.Entry{ID: "a", Code: "mcp.called", Phase: verify.Intent, Time: "2026-11-22T12:00:00.123456789Z", About: "é\n"})
	for name, c := range map[string]struct {
		l net.Listener
		s *export.Syslog
	}{
		"tcp":  {tcp, &export.Syslog{Network: "tcp", Address: tcp.Addr().String(), Host: "gateway 1", Process: "17"}},
		"tls":  {tlsl, &export.Syslog{Network: "tcp", Address: tlsl.Addr().String(), Host: "gateway 1", Process: "17", TLS: &tls.Config{RootCAs: pool, ServerName: "example.com"}}},
		"unix": {unix, &export.Syslog{Network: "unix", Address: socket, Host: "gateway 1", Process: "17"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer c.s.Close()
			got, _ := collect(c.l)
			for i := range 3 {
				if err := c.s.Send(t.Context(), records(t, int64(2*i), raw, raw)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 6 {
				m := receive(t, got)
				want := []string{"110", "2026-11-22T12:00:00.123456Z", "gateway_1", "doorward", "17", "mcp.called", fmt.Sprint(i + 1), string(raw)}
				if fmt.Sprint(m) != fmt.Sprint(want) {
					t.Errorf("message %d is %q, want %q", i, m, want)
				}
			}
		})
	}
}

func TestSyslogToADatagramSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &export.Syslog{Network: "unixgram", Address: socket}
	defer s.Close()
	if err := s.Send(t.Context(), records(t, 0, some(t, 0, 2)...)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	for range 2 {
		n, err := l.Read(b)
		if err != nil || !rfc5424.Match(b[:n]) {
			t.Errorf("read %q, %v", b[:n], err)
		}
	}
}

// What a broken connection may have swallowed comes again over the next one.
func TestSyslogSendsTheLastBatchAgain(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	got, conns := collect(l)
	s := &export.Syslog{Network: "tcp", Address: l.Addr().String()}
	defer s.Close()
	if err := s.Send(t.Context(), records(t, 0, some(t, 0, 2)...)); err != nil {
		t.Fatal(err)
	}
	receive(t, got)
	receive(t, got)
	_ = (<-conns).Close()
	var err error
	for i := range 10 { // until the end of the connection has come here
		if err = s.Send(t.Context(), records(t, int64(2+i), some(t, 2+i, 3+i)...)); err != nil {
			continue
		}
		select {
		case <-conns:
		case <-time.After(100 * time.Millisecond):
			continue
		}
		break
	}
	if err != nil {
		t.Fatal(err)
	}
	first, second := receive(t, got)[6], receive(t, got)[6]
	if second == first {
		t.Errorf("got %s and %s", first, second)
	}
	a, _ := strconv.Atoi(first)
	if b, _ := strconv.Atoi(second); b != a+1 {
		t.Errorf("got %d and then %d", a, b)
	}
}

func TestSyslogSaysThatNobodyIsThere(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	address := l.Addr().String()
	_ = l.Close()
	s := &export.Syslog{Network: "tcp", Address: address}
	if err := s.Send(t.Context(), records(t, 0, some(t, 0, 1)...)); err == nil {
		t.Error("records were sent to nobody")
	}
}

// A receiver that reads nothing does not hold up its Follower for ever.
func TestSyslogEndsWithItsContext(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	s := &export.Syslog{Network: "tcp", Address: l.Addr().String()}
	defer s.Close()
	raw := encode(t, verify.Entry{About: strings.Repeat("x", 200<<10)})
	var many [][]byte
	for range 100 {
		many = append(many, raw)
	}
	all := records(t, 0, many...)
	why := errors.New("time is up")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, why)
	defer cancel()
	if err := s.Send(ctx, all); !errors.Is(err, why) {
		t.Errorf("the error is %v", err)
	}
}
