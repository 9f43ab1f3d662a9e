package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// recordedCall is a call of the audit log with everything that a policy wants to know of it, and what was decided then.
type recordedCall struct {
	ID      string
	Verdict string
	Code    string
	Rules   []string
	Bundle  string
	cedar.Described
}

// maxRow bounds a line of recorded calls.
const maxRow = 4 << 20

// recordedCalls reads what an auditor has printed: doorward audit query --clear --output json. Records that are no decided calls are passed
// over; unclear are those whose arguments nobody has.
func recordedCalls(s streams, name, file string) (all []recordedCall, unclear int, err error) {
	servers, err := serversOf(s, file)
	if err != nil {
		return nil, 0, err
	}
	in := s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, 0, usage("reading recorded calls: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxRow)
	for n := 1; lines.Scan(); n++ {
		var row auditRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil || row.Entry.V == 0 {
			return nil, 0, usage("%s:%d: it is no record as doorward audit query --clear --output json prints them", name, n)
		}
		if row.Entry.Phase == verify.Outcome || row.Entry.Policy == nil || len(row.Entry.Calls) == 0 {
			continue
		}
		kept, ok := row.Values[row.Entry.ID]
		if !ok {
			unclear++
			continue
		}
		var v audit.Value
		if err := json.Unmarshal(kept, &v); err != nil {
			return nil, 0, usage("%s:%d: its clear values cannot be read: %w", name, n, err)
		}
		if known, ok := servers[row.Entry.Server]; ok {
			row.Entry.Server = known
		} else if strings.Contains(row.Entry.Server, "://") { // decided without its server, every call would come out the same
			return nil, 0, usage("%s:%d: the record is of %s: --config FILE says which server that is", name, n, row.Entry.Server)
		}
		all = append(all, described(row, v)...)
	}
	if err := lines.Err(); err != nil {
		return nil, 0, usage("reading recorded calls: %w", err)
	}
	return all, unclear, nil
}

// serversOf are the servers of a configuration, as records and as bundles name them.
func serversOf(s streams, file string) (map[string]string, error) {
	names := map[string]string{}
	if file == "" {
		return names, nil
	}
	c, err := readConfig(s, file)
	if err != nil {
		return nil, err
	}
	for name, server := range c.Servers {
		names[c.Resource(server).URI] = name
	}
	return names, nil
}

// described are the calls of a record as a policy is asked about them.
func described(row auditRow, v audit.Value) (all []recordedCall) {
	e := &row.Entry
	given := cedar.Given{Client: e.Client, Name: v.Known.Name, Groups: v.Known.Groups, Scopes: v.Scopes, Evidence: v.Known.Evidence, Attributes: v.Known.Attributes, IP: v.Address, Time: e.Time, Task: e.Task}
	if e.Subject != nil {
		who := row.People[e.Subject.Pseudonym]
		given.ACR = e.Subject.ACR
		if at, err := time.Parse(time.RFC3339, e.Subject.SignedIn); err == nil {
			if then, err := time.Parse(time.RFC3339, e.Time); err == nil {
				given.AuthAge = max(then.Sub(at), 0).Truncate(time.Second).String()
			}
		}
		switch {
		case who.Subject == e.Client && v.Known.Workload:
			given.Workload, given.Client = who.Subject, ""
		case who.Subject == e.Client:
			given.Agent, given.Client = who.Subject, ""
		default:
			given.User = who.Subject
		}
		if len(e.Tokens) > 0 && e.Tokens[0].Foreign {
			given.Issuer = who.Issuer
		}
	}
	for _, a := range e.Chain[min(len(e.Chain), 1):] {
		if a.Client != "" {
			given.Actors = append(given.Actors, a.Client)
		}
	}
	for _, c := range v.Calls {
		one := recordedCall{ID: e.ID, Verdict: e.Policy.Verdict, Code: e.Policy.Code, Rules: e.Policy.Rules, Bundle: e.Policy.Bundle}
		one.Given, one.Call = given, cedar.Call{Server: e.Server, Args: c.Args}
		switch c.Method {
		case "tools/call":
			one.Tool = c.Name
		case "prompts/get":
			one.Prompt = c.Name
		case "resources/read":
			one.Resource = c.Name
		default:
			one.Method, one.Args = c.Method, nil
		}
		all = append(all, one)
	}
	return all
}

// passedOver says how many records were passed over.
func passedOver(s streams, unclear int) {
	if unclear > 0 && !s.json {
		_, _ = fmt.Fprintf(s.err, "%s without clear arguments: the level of those calls records none, or whose they were has been erased\n", counted(unclear, "record"))
	}
}
