package doorward_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward"
)

// A stream of HTTP/2 whose client does not read ends; one that is idle, or is read, does not.
func TestAStreamThatNobodyReads(t *testing.T) {
	const within = 200 * time.Millisecond
	ended := make(chan error, 1)
	s := httptest.NewUnstartedServer(doorward.PaceStreams(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		flush := http.NewResponseController(w).Flush
		if r.URL.Path == "/idle" {
			for range 3 {
				_, _ = io.WriteString(w, "x")
				_ = flush()
				time.Sleep(2 * within)
			}
			return
		}
		b := make([]byte, 1<<20)
		for range 32 { // more than any window
			if _, err := w.Write(b); err != nil {
				ended <- err
				return
			}
		}
		ended <- flush()
	}), within))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	open := func(path string) *http.Response {
		t.Helper()
		res, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if res.ProtoMajor != 2 {
			t.Fatal(res.Proto)
		}
		return res
	}
	open("/unread")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("everything was taken by nobody")
		}
	case <-time.After(20 * time.Second):
		t.Error("it is still written to")
	}
	if b, err := io.ReadAll(open("/idle").Body); err != nil || string(b) != "xxx" {
		t.Errorf("an idle stream: %q %v", b, err)
	}
	if n, err := io.Copy(io.Discard, open("/read").Body); err != nil || n != 32<<20 {
		t.Errorf("one that is read: %d %v", n, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
