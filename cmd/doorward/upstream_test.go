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
	if r.Method == http.MethodGet && r.Header.Get("Doorward-Caller") == "" {
		return // the look that protect takes at the start, at nobody's behest
	}
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

// upstreamMain is a command of scripts: upstream FILE serves an MCP server over HTTP, without any protection, at the
// address whose port it is given, until it is ended. It answers every request with the Authorization header that it got.
func upstreamMain() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: upstream HOST:PORT")
		os.Exit(2)
	}
	err := http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(scripted(body, r.Header.Get("Authorization")))
	}))
	fmt.Fprintln(os.Stderr, "upstream:", err)
	os.Exit(1)
}

// scripted is the answer of a small MCP server with one tool, key, that tells the key that it was called with.
func scripted(body []byte, key string) []byte {
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	_ = json.Unmarshal(body, &m)
	result := map[string]any{
		"initialize": map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}}, "serverInfo": map[string]string{"name": "scripted", "version": "1"}},
		"tools/list": map[string]any{"tools": []any{map[string]any{"name": "key", "inputSchema": map[string]string{"type": "object"}}}},
		"tools/call": map[string]any{"content": []any{map[string]string{"type": "text", "text": "the key is " + key}}},
	}[m.Method]
	answer := map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result}
	if result == nil {
		delete(answer, "result")
		answer["error"] = map[string]any{"code": -32601, "message": "no such method"}
	}
	b, _ := json.Marshal(answer)
	return b
}
