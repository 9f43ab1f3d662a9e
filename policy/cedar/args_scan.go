package cedar

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// scan goes over JSON that has been found valid. It does not find everything that is wrong with other bytes, but goes never
// beyond their end.
type scan struct {
	data    []byte
	at      int
	scratch []byte
}

// peek is the first byte of the next value, or what stands in its place; 0: nothing does.
func (s *scan) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take reads the byte that peek saw, if it is c.
func (s *scan) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// text reads a string: without its escapes, good until the next one is read.
func (s *scan) text() (text []byte, ok bool) {
	start, end, escaped := s.quoted()
	if end == 0 {
		return nil, false
	}
	if !escaped {
		return s.data[start+1 : end-1], true
	}
	text, err := jsontext.AppendUnquote(s.scratch[:0], s.data[start:end])
	s.scratch = text
	return text, err == nil
}

// quoted goes over a string and says where it stands; end 0: there is none.
func (s *scan) quoted() (start, end int, escaped bool) {
	if s.peek() != '"' {
		return 0, 0, false
	}
	start = s.at
	for at := start + 1; ; {
		i := bytes.IndexByte(s.data[at:], '"')
		if i < 0 {
			return 0, 0, false
		}
		slash := bytes.IndexByte(s.data[at:at+i], '\\')
		if slash < 0 {
			s.at = at + i + 1
			return start, s.at, escaped
		}
		escaped = true
		if at += slash + 2; at > len(s.data) {
			return 0, 0, false
		}
	}
}

// number reads a number, good until a text or number is read. literal is as it stands.
func (s *scan) number() (n number, literal []byte, ok bool) {
	start := s.at
	for s.at < len(s.data) && isNumeric(s.data[s.at]) {
		s.at++
	}
	literal = s.data[start:s.at]
	if cap(s.scratch) == 0 && bytes.IndexByte(literal, '.') >= 0 {
		s.scratch = make([]byte, 0, 64)
	}
	n, ok = parseNumber(literal, s.scratch[:0])
	return n, literal, ok
}

func isNumeric(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// word reads true, false or null.
func (s *scan) word(word string) bool {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

// skip goes over a value without looking at it.
func (s *scan) skip() bool {
	for depth := 0; ; {
		switch c := s.peek(); c {
		case 0:
			return false
		case '"':
			if _, end, _ := s.quoted(); end == 0 {
				return false
			}
		case '{', '[':
			depth++
			s.at++
		case '}', ']', ',', ':':
			if s.at++; c == '}' || c == ']' {
				depth--
			}
			if depth < 0 || depth == 0 && (c == ',' || c == ':') {
				return false
			}
		default:
			start := s.at
			for s.at < len(s.data) && (isNumeric(s.data[s.at]) || 'a' <= s.data[s.at] && s.data[s.at] <= 'z') {
				s.at++
			}
			if s.at == start {
				return false
			}
		}
		if depth == 0 {
			return true
		}
	}
}

// canonical appends the next value in a form that is the same for equal values and for no others. JSON Schema 2020-12 core
// §4.2.2: numbers are equal by value, objects whatever their order.
func (s *scan) canonical(to []byte) ([]byte, bool) {
	switch s.peek() {
	case '"':
		text, ok := s.text()
		to = strconv.AppendInt(append(to, '"'), int64(len(text)), 10)
		return append(append(to, ':'), text...), ok
	case '{':
		return s.canonicalObject(to)
	case '[':
		s.at++
		to = append(to, '[')
		ok := true
		for first := true; ok && s.peek() != ']'; first = false {
			if !first && !s.take(',') {
				return to, false
			}
			to, ok = s.canonical(to)
		}
		return append(to, ']'), ok && s.take(']')
	case 't':
		return append(to, 't'), s.word("true")
	case 'f':
		return append(to, 'f'), s.word("false")
	case 'n':
		return append(to, 'n'), s.word("null")
	}
	n, _, ok := s.number()
	return n.canonical(to), ok
}

// canonical appends the number as scan's canonical does.
func (n number) canonical(to []byte) []byte {
	if to = append(to, '0'); n.negative {
		to = append(to, '-')
	}
	return append(strconv.AppendInt(append(append(to, n.digits...), 'e'), int64(n.exp), 10), ';')
}

func (s *scan) canonicalObject(to []byte) ([]byte, bool) {
	s.at++
	var members []string
	for first := true; s.peek() != '}'; first = false {
		if !first && !s.take(',') || s.peek() != '"' {
			return to, false
		}
		name, ok := s.canonical(nil)
		if !ok || !s.take(':') {
			return to, false
		}
		member, ok := s.canonical(name)
		if !ok {
			return to, false
		}
		members = append(members, string(member))
	}
	slices.Sort(members)
	to = append(to, '{')
	for _, m := range members {
		to = append(to, m...)
	}
	return append(to, '}'), s.take('}')
}
