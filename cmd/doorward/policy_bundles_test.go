package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refusesToStart is what a server says that does not start with a configuration.
func refusesToStart(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "doorward.yaml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("$PORT", freePort(t), "$DIR", dir).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, args: []string{"--output", "json", "serve", "--config", file}}
	if s.tryStart() {
		s.kill()
		t.Error("it started")
		return ""
	}
	if err := s.command.Wait(); s.command.ProcessState.ExitCode() != 2 {
		t.Errorf("%v\n%s", err, s.stderr)
	}
	return s.stderr.String()
}

// Nothing decides by itself that scopes are enough, and a bundle that is not there, or not good, is none.
func TestNoPolicyNoStart(t *testing.T) {
	dir := t.TempDir()
	unpacked(t, filepath.Join(dir, "broken"), brokenBundle)
	unpacked(t, filepath.Join(dir, "good"), pair("red"))
	for name, c := range map[string]struct{ text, says string }{
		"none":             {strings.Replace(plainFile, "policy: scopes-only\n", "", 1), "policy: it is missing"},
		"no such word":     {strings.Replace(plainFile, "scopes-only", "allow-all", 1), "there is no policy allow-all"},
		"no directory":     {governedText(filepath.Join(dir, "none"), "", ""), "none"},
		"an empty one":     {governedText(t.TempDir(), "", ""), "there is no bundle.yaml"},
		"a broken one":     {governedText(filepath.Join(dir, "broken"), "", ""), "servers/crm/one.cedar:3:1: broken.no: @titel: there is no such annotation"},
		"a broken shadow":  {governedText(filepath.Join(dir, "good"), "", "  shadow: "+filepath.Join(dir, "broken")+"\n"), "shadow: "},
		"a misspelt key":   {governedText(dir, "", "  shadw: x\n"), "did you mean `shadow`?"},
		"bundle and other": {governedText(dir, "", "  authzen: {url: https://pdp.example}\n"), "exclude each other"},
	} {
		if said := refusesToStart(t, c.text); !strings.Contains(said, c.says) {
			t.Errorf("%s: it says\n%s\nnot %s", name, said, c.says)
		}
	}
}

