package client_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/client"
)

// What is taken as a token can stand in a header, stands in the answer, and comes with the type Bearer.
func FuzzTokenAnswer(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"a","token_type":"Bearer"}`, `{"access_token":"a","token_type":"bearer","expires_in":"3600","scope":"a b"}`,
		`{"access_token":"a\n","token_type":"Bearer"}`, `{"error":"x"}`, `{"access_token":"a","access_token":"b","token_type":"Bearer"}`,
		`[]`, `null`, ``, `{"expires_in":1e400,"access_token":"a","token_type":"Bearer"}`, "{\"access_token\":\"\xff\",\"token_type\":\"Bearer\"}",
	} {
		f.Add(s)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	f.Fuzz(func(t *testing.T, body string) {
		access, err := client.ReadTokens(200, h, []byte(body))
		if (access == "") != (err != nil) {
			t.Fatalf("token %q with error %v", access, err)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x00\n\r\x1b") {
				t.Errorf("the error %q could steer a terminal", err)
			}
			return
		}
		var whole map[string]any
		if json.Unmarshal([]byte(body), &whole) != nil || whole["access_token"] != access || whole["error"] != nil && whole["error"] != "" {
			t.Errorf("took %q from %q", access, body)
		}
		if kind, _ := whole["token_type"].(string); !strings.EqualFold(kind, "bearer") {
			t.Errorf("took a token of type %q", kind)
		}
		if strings.ContainsFunc(access, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("took %q, which no header can hold", access)
		}
	})
}
