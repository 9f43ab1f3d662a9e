package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
)

// recorder is an upstream that keeps what reaches it and answers as it is told.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []received
	answer http.HandlerFunc // nil: an empty result
}

type received struct {
	Method string
	Header http.Header
	Query  string
	Body   string
}

// upstreamOf starts an upstream; answer nil gives every request an empty result.
func upstreamOf(t testing.TB, answer http.HandlerFunc) *recorder {
	u := &recorder{answer: answer}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

func (u *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, received{r.Method, r.Header.Clone(), r.URL.RawQuery, string(body)})
	u.mu.Unlock()
	if u.answer != nil {
		u.answer(w, r)
		return
	}
	var m struct {
		ID json.RawMessage `json:"id"`
	}
	_ = json.Unmarshal(body, &m)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{}}`, m.ID)
}

// all is what has reached the upstream.
func (u *recorder) all() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]received(nil), u.seen...)
}

// upstreamMain is a command of scripts: an MCP server over HTTP that prints its address.
func upstreamMain() {
	fmt.Fprintln(os.Stderr, "upstream: not a command yet")
	os.Exit(2)
}
