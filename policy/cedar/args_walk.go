package cedar

import (
	"bytes"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go/types"
)

// walk goes over arguments once, holds them against a shape and builds what a plan says.
type walk struct {
	scan
	drafts
	elements []types.Value // of arrays that are being read, one within another
	depth    int
	built    int
	refused  *refusal
}

// spareWalks is room that nobody uses.
var spareWalks = sync.Pool{New: func() any { return new(walk) }}

func borrowWalk(data []byte) *walk {
	w := spareWalks.Get().(*walk)
	w.data = data
	return w
}

// giveBack keeps the room for the next walk, without what was read; of one that ended before its end, in the middle of what it was
// building, nothing is kept.
func (w *walk) giveBack() {
	if w.refused != nil || w.drafts.within > 0 || len(w.elements) > 0 || cap(w.scratch) > maxScratch || cap(w.elements) > maxElements {
		return
	}
	*w = walk{scan: scan{scratch: w.scratch[:0]}, drafts: w.drafts, elements: w.elements}
	spareWalks.Put(w)
}

// maxScratch bounds the texts after which the room for them is kept.
const maxScratch = 4 << 10

// fail refuses the value at hand.
func (w *walk) fail(why string) bool { return w.failAs(refusedSchema, why) }

func (w *walk) failAs(code, why string) bool {
	if w.refused == nil {
		w.refused = &refusal{code: code, why: why}
	}
	return false
}

// in notes that what was refused stands in a member or element of that name.
func (w *walk) in(name string) bool {
	if w.refused != nil {
		w.refused.at = "/" + escapePointer(name) + w.refused.at
	}
	return false
}

// refusal is why the walk ended before its end.
func (w *walk) refusal() *refusal {
	if w.refused == nil {
		return &refusal{code: refusedSchema, why: "it is no JSON that can be read"}
	}
	return w.refused
}

// value reads the next value. s nil: anything fits. p nil: nothing is built.
func (w *walk) value(s *shape, p *plan) (types.Value, bool) {
	c := w.peek()
	if s = s.plain(c == 'n'); s == nil && p == nil {
		return nil, w.skip()
	}
	if p != nil {
		if p.kind == valueNullable {
			return w.nullable(s, p)
		}
		if w.built++; w.built > maxValues {
			return nil, w.failAs(refusedBounds, "rules read more values than are looked at")
		}
	}
	start := w.at
	v, ok := w.single(c, s, p)
	if ok && s != nil && s.listed && c != '"' && !isNumeric(c) {
		canonical, _ := (&scan{data: w.data[start:w.at]}).canonical(nil)
		ok = s.others[string(canonical)] || w.fail("it is none of the values that are listed")
	}
	return v, ok
}

func (w *walk) single(c byte, s *shape, p *plan) (types.Value, bool) {
	switch c {
	case '"':
		return w.string(s, p)
	case '{':
		return w.object(s, p)
	case '[':
		return w.array(s, p)
	case 't':
		return types.Boolean(true), w.is(kindBool, s, p) && w.word("true")
	case 'f':
		return types.Boolean(false), w.is(kindBool, s, p) && w.word("false")
	case 'n':
		return nil, w.is(kindNull, s, p) && w.word("null")
	}
	return w.numeric(s, p)
}

// is holds the kind of a value against what is expected.
func (w *walk) is(k kinds, s *shape, p *plan) bool {
	if s != nil && s.kinds&k == 0 {
		return w.fail("it is " + k.String() + ", and " + s.kinds.String() + " is expected")
	}
	if p != nil && p.expects()&k == 0 {
		return w.fail("it is " + k.String() + ", and a rule reads " + p.expects().String())
	}
	return true
}

// isNull is null as rules see it: a value, not what is missing.
var isNull types.Value = types.NewRecord(types.RecordMap{"null": types.True})

