package authserver

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/doorward-mcp/doorward/oauth"
)

// WriteError answers with an OAuth error. Nothing of it may be stored (RFC 6749 §5.1).
func WriteError(w http.ResponseWriter, e *oauth.Error, requestID string) {
	answer := *e
	answer.RequestID = requestID
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	if e.Challenge != nil {
		h.Set("WWW-Authenticate", e.Challenge.String())
	}
	w.WriteHeader(answer.HTTPStatus())
	_, _ = w.Write(answer.Body())
}

// writeJSON answers with v; cache is the Cache-Control.
func writeJSON(w http.ResponseWriter, status int, cache string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", cache)
	w.WriteHeader(status)
	_, err = w.Write(append(b, '\n'))
	return err
}
