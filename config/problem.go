package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong. Text never repeats a value that may be a secret.
type Problem struct {
	Line, Column int    // 1 is the first; 0: no file gave the value
	Path         string // the member, such as servers.mcp.path; empty: the file as a whole
	Text         string
}

// Error is everything that is wrong with a configuration, in the order of the file.
type Error struct {
	File     string // empty: no file gave it
	Problems []Problem
}

// Error prints one problem on each line, as FILE:LINE:COLUMN: text, or as MEMBER: text where there is no file.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		switch {
		case e.File != "" && p.Line > 0:
			fmt.Fprintf(&b, "%s:%d:%d: ", e.File, p.Line, p.Column)
		case e.File != "":
			fmt.Fprintf(&b, "%s: ", e.File)
		}
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

// problems gathers. A member is reported once: what could not be read is not called missing too.
type problems struct {
	all    []Problem
	places map[string]place // :: path → where it stands; nil: there is no file
}

// place is where something stands in a file.
type place struct{ line, column int }

// add notes a problem at a member, or where the nearest member around it stands that the file has.
func (p *problems) add(path, format string, a ...any) {
	if path != "" && p.broken(path) {
		return
	}
	at, around := place{}, path
	if len(p.places) > 0 {
		for {
			var ok bool
			if at, ok = p.places[around]; ok || around == "" {
				break
			}
			around = around[:max(0, strings.LastIndexAny(around, ".["))]
		}
	}
	p.all = append(p.all, Problem{Line: at.line, Column: at.column, Path: path, Text: fmt.Sprintf(format, a...)})
}

// broken reports whether something is wrong with one of the members already.
func (p *problems) broken(paths ...string) bool {
	return slices.ContainsFunc(p.all, func(known Problem) bool { return slices.Contains(paths, known.Path) })
}

// err is everything that was noted, in order of position; nil: nothing was.
func (p *problems) err(file string) error {
	if len(p.all) == 0 {
		return nil
	}
	slices.SortStableFunc(p.all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{File: file, Problems: p.all}
}

// under is the path of a member.
func under(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// nth is the path of an entry of a list.
func nth(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
