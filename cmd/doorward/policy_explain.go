package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// describedCaller is a caller as flags describe it.
type describedCaller struct {
	User      string            `name:"as" aliases:"user" placeholder:"USER" help:"The person."`
	Agent     string            `placeholder:"ID" help:"In place of a person: a client that calls for itself."`
	Workload  string            `placeholder:"ID" help:"In place of a person: a workload."`
	Issuer    string            `placeholder:"URL" help:"Issuer of the token, if it is not our own."`
	Client    string            `placeholder:"ID" help:"The client that calls for the person."`
	Group     []string          `placeholder:"GROUP" help:"Group that the caller is in. Can be repeated."`
	Scope     []string          `placeholder:"SCOPE" help:"Scope of the token. Can be repeated."`
	ACR       string            `name:"acr" placeholder:"ACR" help:"How the person signed in."`
	AuthAge   string            `placeholder:"SPAN" help:"How long ago the person signed in, such as 5m."`
	Evidence  []string          `placeholder:"HOW" help:"How it is known who the client is: dpop, authenticated, listed or document. Can be repeated."`
	Attribute map[string]string `placeholder:"NAME=VALUE" help:"What is known of the person. Can be repeated."`
	IP        string            `name:"ip" placeholder:"ADDRESS" help:"Where the call comes from."`
	Time      string            `placeholder:"TIME" help:"When, such as 2026-01-05T12:00:00Z."`
}

func (c describedCaller) given() cedar.Given {
	var attributes map[string]any
	for name, v := range c.Attribute {
		if attributes == nil {
			attributes = map[string]any{}
		}
		attributes[name] = v
	}
	return cedar.Given{User: c.User, Agent: c.Agent, Workload: c.Workload, Issuer: c.Issuer, Client: c.Client, Groups: c.Group, Scopes: c.Scope,
		ACR: c.ACR, AuthAge: c.AuthAge, Evidence: c.Evidence, Attributes: attributes, IP: c.IP, Time: c.Time}
}

type policyExplainCmd struct {
	Dir      string `arg:"" help:"Directory of the bundle."`
	Recorded string `placeholder:"FILE" help:"Calls of the audit log, as an auditor prints them (doorward audit query --clear --output json); - reads standard input."`
	Config   string `placeholder:"FILE" help:"With --recorded: configuration that says which server an address in a record is."`
	Case     string `placeholder:"NAME" help:"The call of a case of the bundle's tests."`
	describedCaller
	Server   string `placeholder:"NAME" help:"The server."`
	Tool     string `placeholder:"NAME" help:"The tool that is called."`
	Prompt   string `placeholder:"NAME" help:"Or the prompt."`
	Resource string `placeholder:"URI" help:"Or the resource that is read."`
	Method   string `placeholder:"METHOD" help:"Or another method of the protocol."`
	Args     string `placeholder:"JSON" help:"Arguments of the tool or prompt; @FILE reads them from a file."`
}

// Run decides the call, and prints what every rule says of it.
func (c *policyExplainCmd) Run(io streams) error {
	files, e, err := loadBundle(io, c.Dir)
	if err != nil {
		return err
	}
	if c.Recorded != "" {
		return c.explainRecorded(io, files, e)
	}
	d, err := c.described(io, files)
	if err != nil {
		return err
	}
	x, err := e.Explain(files, d)
	if err != nil {
		return failed{exitUsage, err}
	}
	if io.json {
		return printJSON(io.out, x)
	}
	_, err = fmt.Fprint(io.out, explained(c.Dir, x))
	return err
}