// A candidate beside the rules decides nothing: where it differs, the record says so, and it is counted.
func TestShadow(t *testing.T) {
	up := toolServer(t, always(otherTool), nil)
	dir := t.TempDir()
	live, candidate := filepath.Join(dir, "live"), filepath.Join(dir, "candidate")
	unpacked(t, live, pair("red"))
	unpacked(t, candidate, strings.NewReplacer(`crm/one"`, `crm/no"`, `crm/no"`, `crm/one"`).Replace(pair("blue"))) // permits no, forbids one
	port := freePort(t)
	s := governed(t, live, up.URL, "  shadow: "+candidate+"\noperations: {listen: 127.0.0.1:"+port+"}\n")
	raw := minting(t, s)("alice", "desk")
	allowed, refused, alike := s.call(raw, "one", "{}"), s.call(raw, "no", "{}"), s.call(raw, "none", "{}")
	allowed.succeeds(t)
	if d := refused.denied(t, 403, "policy.forbidden"); d.Description != "red says no" {
		t.Errorf("%+v", d)
	}
	alike.denied(t, 403, "policy.no_permit")
	digest := digestOf(t, candidate)
	for _, c := range []struct {
		a    answer
		want any
	}{{allowed, "deny policy.forbidden " + digest + " blue.no"}, {refused, "allow policy.allowed " + digest + " blue.one"}, {alike, nil}} {
		if r := s.record(t, c.a); r["shadow"] != c.want || r["bundle"] == digest {
			t.Errorf("%v\nis not %v", r, c.want)
		}
	}
	metrics := fetched(t, "http://127.0.0.1:"+port+"/metrics").body
	for _, want := range []string{`doorward_policy_shadow_total{live="allow",server="crm",shadow="deny"} 1`, `doorward_policy_shadow_total{live="deny",server="crm",shadow="allow"} 1`,
		`doorward_policy_decisions_total{code="policy.forbidden",server="crm",verdict="deny"} 1`, `doorward_policy_notifications_total{server="crm"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
}

func pair(word string) string {
	return strings.ReplaceAll(pairBundle(word), "SCOPE", "crm:irreversible")
}

// The bundle before the one that decides can be had back, over a restart, until the directory changes.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	red, blue, live := filepath.Join(dir, "red"), filepath.Join(dir, "blue"), filepath.Join(dir, "live")
	unpacked(t, red, pair("red"))
	unpacked(t, blue, pair("blue"))
	swapped(t, live, red)
	s := governed(t, live, "", "")
	raw := minting(t, s)("alice", "desk")
	decides := func(word string) {
		t.Helper()
		a := s.call(raw, "no", "{}")
		if d := a.denied(t, 403, "policy.forbidden"); d.Description != word+" says no" {
			t.Errorf("%q decides, not %s", d.Description, word)
		}
	}
	back := func(status int, says string) {
		t.Helper()
		if got, out, said := ran(t, "policy", "rollback", "--data", s.ready.Data); got != status || !strings.Contains(out+said, says) {
			t.Errorf("rollback: status %d\n%s%s", got, out, said)
		}
	}
	back(1, "there is no bundle before this one")
	swapped(t, live, blue)
	s.says(t, inUse)
	decides("blue")
	back(0, digestOf(t, red)+" decides, until the directory of the bundle changes")
	decides("red")
	back(0, digestOf(t, blue)) // one step back from there is where it came from
	decides("blue")
	back(0, digestOf(t, red))
	decides("red")
	s.says(t, inUse) // the same directory is read again
	decides("red")
	s.restart()
	decides("red")
	if !strings.Contains(s.stderr.String(), "the policy bundle was set aside") {
		t.Error("it is not said that a bundle was set aside")
	}
	unpacked(t, blue, strings.ReplaceAll(pair("blue"), "blue says no", "green says no"))
	s.says(t, inUse)
	decides("green")
	loaded := 0
	for _, r := range s.audited() {
		if r["msg"] == "policy.loaded" && r["phase"] == "intent" {
			loaded++
		}
	}
	if loaded != 6 { // red, blue, red, blue, red, green
		t.Errorf("%d records of bundles that began to decide", loaded)
	}
}

// A bundle must be signed by a key that the configuration names, as it is: at the start, and when it changes.
func TestSignedBundles(t *testing.T) {
	dir, keys := filepath.Join(t.TempDir(), "bundle"), t.TempDir()
	unpacked(t, dir, pair("red"))
	key := func(name string) string {
		t.Helper()
		status, out, said := ran(t, "policy", "key", name, "--out", filepath.Join(keys, name))
		if status != 0 {
			t.Fatalf("status %d\n%s", status, said)
		}
		return strings.TrimSpace(out)
	}
	sign := func(name string) {
		t.Helper()
		if status, out, said := ran(t, "policy", "sign", dir, "--key", filepath.Join(keys, name)); status != 0 {
			t.Fatalf("status %d\n%s%s", status, out, said)
		}
	}
	ours, _ := key("security.example"), key("other.example")
	if status, _, said := ran(t, "policy", "key", "security.example", "--out", filepath.Join(keys, "security.example")); status != 2 {
		t.Errorf("a key was written over: status %d\n%s", status, said)
	}
	signedBy := "  signed_by: [" + ours + "]\n"
	const unsigned = "not signed by one of the keys"
	if said := refusesToStart(t, governedText(dir, "", signedBy)); !strings.Contains(said, unsigned) {
		t.Errorf("unsigned: %s", said)
	}
	sign("other.example")
	if said := refusesToStart(t, governedText(dir, "", signedBy)); !strings.Contains(said, unsigned) {
		t.Errorf("signed by another key: %s", said)
	}
	sign("security.example")
	s := governed(t, dir, "", signedBy)
	raw := minting(t, s)("alice", "desk")
	change := func(to string) {
		t.Helper()
		unpacked(t, dir, strings.ReplaceAll(pair("red"), "red says no", to))
	}
	decides := func(what, title string) {
		t.Helper()
		if d := s.call(raw, "no", "{}").denied(t, 403, "policy.forbidden"); d.Description != title {
			t.Errorf("%s: %q decides, not %q", what, d.Description, title)
		}
	}
	decides("signed", "red says no")
	change("changed")
	s.says(t, unsigned)
	decides("changed after it was signed", "red says no")
	sign("other.example")
	s.says(t, unsigned)
	decides("signed by another key", "red says no")
	sign("security.example")
	s.says(t, inUse)
	decides("signed again", "changed")
}

// protect writes a bundle once, in which everybody may use what the scopes allow. Whoever edits it finds it as it was, and in force.
func TestTheBundleOfProtect(t *testing.T) {
	s := protect(t)
	_, got := s.connect()
	s.call(got.Access, "whoami", "{}").succeeds(t)
	if said := digestOf(t, filepath.Join(s.ready.Data, "policy")); s.record(t, s.call(got.Access, "whoami", "{}"))["bundle"] != said {
		t.Errorf("another bundle decides than the one in the data directory, %s", said)
	}
	file := filepath.Join(s.ready.Data, "policy/servers/mcp/rules.cedar")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text) + "\n@id(\"mcp.nobody-adds\") @title(\"Nobody adds here\")\nforbid (principal, action == Action::\"mcp/add\", resource);\n"
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the edited rule decides", func() bool { return s.call(got.Access, "add", `{"a":1,"b":2}`).StatusCode == 403 })
	s.call(got.Access, "whoami", "{}").succeeds(t)
	s.restart()
	if again, err := os.ReadFile(file); err != nil || string(again) != edited {
		t.Errorf("the bundle was written again: %v\n%s", err, again)
	}
	if d := s.call(got.Access, "add", `{"a":1,"b":2}`).denied(t, 403, "policy.forbidden"); d.Description != "Nobody adds here" {
		t.Errorf("%+v", d)
	}
}
