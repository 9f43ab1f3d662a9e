package cedar_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

func admin() cedar.Described {
	return cedar.Described{
		Given: cedar.Given{User: "alice", Groups: []string{"crm-admins"}, Client: "helpdesk", Evidence: []string{"authenticated"}, AuthAge: "1m", Scopes: []string{"crm:users:delete"}},
		Call:  cedar.Call{Server: "crm", Tool: "delete_user", Args: []byte(`{"id":42}`)},
	}
}

// What decided stands first, then what nearly did; each condition has its value and what it read.
func TestExplain(t *testing.T) {
	files, e := crm(t, "[]")
	for _, c := range []struct {
		name   string
		change func(*cedar.Described)
		code   string
		first  string // rule: what is said of it
		held   string // the conditions of the first rule that do not hold, and what they read
	}{
		{"allowed", func(*cedar.Described) {}, "policy.allowed", "crm.delete-user: decides", ""},
		{"one condition fails", func(d *cedar.Described) { d.Args = []byte(`{"id":1}`) }, "policy.no_permit", "crm.delete-user: near", "context.args.id != 1: false (context.args.id 1)"},
		{"only the scope fails", func(d *cedar.Described) { d.Groups = nil }, "policy.no_permit", "crm.delete-user: near", ""},
		{"two fail", func(d *cedar.Described) { d.Args, d.Evidence = []byte(`{"id":1}`), nil }, "policy.no_permit", "crm.delete-user: no",
			`context.delegation.evidence.containsAny(["authenticated", "document"]): false (context.delegation.evidence [])` + "\n" + `context.args.id != 1: false (context.args.id 1)`},
		{"a challenge", func(d *cedar.Described) { d.AuthAge = "" }, "insufficient_user_authentication", "crm.delete-user: decides", ""},
		{"refused before any rule", func(d *cedar.Described) { d.Args = []byte(`{"id":"42"}`) }, "args.schema", "", ""},
		{"nobody accepted it", func(d *cedar.Described) { d.Tool = "drop" }, "definition.missing", "", ""},
		{"forbidden", func(d *cedar.Described) {
			d.Tool, d.Args = "export_users", []byte(`{"region":"eu","limit":1}`)
			d.IP = "192.0.2.1"
		}, "policy.forbidden", "guard.export-from-inside: decides", `context.net.ip.isInRange(ip("10.0.0.0/8")): false (context.net.ip ip("192.0.2.1"))`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := admin()
			c.change(&d)
			x, err := e.Explain(files, d)
			if err != nil {
				t.Fatal(err)
			}
			first, held := "", []string{}
			if len(x.Considered) > 0 {
				one := x.Considered[0]
				first = one.Rule + ": " + said(one)
				for _, k := range one.Conditions {
					if k.Value == "true" {
						continue
					}
					text := k.Text + ": " + k.Value
					for path, v := range k.Reads {
						text += " (" + path + " " + v + ")"
					}
					held = append(held, text)
				}
			}
			if x.Code != c.code || first != c.first || strings.Join(held, "\n") != c.held {
				t.Errorf("%s, %s\n%s", x.Code, first, strings.Join(held, "\n"))
			}
		})
	}
}

func said(c cedar.Considered) string {
	switch {
	case c.Decides:
		return "decides"
	case c.Near:
		return "near"
	}
	return "no"
}

