package doorward_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward"
)

// A request keeps the time at which it began. Its body must come soon, else a thief could keep requests open from before a
// token was rotated or revoked.
func TestABodyThatDoesNotCome(t *testing.T) {
	got := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doorward.Hasten(w, r, 50*time.Millisecond)
		_, err := io.ReadAll(r.Body)
		got <- err
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	select {
	case err := <-got:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the body ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the body is still waited for")
	}
}

// The bound is the body's alone: an answer may take as long as it likes.
func TestABodyInTimeBoundsNoAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doorward.Hasten(w, r, 50*time.Millisecond)
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			t.Error("the request was cancelled")
		case <-time.After(200 * time.Millisecond):
			_, _ = io.WriteString(w, "late")
		}
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	lines := bufio.NewReader(c)
	for range 2 { // the second on the same connection
		_, _ = fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		res, err := http.ReadResponse(lines, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		if string(b) != "late" {
			t.Errorf("answer %q", b)
		}
	}
}
