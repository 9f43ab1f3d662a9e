package cedar_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// A change of one edge of one rule is found by calls that nobody wrote, and named; the same bundle has none.
func TestCompare(t *testing.T) {
	whole, err := cedar.ReadFiles(os.DirFS("../../examples/policy/crm"))
	if err != nil {
		t.Fatal(err)
	}
	written, err := whole.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, file, old, new, want string }{
		{"nothing", "bundle.yaml", "", "", ""},
		{"a limit", "servers/crm/stepup.cedar", "limit > 1000", "limit > 1001", "crm export_users: challenge step_up_acr urn:example:mfa → allow with audit:full"},
		{"a limit that counts itself", "servers/crm/stepup.cedar", "limit > 1000", "limit >= 1000", "crm export_users: allow with audit:full → challenge step_up_acr urn:example:mfa"},
		{"a span", "servers/crm/stepup.cedar", `duration("15m")`, `duration("16m")`, "crm update_user: challenge max_age 900 → allow with audit:args"},
		{"a group", "servers/crm/users.cedar", `permit (principal in Group::"staff", action in Action::"crm:prompts", resource);`, `permit (principal, action in Action::"crm:prompts", resource);`, "crm welcome: deny → allow"},
		{"a member that is null", "servers/crm/users.cedar", " && context.args.manager.null", "", "crm update_user: allow with audit:args → deny"},
		{"an identity", "servers/crm/users.cedar", "context.args.id != 1", "context.args.id != 2", "crm delete_user: "},
		{"a network", "guardrails/network.cedar", "10.0.0.0/8", "10.0.0.0/9", "crm export_users: "},
		{"an attribute", "servers/crm/users.cedar", "principal.region == context.args.region", `context.args.region == "eu"`, "crm export_users: "},
		{"evidence", "servers/crm/users.cedar", `containsAny(["authenticated", "document"])`, `contains("document")`, "crm delete_user: "},
		{"an obligation", "servers/crm/users.cedar", ` @ratelimit("100/h")`, "", "crm get_user: allow with ratelimit:100/h redact:/ssn redact:/users/*/ssn → allow with redact:/ssn redact:/users/*/ssn"},
		{"a template", "servers/crm/users.cedar", `, Action::"crm:resource/crm://reports/{year}"`, "", "crm crm://reports/x: allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, before := crm(t, "[]")
			changed := cedar.Files{}
			for name, text := range files {
				changed[name] = text
			}
			changed[c.file] = bytes.Replace(files[c.file], []byte(c.old), []byte(c.new), 1)
			if c.old != "" && bytes.Equal(changed[c.file], files[c.file]) {
				t.Fatalf("%s has no %s", c.file, c.old)
			}
			after := loadAlone(t, changed)
			engines := []*cedar.Engine{before, after}
			calls := cedar.Calls(1, 2500, engines, written)
			var got []string
			for _, one := range before.Compare(after, calls) {
				got = append(got, strings.TrimSuffix(one.Server+" "+one.Action+": "+one.Was+" → "+one.Is, " with "))
			}
			if c.want == "" && len(got) > 0 || c.want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, c.want) }) {
				t.Errorf("%d calls found\n%s", len(calls), strings.Join(got, "\n"))
			}
		})
	}
}

func loadAlone(t *testing.T, files cedar.Files) *cedar.Engine {
	t.Helper()
	e, err := cedar.Load(files, cedar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The same bundles and seed make the same calls, no more than were asked for, the bundle's own cases first; another seed makes
// others.
func TestCalls(t *testing.T) {
	files, e := crm(t, "- name: mine\n  given: {user: zoe}\n  call: {server: crm, tool: get_user, args: {id: 7}}\n  expect: {decision: deny}\n")
	cases, err := files.Cases()
	if err != nil {
		t.Fatal(err)
	}
	_, again := crm(t, "[]")
	one := cedar.Calls(1, 300, []*cedar.Engine{e, e}, cases)
	two := cedar.Calls(1, 300, []*cedar.Engine{again, again}, cases)
	if diff := cmp.Diff(one, two); diff != "" || len(one) != 300 || one[0].User != "zoe" {
		t.Errorf("%d calls, and %s", len(one), diff)
	}
	if cmp.Equal(one, cedar.Calls(2, 300, []*cedar.Engine{e, e}, cases)) {
		t.Error("another seed makes the same calls")
	}
	if n := len(cedar.Calls(1, 0, []*cedar.Engine{e}, cases)); n != 0 {
		t.Errorf("%d calls, and none was asked for", n)
	}
}
