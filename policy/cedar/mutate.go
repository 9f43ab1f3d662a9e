package cedar

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Mutation is what came of taking conditions away.
type Mutation struct {
	Tried     int       // weakened bundles that were tried
	Of        int       // how many there are: more than Tried if that was bounded
	Survivors []Problem // what can be taken away and no case fails
}

// Mutate takes one condition of one rule away at a time, who the rule is about, or the rule, and asks the cases: if none fails,
// nothing holds what was taken. At most so many are tried, in the order of the files. The cases must all be good as the bundle is.
func (f Files) Mutate(o Options, cases []Case, most int) (m Mutation, err error) {
	for _, file := range slices.Sorted(maps.Keys(f)) {
		if !strings.HasSuffix(file, ".cedar") {
			continue
		}
		rules, err := sourceRules(file, f[file])
		if err != nil {
			return m, err
		}
		for _, r := range rules {
			for _, cut := range r.cuts() {
				if m.Of++; m.Of > most {
					continue
				}
				m.Tried++
				if survives(f, o, cases, file, cut.without(f[file])) {
					line, column := textPlace(f[file], cut.from)
					m.Survivors = append(m.Survivors, Problem{File: file, Line: line, Column: column, Rule: r.id, Text: cut.words})
				}
			}
		}
	}
	return m, nil
}

// survives reports whether a weakened bundle gives every case what it expects. One that is refused does not.
func survives(files Files, o Options, cases []Case, file string, text []byte) bool {
	weaker := maps.Clone(files)
	weaker[file] = text
	e, err := Load(weaker, o)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(cases, func(c Case) bool { return len(e.test(c).Wrong) > 0 })
}

// cut is a part of a text that is taken away.
type cut struct {
	from, to int
	words    string // what is said of it where nothing fails without it
}

// without is the text with spaces where the part was, so that lines stay where they are.
func (c cut) without(text []byte) []byte {
	out := bytes.Clone(text)
	for i := c.from; i < c.to; i++ {
		if out[i] != '\n' {
			out[i] = ' '
		}
	}
	return out
}

// cuts are who the rule is about, its conditions, each by itself, and the rule.
func (r sourceRule) cuts() (all []cut) {
	if r.principal.text != "" {
		all = append(all, cut{r.principal.from, r.principal.to, "nothing fails without " + r.principal.text})
	}
	for _, c := range r.clauses {
		if len(c.operands) == 1 {
			all = append(all, cut{c.from, c.to, "nothing fails without " + c.kind + " { " + c.operands[0].text + " }"})
			continue
		}
		for i, o := range c.operands {
			from, to := o.from, o.to
			if i+1 < len(c.operands) {
				to = c.operands[i+1].from
			} else {
				from = c.operands[i-1].to
			}
			all = append(all, cut{from, to, "nothing fails without " + o.text})
		}
	}
	return append(all, cut{r.from, r.to, "nothing fails without the rule"})
}

// sourceRule is a rule where it is written.
type sourceRule struct {
	id        string
	from, to  int
	principal sourceOperand // what its scope says of who calls, such as in Group::"staff"; the zero value: nothing
	clauses   []sourceClause
}

// sourceClause is a when or unless, with the parts that && joins.
type sourceClause struct {
	kind     string
	from, to int
	operands []sourceOperand
}

type sourceOperand struct {
	text     string // on one line
	from, to int
}

// sourceRules finds the rules of a text that is known to parse.
func sourceRules(file string, text []byte) (all []sourceRule, err error) {
	if _, err := parseText(file, text); err != nil {
		return nil, err
	}
	words, _ := scanRules(text) // what parses has words
	for words[0].kind != wordEnd {
		ps, n := pieces(words, ";")
		all = append(all, sourceOf(ps, words[n].end))
		words = words[n+1:]
	}
	return all, nil
}

func sourceOf(ps []piece, end int) sourceRule {
	r := sourceRule{from: ps[0].w.at, to: end}
	n := 0
	for ps[n].w.text == "@" {
		name := ps[n+1].w.text
		n += 2
		if ps[n].group {
			if name == "id" {
				r.id = strings.Trim(ps[n].inner[0].w.text, `"`)
			}
			n++
		}
	}
	if who, _ := parted(ps[n+1].inner, ","); len(who[0]) > 1 {
		r.principal = operandOf(who[0][1:])
	}
	for n += 2; n < len(ps); n += 2 {
		c := sourceClause{kind: ps[n].w.text, from: ps[n].w.at, to: ps[n+1].end.end}
		for _, part := range operands(ps[n+1].inner) {
			c.operands = append(c.operands, operandOf(part))
		}
		r.clauses = append(r.clauses, c)
	}
	return r
}

func operandOf(part []piece) sourceOperand {
	return sourceOperand{flat(part), part[0].w.at, endOf(part[len(part)-1])}
}

func endOf(p piece) int {
	if p.group {
		return p.end.end
	}
	return p.w.end
}
