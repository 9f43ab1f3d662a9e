package export_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

var ocsf = export.OCSF{Origin: "example.com/audit", Version: "1.2.3"}

func event(t *testing.T, index int64, e verify.Entry) (map[string]any, []byte) {
	t.Helper()
	raw := encode(t, e)
	line, err := ocsf.Line(export.Record{Index: index, Raw: raw, Entry: e})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(line), "\n") {
		t.Errorf("an event is more than a line: %s", line)
	}
	var ev map[string]any
	if err := json.Unmarshal(line, &ev); err != nil {
		t.Fatal(err)
	}
	return ev, raw
}

// The members that OCSF 1.9.0 requires of each class, those of the base event included.
var required = map[int][]string{
	0:    {},
	3001: {"user"},
	3002: {"user", "service"},
	3003: {"user", "privileges"},
	3004: {"entity"},
	6003: {"actor", "api", "src_endpoint"},
}

func TestOCSFClasses(t *testing.T) {
	for code, want := range map[string]struct{ class, activity int }{
		"mcp.called": {6003, 99}, "mcp.read": {6003, 2}, "mcp.listed": {6003, 2}, "mcp.refused": {6003, 99}, "mcp.session_ended": {6003, 4}, "request.refused": {6003, 99},
		"login.signed_in": {3002, 1}, "login.refused": {3002, 1}, "login.signed_out": {3002, 2}, "login.link_made": {3002, 99},
		"person.added": {3001, 1}, "person.changed": {3001, 99}, "person.erased": {3001, 6},
		"token.issued": {3003, 1}, "token.exchanged": {3003, 1}, "consent.given": {3003, 1}, "authorize.granted": {3003, 1},
		"token.introspected": {3004, 2}, "token.refused": {3004, 99}, "consent.declined": {3004, 99}, "authorize.refused": {3004, 99},
		"client.registered": {3004, 1}, "client.removed": {3004, 4}, "grant.revoked": {3004, 4}, "policy.loaded": {3004, 3}, "key.added": {3004, 1},
		"log.started": {3004, 99}, "log.gap": {3004, 99}, "something.new": {3004, 99}, "": {0, 99},
	} {
		for _, phase := range []string{verify.Intent, verify.Outcome, verify.Refusal} {
			ev, _ := event(t, 3, verify.Entry{V: 1, Code: code, Phase: phase})
			number := func(name string) int { f, _ := ev[name].(float64); return int(f) }
			if number("class_uid") != want.class || number("activity_id") != want.activity {
				t.Errorf("%s: class %v, activity %v; want %v", code, ev["class_uid"], ev["activity_id"], want)
			}
			if number("type_uid") != want.class*100+want.activity || number("category_uid") != want.class/1000 {
				t.Errorf("%s: type %v, category %v", code, ev["type_uid"], ev["category_uid"])
			}
			for _, name := range append(required[want.class], "activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid") {
				if ev[name] == nil {
					t.Errorf("%s: there is no %s", code, name)
				}
			}
		}
	}
}

func TestOCSFOfACall(t *testing.T) {
	e := verify.Entry{
		V: 1, ID: "act", Code: "mcp.called", Phase: verify.Outcome, Time: "2026-11-22T12:00:00.25Z", Node: "n", Boot: "b", Seq: 9,
		Request: "req", Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Subject: &verify.Subject{Pseudonym: "p1"}, Chain: []verify.Actor{{Client: "agent", How: "exchange", Verified: true}}, Client: "agent", Grant: "g1",
		Server: "https://mcp.example.com/", Proto: "2025-11-25", Calls: []verify.Call{{Method: "tools/call", Name: "delete", Definition: "sha256:x"}},
		Policy: &verify.Decision{Verdict: "allow", Bundle: "sha256:y", Rules: []string{"r1", "r2"}}, Net: "c1", Result: "refused", Reason: "policy", Micros: 12345,
	}
	ev, raw := event(t, 1234, e)
	hash := tlog.RecordHash(raw)
	at := ev["attestation_list"].([]any)[0].(map[string]any)
	if at["uid"] != "1234" || at["chain_uid"] != "example.com/audit" || at["fingerprint"].(map[string]any)["value"] != hex.EncodeToString(hash[:]) {
		t.Errorf("the attestation is %v", at)
	}
	if ev["raw_data"] != string(raw) {
		t.Error("raw_data is not the record")
	}
	for _, name := range []string{"attestation_list", "raw_data", "raw_data_hash"} {
		delete(ev, name)
	}
	want := map[string]any{}
	if err := json.Unmarshal([]byte(`{
		"activity_id": 99, "activity_name": "mcp.called", "category_uid": 6, "class_uid": 6003, "class_name": "API Activity", "type_uid": 600399,
		"severity_id": 2, "status_id": 2, "status": "Failure", "status_code": "policy", "status_detail": "refused",
		"time": 1795348800250, "duration": 12,
		"metadata": {"version": "1.9.0", "log_name": "example.com/audit", "uid": "example.com/audit#1234", "event_code": "mcp.called", "correlation_uid": "act",
			"original_time": "2026-11-22T12:00:00.25Z", "sequence": 9, "profiles": ["record_integrity", "ai_operation", "trace"],
			"product": {"name": "Doorward", "vendor_name": "Doorward", "version": "1.2.3"}},
		"actor": {"user": {"uid": "p1", "type_id": 1, "type": "User"}, "app_uid": "agent", "authorizations": [{"decision": "allow",
			"policy": {"uid": "sha256:y", "name": "r1", "type": "doorward", "is_applied": true, "data": {"rules": ["r1", "r2"]}}}]},
		"ai_agent": {"uid": "agent"}, "delegation": {"uid": "g1"},
		"api": {"operation": "tools/call", "group": {"name": "mcp"}, "version": "2025-11-25", "request": {"uid": "req"},
			"service": {"uid": "https://mcp.example.com/", "name": "https://mcp.example.com/"}},
		"resources": [{"type": "tools/call", "name": "delete", "version": "sha256:x"}],
		"src_endpoint": {"uid": "c1"}, "trace": {"uid": "0af7651916cd43dd8448eb211c80319c"}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ev); diff != "" {
		t.Errorf("the event differs (-want +have):\n%s", diff)
	}
}

func TestOCSFStatus(t *testing.T) {
	for _, c := range []struct {
		phase, result    string
		status, severity int
	}{
		{verify.Intent, "", 99, 1}, {verify.Outcome, "done", 1, 1}, {verify.Outcome, "refused", 2, 2}, {verify.Outcome, "failed", 2, 3},
		{verify.Outcome, "unknown", 0, 3}, {verify.Refusal, "", 2, 2}, {verify.Notice, "", 1, 1},
	} {
		ev, _ := event(t, 0, verify.Entry{V: 1, Code: "mcp.called", Phase: c.phase, Result: c.result})
		if fmt.Sprint(ev["status_id"], ev["severity_id"]) != fmt.Sprint(c.status, c.severity) {
			t.Errorf("%s %s: status %v, severity %v", c.phase, c.result, ev["status_id"], ev["severity_id"])
		}
	}
}

func FuzzOCSF(f *testing.F) {
	for _, b := range some(f, 0, 2) {
		f.Add(b)
	}
	f.Add([]byte(`{"v":1,"id":"","code":".","phase":"","t":"","node":"","boot":"","seq":0,"trace":"00--"}`))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, _ := verify.Decode(raw)
		line, err := ocsf.Line(export.Record{Raw: raw, Entry: e})
		if err != nil || !json.Valid(line) {
			t.Errorf("%q, %v", line, err)
		}
	})
}