func (w *walk) nullable(s *shape, p *plan) (types.Value, bool) {
	if w.peek() == 'n' {
		_, ok := w.value(s, nil)
		return isNull, ok
	}
	v, ok := w.value(s, p.of)
	if !ok {
		return nil, false
	}
	m := w.begin()
	if m["null"] = types.False; v != nil && p.of != nil {
		m["value"] = v
	}
	return w.end(), true
}

func (w *walk) string(s *shape, p *plan) (types.Value, bool) {
	if !w.is(kindString, s, p) {
		return nil, false
	}
	if p == nil && (s == nil || s.anyText()) {
		_, end, _ := w.quoted()
		return nil, end > 0
	}
	text, ok := w.text()
	if !ok || s != nil && !w.fits(s, text) {
		return nil, false
	}
	if p == nil {
		return nil, true
	}
	return types.String(text), true
}

// anyText reports whether every string fits.
func (s *shape) anyText() bool {
	return s.minLength == 0 && s.maxLength < 0 && s.pattern == nil && !s.listed
}

// fits is JSON Schema 2020-12 validation §6.3. A character is a code point; nothing is normalised.
func (w *walk) fits(s *shape, text []byte) bool {
	switch {
	case s.minLength > 0 && utf8.RuneCount(text) < s.minLength:
		return w.fail("it is shorter than it may be")
	case s.maxLength >= 0 && len(text) > s.maxLength && utf8.RuneCount(text) > s.maxLength:
		return w.fail("it is longer than it may be")
	case s.pattern != nil && len(text)*s.pattern.size > maxMatching:
		return w.failAs(refusedBounds, "it is longer than can be held against the pattern")
	case s.pattern != nil && !s.pattern.Match(text):
		return w.fail("it does not match the pattern")
	case s.listed && !s.texts[string(text)]:
		return w.fail("it is none of the values that are listed")
	}
	return true
}

func (w *walk) numeric(s *shape, p *plan) (types.Value, bool) {
	n, literal, ok := w.number()
	if !ok {
		return nil, false
	}
	k := kindFraction
	if n.integer() {
		k = kindInteger
	}
	if !w.is(k, s, p) || s != nil && !w.within(s, n) {
		return nil, false
	}
	if p == nil {
		return nil, true
	}
	if p.kind == valueLong {
		v, ok := n.long(literal)
		return v, ok || w.failAs(refusedNumber, "a rule reads it, and not every reader reads this number alike: an integer is exact up to 9007199254740991")
	}
	v, ok := n.decimal(literal)
	return v, ok || w.failAs(refusedNumber, "a rule reads it, and not every reader reads this number alike: at most four decimal places and fifteen digits are exact")
}

// within is JSON Schema 2020-12 validation §6.2, by the decimal number itself.
func (w *walk) within(s *shape, n number) bool {
	if s.least != nil {
		if c := n.compare(*s.least); c < 0 || c == 0 && s.leastOpen {
			return w.fail("it is less than it may be")
		}
	}
	if s.most != nil {
		if c := n.compare(*s.most); c > 0 || c == 0 && s.mostOpen {
			return w.fail("it is more than it may be")
		}
	}
	if s.listed && !s.others[string(n.canonical(nil))] {
		return w.fail("it is none of the values that are listed")
	}
	if s.multiple != nil && !n.multipleOf(*s.multiple) {
		return w.fail("it is not a multiple of what it must be")
	}
	return true
}

// enter goes into an array or object.
func (w *walk) enter() bool {
	if w.depth++; w.depth > maxArgumentDepth {
		return w.failAs(refusedBounds, "it is nested deeper than is looked at")
	}
	w.at++
	return true
}

// sameButCase reports whether a rule reads a member whose name differs from this one only by case. Many readers, as
// encoding/json, take one for the other.
func (p *plan) sameButCase(name []byte) bool {
	if p == nil {
		return false
	}
	return slices.ContainsFunc(p.names, func(n []byte) bool { return bytes.EqualFold(n, name) })
}