// What is absent is said to be, and what Cedar does not look at.
func TestExplainWhatIsMissing(t *testing.T) {
	files, e := crm(t, "[]")
	d := admin()
	d.AuthAge = ""
	x, err := e.Explain(files, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range x.Considered {
		if one.Rule != "crm.changing.recent" {
			continue
		}
		got := []string{}
		for _, k := range one.Conditions {
			got = append(got, k.Value+": "+k.Reads["context.token.auth_age"])
		}
		if len(got) != 2 || got[0] != "false: absent" || got[1] != "not reached: absent" || one.Conditions[1].Line != 15 || one.File != "servers/crm/stepup.cedar" {
			t.Errorf("%q in line %d of %s", got, one.Conditions[1].Line, one.File)
		}
		return
	}
	t.Error("the rule was not considered")
}

// What makes no sense is refused, not guessed.
func TestDescribedMakesSense(t *testing.T) {
	files, e := crm(t, "[]")
	yes, no := true, false
	for _, c := range []struct {
		name   string
		change func(*cedar.Described)
		want   string
	}{
		{"no server", func(d *cedar.Described) { d.Server = "" }, `server: the bundle names no server ""`},
		{"two things at once", func(d *cedar.Described) { d.Prompt = "x" }, "call: it is of one"},
		{"nothing", func(d *cedar.Described) { d.Tool = "" }, "call: it is of one"},
		{"arguments of a resource", func(d *cedar.Described) { d.Tool, d.Resource = "", "file:///x" }, "args:"},
		{"arguments that are no object", func(d *cedar.Described) { d.Args = []byte("[]") }, "args:"},
		{"a user and an agent", func(d *cedar.Described) { d.Agent = "x" }, "given:"},
		{"an agent through a client", func(d *cedar.Described) { d.User, d.Agent = "", "x" }, "given:"},
		{"a person behind an agent", func(d *cedar.Described) { d.User, d.Client, d.Agent, d.Human = "", "", "x", &yes }, "human:"},
		{"hearsay", func(d *cedar.Described) { d.Evidence = []string{"hearsay"} }, "evidence:"},
		{"listed and by a document", func(d *cedar.Described) { d.Evidence = []string{"listed", "document"} }, "evidence:"},
		{"a time", func(d *cedar.Described) { d.Time = "noon" }, "time:"}, {"an address", func(d *cedar.Described) { d.IP = "x" }, "ip:"},
		{"an age", func(d *cedar.Described) { d.Age = "-1s" }, "age:"}, {"a sign-in to come", func(d *cedar.Described) { d.AuthAge = "-1s" }, "auth_age:"},
		{"too many groups", func(d *cedar.Described) { d.Groups = make([]string, 5000) }, ""},
		{"a client for itself", func(d *cedar.Described) { d.Human = &no }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := admin()
			c.change(&d)
			x, err := e.Explain(files, d)
			if c.want == "" {
				if err != nil || x.Decision != "deny" {
					t.Errorf("%s, %v", x.Decision, err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A list says for each thing whether it is shown, what it needs besides, and what hides it.
func TestList(t *testing.T) {
	_, e := crm(t, "[]")
	got, err := e.List("crm", cedar.Given{User: "a", Groups: []string{"crm-admins", "analysts"}, Client: "helpdesk", Evidence: []string{"authenticated"}, Attributes: map[string]any{"region": "eu"}, IP: "10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []cedar.Seen{
		{Kind: "prompt", Name: "welcome", Why: "policy.no_permit"}, {Kind: "template", Name: "crm://reports/{year}", Why: "policy.no_permit"},
		{Kind: "tool", Name: "delete_user", Shown: true, Needs: []string{"step_up_scope", "max_age"}},
		{Kind: "tool", Name: "export_users", Shown: true, MayNeed: []string{"step_up_acr"}},
		{Kind: "tool", Name: "find_users", Why: "policy.no_permit"}, {Kind: "tool", Name: "get_user", Why: "policy.no_permit"}, {Kind: "tool", Name: "update_user", Why: "policy.no_permit"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	hidden, err := e.List("crm", cedar.Given{User: "a", Groups: []string{"analysts"}})
	if err != nil || hidden[3].Why != "policy.forbidden" || len(hidden[3].Rules) != 1 {
		t.Errorf("%+v, %v", hidden, err)
	}
	if _, err := e.List("wiki", cedar.Given{}); err == nil {
		t.Error("a server that is not there has a list")
	}
}
