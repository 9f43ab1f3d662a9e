package cedar_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// crm is the example bundle, with its tests replaced.
func crm(t testing.TB, tests string) (cedar.Files, *cedar.Engine) {
	t.Helper()
	files, err := cedar.ReadFiles(os.DirFS("../../examples/policy/crm"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if strings.HasPrefix(name, "tests/") {
			delete(files, name)
		}
	}
	files["tests/a.yaml"] = []byte(tests)
	e, err := cedar.Load(files, cedar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return files, e
}

// What is said of a case that came out otherwise, for each thing that a case can expect. The empty text: it came out so.
func TestCases(t *testing.T) {
	const given = "given: {user: alice, groups: [crm-admins], client: helpdesk, evidence: [authenticated], scopes: ['crm:users:delete'], auth_age: 1m"
	const call = "call: {server: crm, tool: delete_user, args: {id: 42}}"
	for _, c := range []struct{ name, text, want string }{
		{"as expected", given + "}\n" + call + "\nexpect: {decision: allow, code: policy.allowed, rules: [crm.delete-user], remedies: [], obligations: ['notify:crm-owners', 'audit:full']}", ""},
		{"another decision", given + "}\n" + call + "\nexpect: {decision: deny}", "decision: allow (policy.allowed), not deny"},
		{"another code", given + "}\n" + call + "\nexpect: {decision: allow, code: x}", "code: policy.allowed, not x"},
		{"other rules", given + "}\n" + call + "\nexpect: {decision: allow, rules: [a, b]}", "rules: [crm.delete-user], not [a, b]"},
		{"no rules", given + "}\n" + call + "\nexpect: {decision: allow, rules: []}", "rules: [crm.delete-user], not []"},
		{"other obligations", given + "}\n" + call + "\nexpect: {decision: allow, obligations: ['audit:full']}", "obligations: [audit:full, notify:crm-owners], not [audit:full]"},
		{"all that is lacking", given + ", scopes: [], auth_age: ''}\n" + call + "\nexpect: {decision: challenge}", "twice"},
		{"remedies", "given: {user: a, groups: [crm-admins], client: helpdesk, evidence: [authenticated]}\n" + call + "\nexpect: {decision: challenge, remedies: [approval], scopes: [x], max_age: 1h, acr: y}",
			"acr: , not y; max_age: 900, not 3600; remedies: [max_age, step_up_scope], not [approval]; scopes: [crm:users:delete], not [x]"},
		{"a list", given + "}\nlist: {server: crm, sees: [delete_user, get_user], hidden: [delete_user, {prompt: welcome}]}", "hidden, and should be seen: get_user; seen, and should be hidden: delete_user"},
		{"arguments of the right type", "given: {groups: [staff]}\ncall: {server: crm, tool: get_user, args: {id: '42'}}\nexpect: {decision: deny, code: args.schema}", ""},
		{"arguments as they are", "given: {groups: [staff]}\ncall: {server: crm, tool: get_user, args: '{\"id\": 42}'}\nexpect: {decision: allow}", ""},
		{"a number that a double does not hold", given + "}\ncall: {server: crm, tool: delete_user, args: {id: 9007199254740993}}\nexpect: {decision: deny, code: args.number}", ""},
		{"a method of the protocol", "given: {groups: [staff]}\ncall: {server: crm, method: tools/list}\nexpect: {decision: allow}", ""},
		{"one for whom there is nothing", "given: {groups: [guests]}\ncall: {server: crm, method: tools/list}\nexpect: {decision: deny}", ""},
		{"a tool that nobody accepted", "given: {groups: [staff]}\ncall: {server: crm, tool: drop}\nexpect: {decision: deny, code: definition.missing}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, e := crm(t, "- "+strings.ReplaceAll(c.text, "\n", "\n  "))
			cases, err := files.Cases()
			if c.want == "twice" { // the fixture's own key and the override: a key may stand once
				if err == nil || !strings.Contains(err.Error(), "stands here a second time") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(e.Test(cases)[0].Wrong, "; "); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

// Everything that is wrong with a file of cases is said at once, each where it stands, with what was probably meant.
func TestCasesAreStrict(t *testing.T) {
	files := cedar.Files{"tests/a.yaml": []byte(`- name: a
  given: {usr: alice, groups: staff}
  call: {server: crm, tool: x, prompt: y}
  expect: {decision: alow}
- name: a
  given: {$ref: b, human: maybe}
  call: {server: crm, tool: x}
  expect: {decision: deny}
- call: {server: crm, tool: x, args: [1]}
  expects: {decision: deny}
- given: {user: a, agent: b, evidence: [hearsay], auth_age: soon}
  call: {server: crm, tool: x}
  expect: {decision: deny}
- list: {}
- list: {sees: [{prompt: a, tool: b}, {promt: a}]}
- defaults: {given: {}}
- given: {ip: nowhere, user: a, user: b}
  call: {server: crm, tool: x, args: {a: 0x10}}
  expect: {decision: deny}
`), "tests/b.yaml": []byte("a: b\n"), "tests/c.yaml": []byte("- [\n"), "tests/d.yaml": []byte("- call: {server: crm, tool: x}\n")}
	_, err := files.Cases()
	if err == nil {
		t.Fatal("it was read")
	}
	for _, want := range []string{
		"tests/a.yaml:2:11: unknown key `usr`: did you mean `user`?", "tests/a.yaml:2:31: it must be a list", "tests/a.yaml:4:3: expect.decision: it is allow, challenge or deny: did you mean `allow`?",
		"tests/a.yaml:5:9: the name is taken", "tests/a.yaml:6:17: no case before this one is called \"b\"", "tests/a.yaml:6:27: it must be true or false",
		"tests/a.yaml:10:3: unknown key `expects`: did you mean `expect`?", "tests/a.yaml:11:3: given: a call is by a user through a client, or by an agent", "tests/a.yaml:14:9: it says neither", "tests/a.yaml:15:18: it is one thing", "tests/a.yaml:15:40: unknown key `promt`: did you mean `prompt`?",
		"tests/a.yaml:16:3: defaults are the first entry", "tests/a.yaml:17:33: the key `user` stands here a second time", "write this number as JSON has it",
		"tests/a.yaml:9:3: expect is missing", "tests/b.yaml:1:1: it must be a list", "tests/c.yaml:1:3: this is not YAML", "tests/d.yaml:1:3: expect is missing",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

// A reference takes a part of a case over, defaults are below it, and a matrix is one case for each combination.
func TestCasesReferToOthers(t *testing.T) {
	files, e := crm(t, `- defaults: {given: {groups: [crm-admins], client: helpdesk, evidence: [authenticated], auth_age: 1m}, call: {server: crm, tool: delete_user}}
- name: first
  given: {user: alice, scopes: ['crm:users:delete']}
  call: {args: {id: 42}}
  expect: {decision: allow}
- name: second
  given: {$ref: above, scopes: []}
  call: {$ref: first}
  expect: {decision: challenge}
- given: {$ref: first}
  call: {$ref: above, tool: export_users, args: {region: eu, limit: 1}}
  expect: {decision: deny}
- name: all
  given: {$ref: first}
  matrix: {user: [alice, bob], args: [{id: 1}, {id: 2}, {id: 3}]}
  expect: {decision: allow}
- name: a program
  given: {$ref: first, agent: helpdesk}
  call: {$ref: first}
  expect: {decision: deny}
`)
	cases, err := files.Cases()
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, r := range e.Test(cases) {
		if len(r.Wrong) > 0 {
			failed = append(failed, fmt.Sprintf("%d %s", r.Case.Line, r.Case.Name))
		}
	}
	want := []string{"13 all, args {id: 1}, user alice", "13 all, args {id: 1}, user bob"}
	if len(cases) != 10 || !slices.Equal(failed, want) {
		t.Errorf("%d cases, of which %q failed", len(cases), failed)
	}
}

// A matrix cannot make more cases than anybody waits for.
func TestMatrixIsBounded(t *testing.T) {
	var axes []string
	for _, key := range []string{"user", "client", "name", "acr", "task"} {
		axes = append(axes, key+": ["+strings.Repeat("a, ", 30)+"a]")
	}
	_, err := (cedar.Files{"tests/a.yaml": []byte("- matrix: {" + strings.Join(axes, ", ") + "}\n  call: {server: crm, tool: x}\n  expect: {decision: deny}\n")}).Cases()
	if err == nil || !strings.Contains(err.Error(), "tests/a.yaml:1:3: this makes more than 100000 cases") {
		t.Error(err)
	}
}

// What is nested so deep that following it would end the program is refused before it is followed.
func TestCasesAreNotNestedDeep(t *testing.T) {
	const n = 200_000
	for name, text := range map[string]string{"lists": strings.Repeat("[", n), "mappings": strings.Repeat("{a: ", n), "entries": strings.Repeat("- ", n), "keys": strings.Repeat("? ", n)} {
		t.Run(name, func(t *testing.T) {
			_, err := (cedar.Files{"tests/a.yaml": []byte("- call: " + text)}).Cases()
			if err == nil || !strings.Contains(err.Error(), "tests/a.yaml") {
				t.Error(err)
			}
		})
	}
}

// FuzzCases: whatever a file is, it is read or refused with places, and what is read can be run.
func FuzzCases(f *testing.F) {
	for _, name := range []string{"users", "delete", "export"} {
		b, err := os.ReadFile("../../examples/policy/crm/tests/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("- matrix: {tool: [a, b], args: [{a: 1.0e400}, null]}\n  expect: {decision: deny}\n- list: {sees: [{tool: a}]}\n")
	_, e := crm(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		cases, err := (cedar.Files{"tests/a.yaml": []byte(text)}).Cases()
		if err != nil {
			return
		}
		for _, r := range e.Test(cases[:min(len(cases), 20)]) {
			if r.Case.Line < 1 || r.Case.Name == "" {
				t.Errorf("a case without place or name: %+v", r.Case)
			}
		}
	})
}
