package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who may roll a bundle back, or can write to the database, brings in no rules that the operator's keys have not signed: a bundle that
// was kept is held against them as one in the directory is.
func TestAttackByRollingBackToWhatNobodySigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	unpacked(t, dir, strings.ReplaceAll(pairBundle("red"), "SCOPE", "crm:irreversible"))
	s := governed(t, dir, "", "")
	raw := minting(t, s)("alice", "desk")
	key := filepath.Join(t.TempDir(), "key")
	status, verifies, said := ran(t, "policy", "key", "security.example.com", "--out", key)
	if status != 0 {
		t.Fatal(said)
	}
	unpacked(t, dir, strings.ReplaceAll(pairBundle("blue"), "SCOPE", "crm:irreversible"))
	if status, _, said := ran(t, "policy", "sign", dir, "--key", key); status != 0 {
		t.Fatal(said)
	}
	text, err := os.ReadFile(s.args[len(s.args)-1])
	if err != nil {
		t.Fatal(err)
	}
	signed := strings.Replace(string(text), dir+"\n", fmt.Sprintf("%s\n  signed_by: [%q]\n", dir, strings.TrimSpace(verifies)), 1)
	s.rewrites(t, signed, true, inUse)
	if d := s.call(raw, "no", "{}").denied(t, 403, "policy.forbidden"); d.Description != "blue says no" {
		t.Fatalf("%+v", d)
	}
	status, out, said := ran(t, "policy", "rollback", "--data", s.ready.Data)
	if status == 0 || !strings.Contains(said, "not signed") {
		t.Errorf("status %d %s%s", status, out, said)
	}
	if d := s.call(raw, "no", "{}").denied(t, 403, "policy.forbidden"); d.Description != "blue says no" {
		t.Errorf("what nobody signed decides: %+v", d)
	}
}

// What a question says of a person is what is judged: an answer about somebody else would be a wrong one.
func TestEvaluationIsAboutWhatIsAsked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	unpacked(t, dir, `
-- bundle.yaml --
id: levels
servers:
  crm: {definitions: any}
attributes: {level: Long}
-- servers/crm/rules.cedar --
@id("high") permit (principal is User, action in Action::"crm/*", resource) when { principal has level && principal.level > 2 };
@id("boss") permit (principal is User, action == Action::"crm/name", resource) when { principal has name && principal.name == "boss" };
`)
	s := protectFile(t, governedText(dir, "", "")+evaluatingClients, "PEP_SECRET="+listedSecret)
	point := s.at("/access/v1/evaluation")
	raw, _ := s.posted(t, "/token", url.Values{"grant_type": {"client_credentials"}, "resource": {point}}.Encode(), basic("pep", listedSecret)...).json(t)["access_token"].(string)
	for properties, want := range map[string]string{
		`{"scopes":["crm"],"attributes":{"level":3}}`: `"decision":true`,
		`{"scopes":["crm"],"attributes":{"level":2}}`: `"decision":false`,
		`{"scopes":["crm"]}`:                          `"decision":false`,
		`{"scopes":["crm"],"name":"boss"}`:            `"decision":true`,
	} {
		a := do(t, http.DefaultClient, request(t, "POST", point, `{"subject":{"type":"identity","id":"alice","properties":`+properties+`},"action":{"name":"tools/call"},"resource":{"type":"tool","id":"name","properties":{"server":"crm"}},"context":{"agent":"desk"}}`,
			"Content-Type", "application/json", "Authorization", "Bearer "+raw))
		if a.StatusCode != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %s %s", properties, a.Status, a.body)
		}
	}
}