// explainRecorded says of each call what was decided then, and what every rule of the bundle says of it now.
func (c *policyExplainCmd) explainRecorded(io streams, files cedar.Files, e *cedar.Engine) error {
	if c.Case+c.Tool+c.Prompt+c.Resource+c.Method+c.User+c.Agent+c.Workload != "" {
		return usage("give recorded calls, or describe one, not both")
	}
	all, unclear, err := recordedCalls(io, c.Recorded, c.Config)
	if err != nil {
		return err
	}
	passedOver(io, unclear)
	for _, one := range all {
		x, err := e.Explain(files, one.Described)
		if err != nil {
			return failed{exitUsage, fmt.Errorf("record %s: %w", one.ID, err)}
		}
		if io.json {
			if err := printJSON(io.out, struct {
				ID   string `json:"id"`
				Then string `json:"then"`
				cedar.Explanation
			}{one.ID, one.Verdict, x}); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(io.out, "%s: then %s (%s) by %s of %s, now %s\n", one.ID, one.Verdict, one.Code, cmp.Or(strings.Join(one.Rules, ", "), "no rule"), one.Bundle, explained(c.Dir, x)); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return failed{exitNo, fmt.Errorf("%s has no decided call whose arguments are clear", c.Recorded)}
	}
	return nil
}

func (c *policyExplainCmd) described(io streams, files cedar.Files) (d cedar.Described, err error) {
	if c.Case == "" {
		d.Given = c.given()
		d.Call = cedar.Call{Server: c.Server, Tool: c.Tool, Prompt: c.Prompt, Resource: c.Resource, Method: c.Method}
		d.Args, err = argumentsOf(c.Args)
		return d, err
	}
	if c.Tool+c.Prompt+c.Resource+c.Method+c.User+c.Agent+c.Workload != "" {
		return d, usage("give a case, or describe a call, not both")
	}
	cases, err := bundleCases(io, c.Dir, files)
	if err != nil {
		return d, err
	}
	i := slices.IndexFunc(cases, func(one cedar.Case) bool { return one.Name == c.Case })
	if i < 0 {
		return d, usage("the tests have no case %q", c.Case)
	}
	return cases[i].Described, nil
}

// argumentsOf are arguments as a flag gives them; nil: it gives none.
func argumentsOf(text string) (jsontext.Value, error) {
	if name, is := strings.CutPrefix(text, "@"); is {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, usage("reading the arguments: %w", err)
		}
		text = string(b)
	}
	if text == "" {
		return nil, nil
	}
	v := jsontext.Value(text)
	if !v.IsValid() || v.Kind() != '{' {
		return nil, usage("the arguments are not a JSON object")
	}
	return v, nil
}

// explained is an explanation as text.
func explained(dir string, x cedar.Explanation) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("%s (%s)", x.Decision, x.Code)
	for _, part := range []struct {
		what  string
		words []string
	}{{"title", []string{x.Title}}, {"rules", x.Rules}, {"lacking", slices.Concat(x.Remedies, x.Scopes, []string{x.ACR, x.MaxAge})}, {"obligations", x.Obligations}} {
		if text := strings.TrimSpace(strings.Join(part.words, " ")); text != "" {
			line("  %-12s %s", part.what, text)
		}
	}
	for _, c := range x.Considered {
		line("")
		line("%s/%s:%d: %s %s: %s", strings.TrimSuffix(dir, "/"), c.File, c.Line, c.Effect, c.Rule, saidOf(c))
		if !c.Scope {
			line("  no     the caller is not in its scope")
		}
		for _, one := range c.Conditions {
			line("  %-6s %s %s", mark(one), one.Kind, one.Text)
			for _, path := range slices.Sorted(maps.Keys(one.Reads)) {
				line("           %s is %s", path, one.Reads[path])
			}
		}
	}
	return b.String()
}

// saidOf is what a rule has to do with the decision.
func saidOf(c cedar.Considered) string {
	switch {
	case c.Error != "":
		return "error: " + c.Error
	case c.Decides:
		return "decides"
	case c.Matched:
		return "matches, which does not count here"
	case c.Near:
		return "does not match, for one reason"
	}
	return "does not match"
}

// mark is the value of a condition in a word.
func mark(c cedar.Condition) string {
	switch c.Value {
	case "true":
		return "true"
	case "false":
		return "false"
	case "not reached":
		return "-"
	}
	return "error"
}
