package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/doorward-mcp/doorward/token"
)

// pairBundle is a bundle all of whose rules and titles begin with a word.
func pairBundle(word string) string {
	return strings.ReplaceAll(`
-- bundle.yaml --
id: WORD
servers:
  crm: {definitions: any}
-- servers/crm/one.cedar --
@id("WORD.one") @notify("WORD")
permit (principal, action == Action::"crm/one", resource);
@id("WORD.no") @title("WORD says no")
forbid (principal, action == Action::"crm/no", resource);
-- servers/crm/two.cedar --
@id("WORD.two") @notify("WORD")
permit (principal, action == Action::"crm/two", resource);
@id("WORD.needs") @title("WORD asks for more") @remedy("step_up_scope") @scope("SCOPE")
forbid (principal, action == Action::"crm/two", resource) unless { context.token.scopes.contains("SCOPE") };
`, "WORD", word)
}

// brokenBundle has a rule with an annotation that nobody knows, in the third line of a file.
const brokenBundle = `
-- bundle.yaml --
id: broken
servers:
  crm: {definitions: any}
-- servers/crm/one.cedar --
@id("broken.one")
permit (principal, action == Action::"crm/one", resource);
@id("broken.no") @titel("no")
forbid (principal, action == Action::"crm/no", resource);
`

// digestOf is what names a bundle in records.
func digestOf(t testing.TB, dir string) string {
	t.Helper()
	status, out, said := ran(t, "--output", "json", "policy", "check", dir)
	var v struct{ Digest string }
	if err := json.Unmarshal([]byte(out), &v); err != nil || status != 0 {
		t.Fatalf("policy check: status %d %v\n%s%s", status, err, out, said)
	}
	return v.Digest
}

// swapped has a link lead to another directory, at once.
func swapped(t testing.TB, link, to string) {
	t.Helper()
	next := link + ".next"
	if err := os.Symlink(to, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
}

// says has the process look at its files now, and waits until it says what came of it.
func (s *server) says(t testing.TB, what string) {
	t.Helper()
	before := strings.Count(s.stderr.String(), what)
	if err := s.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, what, func() bool { return strings.Count(s.stderr.String(), what) > before })
}

const (
	inUse      = "the configuration is in use"
	staysAsWas = "the configuration stays as it was"
)

// Callers call without pause while the bundle is another one again and again, and now and then a broken one. Each answer is by one
// bundle, whole: its title, its rules, what it obliges to and its digest. A broken one changes nothing, and says where.
func TestPolicyReloadUnderLoad(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Mcp-Protocol-Version") == "2025-03-26" {
			_, _ = io.WriteString(w, `[{"jsonrpc":"2.0","id":1,"result":{"content":[]}},{"jsonrpc":"2.0","id":2,"result":{"content":[]}}]`)
			return
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
	})
	dir := t.TempDir()
	at := map[string]string{"red": filepath.Join(dir, "red"), "blue": filepath.Join(dir, "blue"), "broken": filepath.Join(dir, "broken")}
	unpacked(t, at["red"], strings.ReplaceAll(pairBundle("red"), "SCOPE", "crm:irreversible"))
	unpacked(t, at["blue"], strings.ReplaceAll(pairBundle("blue"), "SCOPE", "crm:users:delete"))
	unpacked(t, at["broken"], brokenBundle)
	words := map[string]string{digestOf(t, at["red"]): "red", digestOf(t, at["blue"]): "blue"}
	scope := map[string]string{"red": "crm:irreversible", "blue": "crm:users:delete"}
	live := filepath.Join(dir, "live")
	swapped(t, live, at["red"])
	s := governed(t, live, up.URL, "")
	mint := minting(t, s)
	poor, rich := mint("alice", "desk"), mint("bob", "desk", func(c *token.Claims) { c.Scopes = []string{"crm", "crm:users:delete", "crm:irreversible"} })
	batch := `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one"}},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"two"}}]`

	done, faults := make(chan struct{}), &lockedBuffer{}
	var callers sync.WaitGroup
	var mu sync.Mutex
	decided := map[string]string{} // :: request → the word of the bundle that the answer is by
	for range 3 {
		callers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				no, two := s.call(poor, "no", "{}"), s.call(poor, "two", "{}")
				both := do(t, http.DefaultClient, s.bearing(t, rich, "POST", batch, "2025-03-26"))
				d, l := no.denial(t), two.denial(t)
				word, also := strings.TrimSuffix(d.Description, " says no"), strings.TrimSuffix(l.Description, " asks for more")
				if no.StatusCode != 403 || two.StatusCode != 403 || both.StatusCode != 200 || scope[word] == "" || !same(strs(l.Lacking["scopes"]), []string{scope[also]}) {
					fmt.Fprintf(faults, "%s %s\n%s %s\n%s %s\n", no.Status, no.body, two.Status, two.body, both.Status, both.body)
				}
				mu.Lock()
				decided[d.Request], decided[l.Request] = word, also
				mu.Unlock()
			}
		})
	}
	for i := range 10 {
		name := []string{"blue", "broken", "red"}[i%3]
		swapped(t, live, at[name])
		if name != "broken" {
			s.says(t, inUse)
			continue
		}
		s.says(t, staysAsWas)
		if said := s.stderr.String(); !strings.Contains(said, "servers/crm/one.cedar:3:1: broken.no: @titel: there is no such annotation") {
			t.Errorf("it is not said what is wrong, and where:\n%s", said)
		}
	}
	close(done)
	callers.Wait()
	if said := faults.String(); said != "" {
		t.Error(said)
	}
	seen := map[string]int{}
	for _, r := range s.audited() {
		digest, _ := r["bundle"].(string)
		rules, _ := r["rules"].(string)
		word := words[digest]
		if rules == "" {
			continue
		}
		seen[word]++
		if word == "" {
			t.Fatalf("a bundle that nobody knows decided: %v", r)
		}
		obliged, _ := r["obligations"].(string)
		for _, rule := range strings.Split(rules, ", ") {
			if !strings.HasPrefix(rule, word+".") {
				t.Fatalf("rules of two bundles decided: %v", r)
			}
		}
		if obliged != "" && strings.ReplaceAll(strings.ReplaceAll(obliged, "notify:"+word, ""), ", ", "") != "" {
			t.Fatalf("obligations of two bundles: %v", r)
		}
		if want, ok := decided[fmt.Sprint(r["request"])]; ok && want != word {
			t.Fatalf("the answer was by %s, and the record says %v", want, r)
		}
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, []string{"blue", "red"}) || len(decided) == 0 {
		t.Errorf("%v, %d answers", seen, len(decided))
	}
}

// A bundle that changes is seen without a signal.
func TestABundleThatChanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	unpacked(t, dir, strings.ReplaceAll(pairBundle("red"), "SCOPE", "crm:irreversible"))
	s := governed(t, dir, "", "")
	raw := minting(t, s)("alice", "desk")
	if d := s.call(raw, "no", "{}").denied(t, 403, "policy.forbidden"); d.Description != "red says no" {
		t.Errorf("%+v", d)
	}
	rules := filepath.Join(dir, "servers/crm/one.cedar")
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rules, []byte(strings.Replace(string(text), "red says no", "no longer", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the changed rule decides", func() bool { return s.call(raw, "no", "{}").denial(t).Description == "no longer" })
	// A bundle that is gone is no bundle without rules: what decided before goes on.
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	s.says(t, staysAsWas)
	if d := s.call(raw, "no", "{}").denied(t, 403, "policy.forbidden"); d.Description != "no longer" {
		t.Errorf("%+v", d)
	}
}
