package cedar

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// printer writes words. Line ends are written late, so that a comment can still stand behind what it stood behind.
type printer struct {
	out     bytes.Buffer
	column  int
	pending int // a line ends here, and the next one is indented so; -1: the line goes on
	deep    int // how far a line is indented that a comment begins
	join    joiner
	gap     bool // a comment was written: a space comes before what follows
}

// file writes rules with an empty line between them.
func (p *printer) file(words []word) {
	for {
		p.head(words[0])
		if words[0].kind == wordEnd {
			break
		}
		words[0].comments = nil
		rule, n := pieces(words, ";")
		p.rule(rule, words[n])
		words = words[n+1:]
	}
	if p.out.Len() > 0 {
		p.out.WriteByte('\n')
	}
}

// head writes what stands before a rule: the comments behind the one before it, an empty line, the comments above it.
func (p *printer) head(w word) {
	above := w.comments
	for len(above) > 0 && above[0].behind {
		p.write(" " + above[0].text)
		above = above[1:]
	}
	if w.kind == wordEnd && len(above) == 0 {
		return
	}
	if p.out.Len() > 0 {
		p.out.WriteString("\n\n")
	}
	for i, c := range above {
		if i > 0 && c.blank {
			p.out.WriteByte('\n')
		}
		p.out.WriteString(c.text)
		if i < len(above)-1 || w.kind != wordEnd {
			p.out.WriteByte('\n')
		}
	}
	if len(above) > 0 && w.blank && w.kind != wordEnd {
		p.out.WriteByte('\n')
	}
	p.column, p.pending, p.join, p.gap = 0, -1, joiner{}, false
}

// rule writes one rule: annotations, effect, scope, conditions.
func (p *printer) rule(ps []piece, end word) {
	n := 0
	for ps[n].w.text == "@" {
		n += 2
		if ps[n].group {
			n++
		}
	}
	p.annotations(ps[:n])
	p.deep = 2
	p.word(ps[n].w)
	after := 0
	if len(ps) == n+2 {
		after = 1 // the semicolon
	}
	p.gap = true
	p.group(ps[n+1], 0, after, false)
	for i := n + 2; i < len(ps); i += 2 {
		p.newline(0)
		p.word(ps[i].w)
		p.gap = true
		after = 0
		if i+2 == len(ps) {
			after = 1
		}
		p.group(ps[i+1], 0, after, true)
	}
	p.word(end)
}

// annotations are on one line if they fit there, else on one each.
func (p *printer) annotations(ps []piece) {
	if len(ps) == 0 {
		return
	}
	line := strings.ReplaceAll(flat(ps), ")@", ") @")
	together := !remarked(ps, true) && utf8.RuneCountInString(line) <= formatWidth
	for i, one := range ps {
		if i > 0 && one.w.text == "@" && !one.group {
			if together {
				p.gap = true
			} else {
				p.newline(0)
			}
			p.join.any = false
		}
		if one.group {
			p.words([]piece{one})
		} else {
			p.word(one.w)
		}
	}
	p.newline(0)
}

// fits reports whether the pieces can stand on this line, or on the one that begins here, with so many characters after them.
func (p *printer) fits(ps []piece, after int) bool {
	start := p.column + 1
	if p.pending >= 0 {
		start = p.pending
	}
	return !remarked(ps, p.pending >= 0) && start+utf8.RuneCountInString(flat(ps))+after <= formatWidth
}

// expression writes one; indent is that of the line that it stands on.
func (p *printer) expression(ps []piece, indent, after int) {
	if p.fits(ps, after) {
		p.words(ps)
		return
	}
	p.broken(ps, indent, after)
}

// broken writes an expression over several lines, where it has parts.
func (p *printer) broken(ps []piece, indent, after int) {
	p.deep = indent + 2
	if ps[0].w.text == "if" && !ps[0].group {
		p.choice(ps, indent, after)
		return
	}
	for _, sign := range []string{"||", "&&"} {
		parts, signs := parted(ps, sign)
		if len(parts) == 1 {
			continue
		}
		for i, part := range parts {
			if i == len(parts)-1 {
				p.expression(part, indent+deeper(sign, part), after)
				return
			}
			p.expression(part, indent+deeper(sign, part), 3)
			p.word(signs[i])
			p.newline(indent)
		}
	}
	for _, one := range ps {
		if one.group {
			p.group(one, indent, after, false)
		} else {
			p.deep = indent + 2
			p.word(one.w)
		}
	}
}

