package cedar

import "strings"

// piece is a word, or what stands between two brackets: then w is the opening one and end the closing one.
type piece struct {
	w     word
	group bool
	inner []piece
	end   word
}

var closing = map[string]string{"(": ")", "[": "]", "{": "}"}

// pieces reads words up to the one that says stop, or the end, and says how many there were. The text is known to parse, so its
// brackets fit.
func pieces(words []word, stop string) (all []piece, n int) {
	for n < len(words) && words[n].kind != wordEnd && words[n].text != stop {
		w := words[n]
		n++
		end, opens := closing[w.text]
		if !opens {
			all = append(all, piece{w: w})
			continue
		}
		inner, m := pieces(words[n:], end)
		n += m
		all = append(all, piece{w: w, group: true, inner: inner, end: words[n]})
		n++
	}
	return all, n
}

// parted are the pieces between the signs, and the signs. An empty last part is left out: a comma at the end of a list says
// nothing.
func parted(ps []piece, sign string) (parts [][]piece, signs []word) {
	from := 0
	for i, p := range ps {
		if !p.group && p.w.text == sign {
			parts, signs = append(parts, ps[from:i]), append(signs, p.w)
			from = i + 1
		}
	}
	if from < len(ps) || from == 0 {
		parts = append(parts, ps[from:])
	}
	return parts, signs
}

// operands are the parts of an expression that && joins, all of them at once; one, if the expression is joined by anything else.
func operands(ps []piece) [][]piece {
	if len(ps) == 0 || ps[0].w.text == "if" {
		return [][]piece{ps}
	}
	if alternatives, _ := parted(ps, "||"); len(alternatives) > 1 {
		return [][]piece{ps}
	}
	parts, _ := parted(ps, "&&")
	return parts
}

// remarked reports whether a comment stands within the pieces, before the first of them left out if first is.
func remarked(ps []piece, first bool) bool {
	for i, p := range ps {
		if len(p.w.comments) > 0 && (i > 0 || !first) {
			return true
		}
		if p.group && (remarked(p.inner, false) || len(p.end.comments) > 0) {
			return true
		}
	}
	return false
}

// joiner says where spaces stand on a line.
type joiner struct {
	last  word
	any   bool
	unary bool // the last word is a sign of what comes next, such as !
}

// before reports whether a space stands before w, which is the last word from here on.
func (j *joiner) before(w word) (space bool) {
	space = j.any && !j.unary && spaced(j.last, w)
	j.unary = w.kind == wordSign && (w.text == "!" || w.text == "-" && (!j.any || awaits(j.last)))
	j.last, j.any = w, true
	return space
}

func spaced(last, w word) bool {
	switch w.text {
	case ".", "::", ",", ";", ")", "]", "}", ":":
		return false
	case "(", "[":
		if !awaits(last) {
			return false
		}
	}
	switch last.text {
	case "(", "[", "{", ".", "::", "@":
		return false
	}
	return true
}

// awaits reports whether a value comes after the word, so that a minus there is a sign and a bracket begins a value.
func awaits(last word) bool {
	switch last.kind {
	case wordSign:
		return last.text != ")" && last.text != "]" && last.text != "}"
	case wordName:
		switch last.text {
		case "if", "then", "else", "in", "like", "has", "is":
			return true
		}
	}
	return false
}

// flat are the pieces on one line.
func flat(ps []piece) string {
	var b strings.Builder
	j := joiner{}
	flatInto(&b, &j, ps)
	return b.String()
}

func flatInto(b *strings.Builder, j *joiner, ps []piece) {
	one := func(w word) {
		if j.before(w) {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	for _, p := range ps {
		if !p.group {
			one(p.w)
			continue
		}
		one(p.w)
		parts, signs := parted(p.inner, ",")
		for i, part := range parts {
			flatInto(b, j, part)
			if i < len(parts)-1 {
				one(signs[i])
			}
		}
		one(p.end)
	}
}
