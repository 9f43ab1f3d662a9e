package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/doorward-mcp/doorward/admin"
)

// details are the lines of a record that do not fit its row.
func details(to io.Writer, h admin.Hit, clear *admin.Answered) {
	e := &h.Entry
	line := func(what, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(to, "      %-12s %s\n", what, printed(text))
		}
	}
	line("about", e.About)
	line("grant", e.Grant)
	line("request", e.Request)
	line("trace", e.Trace)
	line("reason", e.Reason)
	line("task", e.Task)
	line("scopes", strings.Join(e.Scopes, " "))
	for _, a := range e.Chain {
		who := a.Client
		if who == "" {
			who = name(a.Pseudonym, clear)
		}
		line("acting", who+" ("+a.How+")")
	}
	for _, t := range e.Tokens {
		line("token", strings.TrimSpace(t.Kind+" "+cmp.Or(t.ID, t.Hash)+" "+t.Expires))
	}
	for _, c := range e.Calls {
		text := strings.TrimSpace(c.Method + " " + cmp.Or(c.Name, c.NameSum))
		if c.Definition != "" {
			text += ", definition " + c.Definition
		}
		if c.Args != nil {
			text += fmt.Sprintf(", %d arguments %s", c.Args.Leaves, c.Args.Root)
		}
		line("call", text)
	}
	if p := e.Policy; p != nil {
		line("decided", strings.TrimSpace(p.Verdict+" "+p.Code+" "+strings.Join(p.Rules, ", ")))
		line("bundle", p.Bundle)
		line("obliged", strings.Join(p.Obligations, ", "))
		for _, x := range p.Shadow {
			line("candidate", strings.TrimSpace(x.Verdict+" "+x.Code+" "+strings.Join(x.Rules, ", ")))
		}
	}
}
