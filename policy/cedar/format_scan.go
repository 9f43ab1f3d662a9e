package cedar

import "strings"

// The words of Cedar's grammar (docs.cedarpolicy.com/policies/syntax-grammar.html) as far as layout must know them. cedar-go's
// own ruleScanner leaves comments out, and is internal.

type wordKind int

const (
	wordEnd wordKind = iota
	wordName
	wordNumber
	wordString
	wordSign
)

// word is one word of a text, with the comments that stand before it.
type word struct {
	kind     wordKind
	text     string
	at, end  int // offsets in bytes
	line     int
	comments []remark
	blank    bool // an empty line stands right before it
}

// remark is a comment. behind: it stands on the line of the word before it.
type remark struct {
	text   string
	behind bool
	blank  bool // an empty line stands before it
}

// line reports whether the comment goes to the end of its line, or over several lines: nothing may follow it on its own.
func (r remark) line() bool { return strings.HasPrefix(r.text, "//") || strings.Contains(r.text, "\n") }

// scanError is where a text has no words of Cedar.
type scanError struct {
	at  int
	why string
}

// scanRules cuts a text into words; the last one is wordEnd. The error is nil if there is none.
func scanRules(text []byte) ([]word, *scanError) {
	s := ruleScanner{text: string(text), line: 1}
	var all []word
	for {
		w, err := s.next(len(all) > 0)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
		if w.kind == wordEnd {
			return all, nil
		}
	}
}

type ruleScanner struct {
	text string
	at   int
	line int
}

// next is the next word. after: another stands before it.
func (s *ruleScanner) next(after bool) (word, *scanError) {
	var w word
	behind, lines := after, 0
	for {
		rest := s.text[s.at:]
		switch {
		case rest == "":
			w.at, w.end, w.line, w.blank = s.at, s.at, s.line, lines > 1
			return w, nil
		case rest[0] == '\n':
			s.at, s.line, lines, behind = s.at+1, s.line+1, lines+1, false
			continue
		case strings.IndexByte(" \t\r", rest[0]) >= 0:
			s.at++
			continue
		case strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*"):
			text, err := s.comment(rest)
			if err != nil {
				return w, err
			}
			w.comments = append(w.comments, remark{text, behind, lines > 1})
			lines = 0
			behind = behind && !strings.Contains(text, "\n")
			continue
		}
		w.at, w.line, w.blank = s.at, s.line, lines > 1
		n, kind := measure(rest)
		if n == 0 {
			return w, &scanError{s.at, "this is no word of Cedar"}
		}
		s.at += n
		w.kind, w.text, w.end = kind, rest[:n], s.at
		return w, nil
	}
}

// comment is the comment that rest begins with, without spaces at the ends of its lines that nobody sees.
func (s *ruleScanner) comment(rest string) (string, *scanError) {
	if strings.HasPrefix(rest, "//") {
		text, _, _ := strings.Cut(rest, "\n")
		s.at += len(text)
		return strings.TrimRight(text, " \t\r"), nil
	}
	n := strings.Index(rest[2:], "*/")
	if n < 0 {
		return "", &scanError{s.at, "this comment has no end"}
	}
	text := rest[:n+4]
	s.at += len(text)
	s.line += strings.Count(text, "\n")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	return strings.Join(lines, "\n"), nil
}

// signs are what is neither name, number nor text; the longer ones first.
var signs = [...]string{"::", "!=", "<=", ">=", "==", "||", "&&", "@", ".", ",", ";", "(", ")", "{", "}", "[", "]", "+", "-", "*", ":", "!", "<", ">"}

// measure is the length of the word that rest begins with, and its kind; 0: it begins with none.
func measure(rest string) (int, wordKind) {
	switch c := rest[0]; {
	case letter(c):
		n := 1
		for n < len(rest) && (letter(rest[n]) || digit(rest[n])) {
			n++
		}
		return n, wordName
	case digit(c):
		n := 1
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		return n, wordNumber
	case c == '"':
		for n := 1; n < len(rest) && rest[n] != '\n'; n++ {
			switch rest[n] {
			case '\\':
				n++
			case '"':
				return n + 1, wordString
			}
		}
		return 0, wordEnd
	}
	for _, sign := range signs {
		if strings.HasPrefix(rest, sign) {
			return len(sign), wordSign
		}
	}
	return 0, wordEnd
}

func letter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// settled moves the comments before a sign that ends a line to behind it: a comment on what stands before a comma is a comment
// on the line.
func settled(words []word) []word {
	for i := range words {
		w := &words[i]
		if i+1 < len(words) && (w.text == "&&" || w.text == "||" || w.text == "," || w.text == ";") {
			next := &words[i+1]
			next.comments = append(w.comments, next.comments...)
			w.comments = nil
		}
		apart := false
		for j := range w.comments {
			c := &w.comments[j]
			c.behind = c.behind && !apart
			apart = apart || !c.behind || c.line()
		}
	}
	return words
}
