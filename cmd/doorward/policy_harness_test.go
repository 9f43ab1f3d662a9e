package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/doorward-mcp/doorward/token"
)

// unpacked writes the files of a txtar text into a directory, over what is there.
func unpacked(t testing.TB, dir, text string) {
	t.Helper()
	for _, f := range txtar.Parse([]byte(text)).Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// accepting has the bundle in dir accept what the server crm says of itself now: the demo server, or the one at an address.
func accepting(t testing.TB, dir, upstream string) {
	t.Helper()
	from := []string{"--url", upstream}
	if upstream == "" {
		file := filepath.Join(t.TempDir(), "demo.yaml")
		text := strings.NewReplacer("$PORT", "18080", "$DIR", t.TempDir()).Replace(plainFile)
		if err := os.WriteFile(file, []byte(strings.Replace(text, "  mcp:\n", "  crm:\n", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		from = []string{"--config", file}
	}
	if status, out, said := ran(t, append([]string{"policy", "schema", "crm", "--bundle", dir}, from...)...); status != 0 {
		t.Fatalf("policy schema: status %d\n%s%s", status, out, said)
	}
}

// bundled is a bundle in a fresh directory, for the demo server as crm, or for the server at an address.
func bundled(t testing.TB, upstream, text string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "bundle")
	unpacked(t, dir, text)
	accepting(t, dir, upstream)
	return dir
}

const governedFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy:
  bundle: $BUNDLE
registration:
  mode: open
servers:
  crm:
    path: /crm
    $UPSTREAM
    scopes:
      - {name: crm, sentence: Use it}
      - {name: "crm:users:delete", sentence: Delete users}
      - {name: "crm:irreversible", sentence: Do what cannot be undone}
    initial: [crm]
clients:
  listed:
    - {client_id: desk, client_name: Desk, redirect_uris: ["` + callback + `"]}
    - {client_id: toy, client_name: Toy, redirect_uris: ["` + callback + `"]}
`

// governed is a server whose crm a bundle decides about. more is configuration below policy.
func governed(t testing.TB, dir, upstream, more string, env ...string) *server {
	t.Helper()
	s := protectFile(t, governedText(dir, upstream, more), env...)
	return s
}

func governedText(dir, upstream, more string) string {
	behind := "demo: true"
	if upstream != "" {
		behind = "url: " + upstream
	}
	return strings.NewReplacer("$BUNDLE\n", dir+"\n"+more, "$UPSTREAM", behind).Replace(governedFile)
}

// listedApp is a client of the configuration.
func (s *server) listedApp(id string) *app {
	a := &app{t: s.t, server: s, ID: id, Redirect: callback}
	return a.again()
}

// minting gives tokens of this installation for anybody: name through client, with changes.
func minting(t *testing.T, s *server) func(name, client string, change ...func(*token.Claims)) string {
	f := newForger(t, s)
	return func(name, client string, change ...func(*token.Claims)) string {
		return f.minted(time.Now(), func(c *token.Claims) {
			c.Resource, c.Subject, c.Client, c.Scopes = s.ready.Issuer+"/crm", name, client, []string{"crm"}
			for _, one := range change {
				one(c)
			}
		})
	}
}

// denial is what the JSON-RPC error of a refused call says.
type denial struct {
	Error       string
	Description string `json:"error_description"`
	Code        string
	Request     string `json:"request_id"`
	Lacking     map[string]any
}

func (a answer) denial(t testing.TB) denial {
	t.Helper()
	var v struct {
		Error struct {
			Code int
			Data denial
		}
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	if v.Error.Code <= -32000 && v.Error.Code >= -32768 && v.Error.Data.Code != "" {
		t.Errorf("the code of a denial is one of JSON-RPC's own: %d", v.Error.Code)
	}
	return v.Error.Data
}

// denied fails unless a call was refused for a reason. It gives what was said.
func (a answer) denied(t testing.TB, status int, code string) denial {
	t.Helper()
	d := a.denial(t)
	if a.StatusCode != status || d.Code != code {
		t.Errorf("%s, want %d for %s\n%s", a.Status, status, code, a.body)
	}
	return d
}

// succeeds fails unless a call was carried out.
func (a answer) succeeds(t testing.TB) {
	t.Helper()
	if a.StatusCode != http.StatusOK || strings.Contains(a.body, `"isError":true`) || strings.Contains(a.body, `"error":{`) {
		t.Errorf("%s %s\n%s", a.Status, a.Header["Www-Authenticate"], a.body)
	}
}

// record is the first record of a call: by its receipt, or, where it was refused, by the id of its request.
func (s *server) record(t testing.TB, a answer) map[string]any {
	t.Helper()
	member, id := "id", a.Header.Get("Doorward-Receipt")
	if id == "" {
		member, id = "request", a.denial(t).Request
	}
	if id == "" {
		t.Fatalf("the answer names no record: %s %v\n%s", a.Status, a.Header, a.body)
	}
	for _, r := range s.audited() {
		if r[member] == id {
			return r
		}
	}
	t.Fatalf("there is no record with the %s %s", member, id)
	return nil
}

// tools are the names in the caller's list.
func (s *server) tools(t testing.TB, raw string) (names []string) {
	t.Helper()
	a := do(t, http.DefaultClient, s.listOf(t, raw, "2026-07-28", "tools/list", "{}"))
	var v struct {
		Result struct{ Tools []struct{ Name string } }
	}
	body := a.body
	if at := strings.Index(body, "data: "); at >= 0 { // the upstream answers by an event
		body = body[at+len("data: "):]
	}
	if err := json.NewDecoder(strings.NewReader(body)).Decode(&v); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	for _, tool := range v.Result.Tools {
		names = append(names, tool.Name)
	}
	return names
}
