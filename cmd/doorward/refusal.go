package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
)

// refusals passes requests on and remembers what the last refused one was told: the MCP library keeps the status alone.
type refusals struct {
	base http.RoundTripper

	mu   sync.Mutex // guards said
	said string
}

// RoundTrip is an http.RoundTripper's.
func (r *refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.base.RoundTrip(req)
	if err != nil || res.StatusCode < 400 {
		return res, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = reason(body)
	return res, nil
}

// last is what the last refusal said; empty if it said nothing that a person can read.
func (r *refusals) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

// reason is the sentence of a JSON-RPC or OAuth error, without what could steer a terminal.
func reason(body []byte) string {
	var e struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	var rpc struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	text := e.Description
	if text == "" && json.Unmarshal(e.Error, &rpc) == nil {
		text = rpc.Message
	}
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e {
			return -1
		}
		return c
	}, text[:min(len(text), 500)])
}
