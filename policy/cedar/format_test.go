package cedar_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	engine "github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// What comes of texts that people write. The second text is what Format makes of the first; empty: the first.
func TestFormat(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"a comment alone", "// nothing yet\n", ""},
		{"one line", `permit(principal,action,resource);`, "permit (principal, action, resource);\n"},
		{"annotations", "@id(\"a\")\n\n@title(\"b\")@in permit(principal,action,resource);", "@id(\"a\") @title(\"b\") @in\npermit (principal, action, resource);\n"},
		{"a condition that fits", `@id("a") permit(principal in Group::"g",action==Action::"crm/x",resource) when{context.args.id!=1&&!(principal==User::"x"||-context.n< - 1)};`,
			"@id(\"a\")\npermit (principal in Group::\"g\", action == Action::\"crm/x\", resource)\nwhen { context.args.id != 1 && !(principal == User::\"x\" || -context.n < -1) };\n"},
		{"one that does not", `permit(principal,action,resource) when { context.delegation.human && context.delegation.client in ClientSet::"approved-agents" && context.args.id != 1000 };`,
			"permit (principal, action, resource)\nwhen {\n  context.delegation.human &&\n  context.delegation.client in ClientSet::\"approved-agents\" &&\n  context.args.id != 1000\n};\n"},
		{"comments", `// on the rule
permit(principal, // who
action,
resource /* what */ )  when { // why
  context.b && // first
  // second
  context.d /* inline */ .e
  // at the end
} // behind
;
// before the next

// and the next

permit(principal,action,resource);// last
// very last`, `// on the rule
permit (
  principal, // who
  action,
  resource /* what */
)
when { // why
  context.b && // first
  // second
  context.d /* inline */ .e
  // at the end
}; // behind

// before the next

// and the next

permit (principal, action, resource); // last

// very last
`},
		{"a list", `permit(principal, action in [Action::"codehost/create_issue",Action::"codehost/close_issue",Action::"codehost/comment_on_issue",], resource);`,
			"permit (\n  principal,\n  action in [Action::\"codehost/create_issue\", Action::\"codehost/close_issue\", Action::\"codehost/comment_on_issue\"],\n  resource\n);\n"},
		{"a choice", `permit(principal,action,resource) when { if context.args has reason then context.args.reason like "*a very long reason that goes on*" else if true then false else principal in Group::"people-who-need-no-reason" };`,
			"permit (principal, action, resource)\nwhen {\n  if context.args has reason\n    then context.args.reason like \"*a very long reason that goes on*\"\n    else if true then false else principal in Group::\"people-who-need-no-reason\"\n};\n"},
		{"records and calls", `forbid(principal is User in Group::"g",action,resource is Server)unless{{a:1,"b c":[1,-2]}.a==context["x"]&&ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))};`,
			"forbid (principal is User in Group::\"g\", action, resource is Server)\nunless { {a: 1, \"b c\": [1, -2]}.a == context[\"x\"] && ip(\"10.0.0.1\").isInRange(ip(\"10.0.0.0/8\")) };\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "" {
				c.want = c.text
			}
			got, err := cedar.Format("a.cedar", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got\n%s\nnot\n%s", got, c.want)
			}
			again, err := cedar.Format("a.cedar", got)
			if err != nil || string(again) != string(got) {
				t.Errorf("formatted again (%v)\n%s", err, again)
			}
		})
	}
}

// What is no Cedar is left alone, and the error says where.
func TestFormatSaysWhereItIsNoCedar(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a missing comma", "permit (principal action, resource);", `a.cedar:1:19: "action" stands where "," is wanted`},
		{"an end too early", "// x\npermit (principal, action, resource)\n", `a.cedar:3:1: the text ends where ";" is wanted`},
		{"no effect", "allow (principal, action, resource);", `a.cedar:1:`},
		{"an open comment", "/* x", `a.cedar:1:`}, {"an open text", "@id(\"x\npermit", `a.cedar:1:5: `}, {"not UTF-8", "// \xff\n", "invalid UTF-8 encoding"},
		{"a function nobody has", "permit (principal, action, resource) when { now() };", "`now` is not a function"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := cedar.Format("a.cedar", []byte(c.text))
			var wrong *cedar.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %s", err, c.want)
			}
		})
	}
}

// What is nested so deep that following it would end the program is refused before it is followed.
func TestFormatIsBounded(t *testing.T) {
	const n = 1_000_000
	for name, text := range map[string]string{
		"brackets": strings.Repeat("(", n), "choices": strings.Repeat("if ", n), "negations": strings.Repeat("!", n), "conditions": strings.Repeat("true && ", n) + "true",
		"sets": strings.Repeat("[", n), "members": "context" + strings.Repeat(".a", n),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cedar.Format("a.cedar", []byte("permit (principal, action, resource);\npermit (principal, action, resource)\nwhen { "+text))
			if err == nil || !strings.Contains(err.Error(), "this rule has more than 10000 words") {
				t.Error(err)
			}
		})
	}
	if _, err := cedar.Format("a.cedar", []byte(strings.Repeat("permit (principal, action, resource);\n", 5000))); err != nil {
		t.Errorf("many rules: %v", err)
	}
}

var comment = regexp.MustCompile(`//[^\n]*|(?s)/\*.*?\*/`)

// FuzzFormat: what is formatted means the same, has the same comments, and is not changed by formatting it again.
func FuzzFormat(f *testing.F) {
	f.Add("// a\n@id(\"x\") // b\npermit (principal, // c\n action in [Action::\"a\", /* d */ Action::\"b\",], resource) // e\nwhen { // f\n context.b /* g */ && // h\n (context.c || context.d) // i\n} unless { if true then -1 == - 2 else !!context } // j\n; // k\n\n// l")
	f.Add("permit(principal,action,resource)when{{a:[1,2],\"b\":ip(\"e\")}==A::B::\"x\"&&context has a.b.c||action like \"*\"};")
	f.Add("@a/*1*/(/*2*/\"x\"/*3*/)/*4\n5*/permit/*6*/(principal/*7*/==/*8*/A::\"b\",action,resource/*9*/,/*10*/)/*11*/;/*12*/")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		before, err := engine.NewPolicyListFromBytes("", []byte(text))
		got, wrong := cedar.Format("a.cedar", []byte(text))
		if (err == nil) != (wrong == nil) {
			t.Fatalf("parsing says %v, formatting %v", err, wrong)
		}
		if err != nil {
			return
		}
		after, err := engine.NewPolicyListFromBytes("", got)
		if err != nil || string(after.MarshalCedar()) != string(before.MarshalCedar()) {
			t.Fatalf("it means something else (%v):\n%s", err, got)
		}
		if a, b := remarks(text), remarks(string(got)); !slices.Equal(a, b) {
			t.Fatalf("comments %q, not %q:\n%s", b, a, got)
		}
		again, err := cedar.Format("a.cedar", got)
		if err != nil || string(again) != string(got) {
			t.Fatalf("formatting again (%v) makes\n%s\nof\n%s", err, again, got)
		}
	})
}

// remarks are the comments of a text, without the spaces that nobody sees.
func remarks(text string) (all []string) {
	text = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|(?s://[^\n]*|/\*.*?\*/)`).ReplaceAllStringFunc(text, func(s string) string {
		if s[0] == '"' {
			return `""`
		}
		return s
	})
	for _, c := range comment.FindAllString(text, -1) {
		var lines []string
		for line := range strings.SplitSeq(c, "\n") {
			lines = append(lines, strings.TrimRight(line, " \t\r"))
		}
		all = append(all, strings.Join(lines, "\n"))
	}
	return all
}
