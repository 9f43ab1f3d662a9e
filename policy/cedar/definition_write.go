package cedar

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bytes is the file that ReadDefinitions reads: the same for the same definitions, and made for being read in a review. Characters
// that cannot be seen are escaped.
func (d *Definitions) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(`{"server":`)
	quote(&b, d.server)
	keys := d.keys()
	for _, k := range definitionKinds {
		b.WriteString(`,"` + k.member + `":{`)
		first := true
		for _, key := range keys {
			if key.Kind != k.kind {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			quote(&b, key.Name)
			b.WriteString(":[")
			for i, one := range d.of[key] {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(`{"hash":"` + one.hash.String() + `","definition":`)
				b.Write(one.raw)
				b.WriteByte('}')
			}
			b.WriteByte(']')
		}
		b.WriteByte('}')
	}
	b.WriteByte('}')
	return append(pretty(b.Bytes()), '\n')
}

func quote(b *bytes.Buffer, s string) {
	quoted, err := jsontext.AppendQuote(nil, s)
	if err != nil { // cannot happen: what is no UTF-8 was refused
		quoted = []byte(`""`)
	}
	b.Write(quoted)
}

// pretty is JSON in lines, with everything escaped that cannot be seen. What is no ASCII stands only in strings.
func pretty(raw jsontext.Value) []byte {
	lines := raw.Clone()
	if err := lines.Format(jsontext.Multiline(true), jsontext.WithIndent("  ")); err != nil {
		return nil // cannot happen: it was read before
	}
	var b bytes.Buffer
	for len(lines) > 0 {
		r, n := utf8.DecodeRune(lines)
		if seenByPeople(r) || r == '\n' {
			b.Write(lines[:n])
		} else if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		lines = lines[n:]
	}
	return b.Bytes()
}

// seenByPeople reports whether a character shows, and changes nothing about how others do: no control, format, bidirectional or
// private one, no space but the plain one, no filler and no variation selector. UAX #9, UTS #39.
func seenByPeople(r rune) bool {
	const blankPattern = '\u2800'
	return unicode.IsPrint(r) && r != blankPattern && !unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// visible is a name in quotes, with everything escaped that cannot be seen.
func visible(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range name {
		if seenByPeople(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