// deeper is by how much the lines of an alternative are indented that goes on after its first line.
func deeper(sign string, part []piece) int {
	if ands, _ := parted(part, "&&"); sign == "||" && len(ands) > 1 {
		return 2
	}
	return 0
}

// choice writes if, then and else, each on a line.
func (p *printer) choice(ps []piece, indent, after int) {
	p.word(ps[0].w)
	from, open := 1, 1
	for i := 1; i < len(ps) && open > 0; i++ {
		if ps[i].group {
			continue
		}
		switch text := ps[i].w.text; {
		case text == "if":
			open++
		case text == "else" && open > 1:
			open--
		case text == "then" && open == 1, text == "else":
			p.expression(ps[from:i], indent+2, 0)
			p.newline(indent + 2)
			p.word(ps[i].w)
			if from = i + 1; text == "else" {
				open = 0
			}
		}
	}
	p.expression(ps[from:], indent+2, after)
}

// group writes brackets and what is between them. Braces of a condition have spaces inside.
func (p *printer) group(g piece, indent, after int, braces bool) {
	if braces {
		after += 2
	}
	if p.fits([]piece{g}, after) && !remarked([]piece{g}, false) {
		p.word(g.w)
		p.gap = braces
		p.list(g, func(part []piece) { p.words(part) })
		p.gap = braces
		p.word(g.end)
		return
	}
	p.word(g.w)
	parts, signs := parted(g.inner, ",")
	for i, part := range parts {
		if len(part) == 0 {
			continue
		}
		p.newline(indent + 2)
		switch {
		case braces: // each condition on a line of its own
			p.broken(part, indent+2, 0)
		case i < len(parts)-1:
			p.expression(part, indent+2, 1)
			p.word(signs[i])
		default:
			p.expression(part, indent+2, 0)
		}
	}
	p.newline(indent + 2)
	p.remarks(g.end.comments)
	g.end.comments = nil
	p.newline(indent)
	p.word(g.end)
}

// list writes the parts of a list on one line.
func (p *printer) list(g piece, write func([]piece)) {
	parts, signs := parted(g.inner, ",")
	for i, part := range parts {
		write(part)
		if i < len(parts)-1 {
			p.word(signs[i])
		}
	}
}

// words writes pieces on one line.
func (p *printer) words(ps []piece) {
	for _, one := range ps {
		p.word(one.w)
		if one.group {
			p.list(one, p.words)
			p.word(one.end)
		}
	}
}

func (p *printer) newline(indent int) { p.pending = indent }

// remarks writes comments: behind what they stood behind, else on lines of their own.
func (p *printer) remarks(comments []remark) {
	for _, c := range comments {
		if !c.behind || p.column == 0 {
			indent := p.pending
			if indent < 0 {
				indent = p.deep
			}
			p.pending = indent
			p.end()
			p.write(c.text)
			p.pending = indent
			continue
		}
		p.write(" " + c.text)
		p.gap = true
		if c.line() && p.pending < 0 {
			p.pending = p.deep
		}
	}
}

// end ends the line.
func (p *printer) end() {
	if p.out.Len() > 0 {
		p.out.WriteByte('\n')
	}
	p.out.WriteString(strings.Repeat(" ", p.pending))
	p.column, p.pending, p.gap = p.pending, -1, false
}

func (p *printer) word(w word) {
	p.remarks(w.comments)
	space := p.join.before(w)
	switch {
	case p.pending >= 0:
		p.end()
	case space || p.gap:
		p.write(" ")
	}
	p.gap = false
	p.write(w.text)
}

func (p *printer) write(text string) {
	p.out.WriteString(text)
	p.column += utf8.RuneCountInString(text)
}
