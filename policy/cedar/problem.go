package cedar

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is something that is wrong with a bundle, or that should be looked at.
type Problem struct {
	File         string
	Line, Column int    // 0: the file as a whole
	Rule         string // the rule's id; empty: it is about none, or about one without
	Text         string // what is wrong, and what to do
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, max(p.Column, 1))
	}
	b.WriteString(": ")
	if p.Rule != "" {
		b.WriteString(p.Rule + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error is everything for which a bundle is refused.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects.
type problems []Problem

func (p *problems) add(file string, line, column int, format string, a ...any) {
	*p = append(*p, Problem{File: file, Line: line, Column: column, Text: fmt.Sprintf(format, a...)})
}

// of notes something about a rule.
func (p *problems) of(r *rule, format string, a ...any) {
	at := r.ast.Position
	*p = append(*p, Problem{File: r.file, Line: at.Line, Column: at.Column, Rule: r.id, Text: fmt.Sprintf(format, a...)})
}

// sorted are the problems in the order of the files, each once.
func (p problems) sorted() []Problem {
	all := slices.Clone(p)
	slices.SortStableFunc(all, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return slices.Compact(all)
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &Error{p.sorted()}
}
