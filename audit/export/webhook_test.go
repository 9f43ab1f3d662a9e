package export_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

func records(t testing.TB, from int64, all ...[]byte) export.Records {
	t.Helper()
	var out export.Records
	for i, b := range all {
		e, _ := verify.Decode(b) // one that cannot be decoded is zero
		out = append(out, export.Record{Index: from + int64(i), Raw: b, Entry: e})
	}
	return out
}

func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func TestAWebhookIsSignedAndHasTheExactBytes(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	raw := encode(t, verify.Entry{ID: "a", Code: "mcp.called", Phase: verify.Intent, About: "<&>\u2028"})
	var head http.Header
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		head = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	w := &export.Webhook{URL: s.URL, Secret: secret, Origin: "example.com/audit", Client: s.Client(), Now: now}
	if err := w.Send(t.Context(), records(t, 7, raw, raw)); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(head.Get("Webhook-Id") + "." + head.Get("Webhook-Timestamp") + "."))
	mac.Write(body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); head.Get("Webhook-Signature") != want {
		t.Errorf("the signature is %q, want %q", head.Get("Webhook-Signature"), want)
	}
	if head.Get("Webhook-Id") != "example.com/audit/7-9" || head.Get("Webhook-Timestamp") != "1795348800" {
		t.Errorf("the header is %v", head)
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	n := int64(7)
	for ; lines.Scan(); n++ {
		var line struct {
			Index  int64
			Hash   tlog.Hash
			Record json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Index != n || !bytes.Equal(line.Record, raw) || line.Hash != tlog.RecordHash(line.Record) {
			t.Errorf("the line is %s", lines.Bytes())
		}
	}
	if n != 9 {
		t.Errorf("there are %d lines", n-7)
	}
}

func TestAWebhookTakesOnlyA2xx(t *testing.T) {
	for status, taken := range map[int]bool{200: true, 202: true, 204: true, 301: false, 307: false, 400: false, 429: false, 500: false} {
		hits := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			hits++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		w := &export.Webhook{URL: s.URL, Client: s.Client(), Now: now}
		err := w.Send(t.Context(), records(t, 0, some(t, 0, 1)...))
		if (err == nil) != taken || hits != 1 {
			t.Errorf("%d: %v after %d requests", status, err, hits)
		}
		s.Close()
	}
}

func TestAWebhookWithOCSF(t *testing.T) {
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer s.Close()
	w := &export.Webhook{URL: s.URL, Client: s.Client(), Now: now, Line: export.OCSF{Origin: "example.com/audit"}.Line}
	if err := w.Send(t.Context(), records(t, 0, some(t, 0, 3)...)); err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(body), `"class_uid":6003`) != 3 {
		t.Errorf("the body is %s", body)
	}
}

func TestErrorsDoNotNameTheAddress(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	w := &export.Webhook{URL: s.URL + "/hook/secret-token", Client: s.Client(), Now: now}
	if err := w.Send(t.Context(), records(t, 0, some(t, 0, 1)...)); err == nil || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("the error is %v", err)
	}
}
