package mcp

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Scan looks through JSON, as it goes by in pieces, for a list that stands where the lists of a result stand. It is no parser: of what is
// no JSON it says anything. The zero Scan is at the beginning.
type Scan struct {
	depth, arrays int // of brackets; how many of the first ones are of arrays
	inString      bool
	escaped       bool
	name          []byte // the string that was read last, with its quotes, up to maxName bytes
	after         byte   // what follows it: 0, or a colon
}

const maxName = 128 // bytes of a name that escapes may make of the longest one

// Lists reports whether a list begins in the next piece. Once it does, the Scan is of no more use.
func (s *Scan) Lists(piece []byte) bool {
	for i := 0; i < len(piece); i++ {
		if s.inString {
			i = s.text(piece, i)
			continue
		}
		switch c := piece[i]; c {
		case '"':
			s.inString, s.name, s.after = true, append(s.name[:0], '"'), 0
		case ':':
			s.after = ':'
		case '[', '{':
			if c == '[' && s.after == ':' && s.depth-s.arrays == 2 && isList(jsontext.Value(s.name)) {
				return true
			}
			if s.depth == s.arrays && c == '[' {
				s.arrays++
			}
			s.depth++
			s.after = 0
		case ']', '}':
			s.depth--
			s.arrays = min(s.arrays, s.depth)
			s.after = 0
		case ' ', '\t', '\r', '\n':
		default:
			s.after = 0
		}
	}
	return false
}

// text reads on in a string and returns the place of its last byte in this piece.
func (s *Scan) text(piece []byte, from int) int {
	i := from
	if s.escaped {
		s.escaped = false
		s.keep(piece[i : i+1])
		i++
	}
	for i < len(piece) {
		end := bytes.IndexByte(piece[i:], '"')
		if end < 0 {
			end = len(piece) - i
		}
		if back := bytes.IndexByte(piece[i:i+end], '\\'); back >= 0 {
			s.keep(piece[i : i+back+1])
			if i += back + 1; i == len(piece) {
				s.escaped = true
				return i
			}
			s.keep(piece[i : i+1])
			i++
			continue
		}
		s.keep(piece[i : i+end])
		if i += end; i < len(piece) {
			s.keep(piece[i : i+1])
			s.inString = false
		}
		return i
	}
	return i
}

func (s *Scan) keep(b []byte) {
	if room := maxName - len(s.name); room > 0 {
		s.name = append(s.name, b[:min(room, len(b))]...)
	}
}
