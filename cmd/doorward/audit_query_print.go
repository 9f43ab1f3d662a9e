package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// auditRow is a record with what is clear of it, as --output json has it.
type auditRow struct {
	Step string `json:"step,omitempty"`
	admin.Hit
	People map[string]admin.Known     `json:"people,omitempty"`
	Values map[string]json.RawMessage `json:"values,omitempty"`
}

// printHits prints records, a line each. clear is nil over the socket.
func printHits(s streams, hits []admin.Hit, clear *admin.Answered) error {
	if s.json {
		for _, h := range hits {
			if err := printJSON(s.out, rowOf("", h, clear)); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "TIME\tINDEX\tCODE\tPHASE\tWHO\tCLIENT\tSERVER\tTOOL\tVERDICT\tRESULT\tID")
	for _, h := range hits {
		_, _ = fmt.Fprintln(table, strings.Join(cells(h, clear), "\t"))
		if clear != nil {
			printValues(table, &h.Entry, clear)
		}
	}
	return table.Flush()
}

// rowOf is a record with what belongs to it of what is clear.
func rowOf(step string, h admin.Hit, clear *admin.Answered) auditRow {
	row := auditRow{Step: step, Hit: h}
	if clear == nil {
		return row
	}
	row.People, row.Values = map[string]admin.Known{}, map[string]json.RawMessage{}
	for _, p := range people(&h.Entry) {
		if k, ok := clear.People[p]; ok {
			row.People[p] = k
		}
	}
	for _, id := range []string{h.Entry.ID, audit.LevelFull.Of(h.Entry.ID)} {
		if v, ok := clear.Values[id]; ok && h.Entry.Sealed != "" {
			row.Values[id] = v
		}
	}
	return row
}

func people(e *verify.Entry) (all []string) {
	if e.Subject != nil {
		all = append(all, e.Subject.Pseudonym)
	}
	for _, a := range e.Chain {
		all = append(all, a.Pseudonym)
	}
	return all
}

// cells are the columns of a record. A record is what strangers said too: nothing in it steers a terminal.
func cells(h admin.Hit, clear *admin.Answered) []string {
	e := &h.Entry
	who, tool, verdict := "", "", ""
	if e.Subject != nil {
		who = name(e.Subject.Pseudonym, clear)
	}
	var tools []string
	for _, c := range e.Calls {
		if t := cmp.Or(c.Name, c.Method); !slices.Contains(tools, t) {
			tools = append(tools, t)
		}
	}
	tool = strings.Join(tools, ",")
	if e.Policy != nil {
		verdict = e.Policy.Verdict
	}
	result := e.Result
	if e.Phase != verify.Intent && result == "" {
		result = e.Reason
	}
	all := []string{e.Time, fmt.Sprint(h.Index), e.Code, e.Phase, who, e.Client, e.Server, tool, verdict, result, e.ID}
	for i := range all {
		all[i] = cmp.Or(printed(all[i]), "-")
	}
	return all
}

// name is what a person is called as far as it is known.
func name(pseudonym string, clear *admin.Answered) string {
	if clear == nil {
		return pseudonym
	}
	k, ok := clear.People[pseudonym]
	if !ok {
		return pseudonym
	}
	return cmp.Or(k.Name, k.Issuer+" "+k.Subject)
}

func printValues(to io.Writer, e *verify.Entry, clear *admin.Answered) {
	for _, id := range []string{e.ID, audit.LevelFull.Of(e.ID)} {
		if v, ok := clear.Values[id]; ok && e.Sealed != "" {
			_, _ = fmt.Fprintf(to, "    %s\n", printed(string(v)))
		}
	}
}

// printed is a text without what would steer a terminal or break a line.
func printed(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}
