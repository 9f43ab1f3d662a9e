package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filesBelow are all files below a directory, by name.
func filesBelow(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all[name], err = os.ReadFile(name)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	return all
}

// spelled are the ways in which a text may lie in a file.
func spelled(text string) [][]byte {
	quoted, _ := json.Marshal(text) // of a string it never fails
	var wide []byte
	for _, b := range []byte(text) {
		wide = append(wide, b, 0)
	}
	all := [][]byte{[]byte(text), bytes.Trim(quoted, `"`), []byte(url.QueryEscape(text)), []byte(hex.EncodeToString([]byte(text))), wide}
	for cut := range 3 { // in base64, wherever it begins
		if len(text) > cut+6 {
			whole := (len(text) - cut) / 3 * 3
			all = append(all, []byte(base64.StdEncoding.EncodeToString([]byte(text[cut:cut+whole]))))
		}
	}
	return all
}

func hasNone(t *testing.T, files map[string][]byte, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, as := range spelled(text) {
			for name, b := range files {
				if bytes.Contains(bytes.ToLower(b), bytes.ToLower(as)) {
					t.Errorf("%s has %q", name, text)
				}
			}
		}
	}
}

// No file of the log and its index has a value of an argument or answer, a name, an e-mail or network address, the address
// of a resource, or a token, at any level; and of arguments and tokens the database has nothing in the clear either.
func TestTheLogHasNoPersonalData(t *testing.T) {
	for _, level := range []string{"metadata", "args", "full"} {
		t.Run(level, func(t *testing.T) {
			var up *recorder
			up = answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				what := `"content":[{"type":"text","text":"an-answer-of carol@example.com"}]`
				if strings.Contains(up.last(t).Body, "tools/list") {
					what = `"tools":[]`
				}
				_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{` + what + `}}`))
			})
			s := protectFile(t, strings.Replace(plainFile, "demo: true", "url: "+up.URL, 1)+"trusted_proxies: [127.0.0.0/8]\naudit:\n  levels:\n    - {level: "+level+"}\n")
			clear, kept := privateRun(t, s)
			codes := map[string]bool{}
			for _, e := range s.entries() {
				codes[e.Code+" "+e.Phase] = true
				if sealed := level != "metadata" && e.Code == "mcp.called" && e.Phase == "intent"; sealed && e.Sealed != level {
					t.Errorf("level %q of a call at level %s", e.Sealed, level)
				}
			}
			for _, code := range []string{"mcp.called outcome", "mcp.read outcome", "mcp.listed outcome", "consent.given outcome", "token.issued outcome", "login.refused refusal", "request.refused refusal", "token.refused refusal", "grant.revoked outcome"} {
				if !codes[code] {
					t.Errorf("nothing was recorded as %s", code)
				}
			}
			s.eventuallyIndexed("grant.revoked")
			s.stop()
			hasNone(t, filesBelow(t, filepath.Join(s.ready.Data, "audit")), append(clear, kept...)...)
			s.start()
			for name, b := range filesBelow(t, s.ready.Data) {
				if strings.Contains(name, "doorward.db") {
					hasNone(t, map[string][]byte{name: b}, kept...)
				}
			}
		})
	}
}

// eventuallyIndexed waits until queries find records with a code.
func (s *server) eventuallyIndexed(code string) {
	s.t.Helper()
	eventually(s.t, code+" is found", func() bool {
		status, out, _ := ran(s.t, "audit", "query", "--code", code, "--data", s.ready.Data)
		return status == 0 && strings.Contains(out, code)
	})
}

// privateRun has people and strangers do what there is to do. What it gives must not stand in the log, and the second part nowhere.
func privateRun(t *testing.T, s *server) (log, nowhere []string) {
	t.Helper()
	const from = "203.0.113.77"
	link := s.admin("user", "add", "alice@example.com")["sign_in_link"]
	b := s.browser()
	b.signInBy(link)
	app := s.register(`{"client_name":"App of Dave dave@example.com","contacts":["dave@example.com"],"redirect_uris":["` + callback + `"]}`)
	code := app.code(b, "login_hint", "alice@example.com", "state", app.State)
	got := app.redeem(code).tokens(t)
	next := app.refresh(got.Refresh).tokens(t)
	header := []string{"X-Forwarded-For", from, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate", "vendor=erin@example.com", "Baggage", "user=erin@example.com"}
	calls := 0
	send := func(method, params string) {
		t.Helper()
		a := do(t, http.DefaultClient, s.bearing(t, next.Access, "POST", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`, "2025-11-25", header...))
		if calls++; a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", method, a.Status, a.body)
		}
	}
	send("tools/call", `{"name":"send_mail","arguments":{"to":"frank@example.org","password":"hunter2-the-password","note":"an-argument-value","nested":[{"card":"4111-1111-1111-1111"}]}}`)
	send("tools/call", `{"name":"mail grace@example.org","arguments":{}}`)
	send("prompts/get", `{"name":"summary","arguments":{"of":"an-argument-value"}}`)
	send("resources/read", `{"uri":"file:///home/heidi/secret-plan.txt"}`)
	send("completion/complete", `{"ref":{"type":"ref/prompt","name":"summary"},"argument":{"name":"of","value":"an-argument-value"}}`)
	send("tools/list", `{"cursor":"an-argument-value"}`)
	refused := func(a answer) {
		t.Helper()
		if a.StatusCode < 400 {
			t.Errorf("a stranger was answered %s", a.Status)
		}
	}
	refused(do(t, http.DefaultClient, s.bearing(t, "a-stolen-token.of.somebody", "POST", "{}", "2025-11-25", header...)))
	refused(do(t, http.DefaultClient, s.bearing(t, next.Access[:len(next.Access)-6]+"AAAAAA", "POST", "{}", "2025-11-25", header...)))
	refused(do(t, http.DefaultClient, s.bearing(t, next.Access, "POST", `{"jsonrpc":"2.0","id":1,"method":"judy@example.org"}`, "eve@example.com", header...)))
	refused(do(t, http.DefaultClient, s.bearing(t, next.Access, "GET", "", "2025-11-25", "Last-Event-Id", "ivan@example.org", "X-Forwarded-For", from)))
	refused(app.redeem(code))
	refused(do(t, http.DefaultClient, request(t, "POST", s.at("/token"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"a-guessed-refresh-token"}, "client_id": {"mallory@example.net"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")))
	refused(do(t, http.DefaultClient, request(t, "POST", s.at("/register"), `{"client_name":"niaj@example.net","redirect_uris":["http://olivia.example.net/cb"]}`, "Content-Type", "application/json")))
	s.browser().post("/sign-in", url.Values{"username": {"typo@example.net"}, "password": {"hunter2-the-password"}})
	do(t, http.DefaultClient, request(t, "GET", s.at("/authorize?client_id=peggy@example.net&state=rupert@example.net"), ""))
	if a := s.posted(t, "/revoke", url.Values{"token": {next.Refresh}, "client_id": {app.ID}}.Encode()); a.StatusCode != http.StatusOK {
		t.Error(a.Status, a.body)
	}
	nowhere = []string{"an-argument-value", "hunter2-the-password", "an-answer-of", "4111-1111", "frank@example", "grace@example", "carol@example", "secret-plan", "erin@example", "a-stolen-token", "a-guessed-refresh-token", code, got.Access, got.Refresh, next.Access, next.Refresh}
	return []string{"alice@example", "dave@example", "@example.", "typo@", "mallory@", "olivia.example", "peggy@", "rupert@", "ivan@", "judy@", from, strings.TrimPrefix(link, s.ready.Issuer)}, nowhere
}
