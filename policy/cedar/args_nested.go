package cedar

import (
	"strconv"

	"github.com/cedar-policy/cedar-go/types"
)

// seen is which of the members that a schema names have come.
type seen struct {
	few  [2]uint64
	many []uint64
}

// mark notes a member, and reports whether it had not come before.
func (s *seen) mark(at int) bool {
	words := s.few[:]
	if at >= 64*len(s.few) {
		at -= 64 * len(s.few)
		for len(s.many) <= at/64 {
			s.many = append(s.many, 0)
		}
		words = s.many
	}
	bit := uint64(1) << (at % 64)
	if words[at/64]&bit != 0 {
		return false
	}
	words[at/64] |= bit
	return true
}

// object reads an object. JSON Schema 2020-12 core §10.3.2, validation §6.5.
func (w *walk) object(s *shape, p *plan) (types.Value, bool) {
	if !w.is(kindObject, s, p) || !w.enter() {
		return nil, false
	}
	var m types.RecordMap
	if p != nil {
		m = w.begin()
	}
	var came seen
	missing, members := 0, 0
	if s != nil {
		missing = len(s.required)
	}
	for ; w.peek() != '}'; members++ {
		if members > 0 && !w.take(',') {
			return nil, false
		}
		required, ok := w.member(s, p, m, &came)
		if !ok {
			return nil, false
		}
		if required {
			missing--
		}
	}
	w.at++
	w.depth--
	if s != nil {
		switch {
		case missing > 0:
			return nil, w.missing(s, &came)
		case members < s.minMembers:
			return nil, w.fail("it has fewer members than it must have")
		case s.maxMembers >= 0 && members > s.maxMembers:
			return nil, w.fail("it has more members than it may have")
		}
	}
	if p == nil {
		return nil, true
	}
	return w.end(), true
}

// member reads one member into m, and reports whether it is one that is required.
func (w *walk) member(s *shape, p *plan, m types.RecordMap, came *seen) (required, ok bool) {
	name, ok := w.text()
	if !ok {
		return false, false
	}
	var below *plan
	if p != nil {
		below = p.members[string(name)]
	}
	var named *property
	if s != nil {
		named = s.properties[string(name)]
	}
	if below == nil && named == nil && p.sameButCase(name) {
		return false, w.fail("it has a member whose name differs only by case from one that a rule reads")
	}
	of, shown := (*shape)(nil), "*"
	if below != nil {
		shown = string(below.name)
	}
	if s != nil {
		of = s.additional
		if named != nil {
			if shown = named.name; !came.mark(named.at) {
				w.fail("it stands twice")
				return false, w.in(shown)
			}
			if required = named.required; named.declared {
				of = named.shape
			}
		}
		if of != nil && of.same == nil && of.kinds == 0 {
			return false, w.fail("it has a member that it may not have")
		}
	}
	if !w.take(':') {
		return false, false
	}
	v, ok := w.value(of, below)
	if !ok {
		return false, w.in(shown)
	}
	if below != nil {
		m[below.name] = v
	}
	return required, true
}

// missing refuses an object for the first member that it must have and has not.
func (w *walk) missing(s *shape, came *seen) bool {
	for _, name := range s.required {
		if came.mark(s.properties[name].at) {
			w.fail("it is missing, and required")
			return w.in(name)
		}
	}
	return w.fail("a member is missing")
}

// array reads an array. JSON Schema 2020-12 core §10.3.1, validation §6.4. As a Cedar set it loses its order, and what stands in
// it twice stands in it once.
func (w *walk) array(s *shape, p *plan) (types.Value, bool) {
	if !w.is(kindArray, s, p) || !w.enter() {
		return nil, false
	}
	var of *shape
	var distinct map[string]bool
	if s != nil {
		if of = s.items; s.unique {
			distinct = map[string]bool{}
		}
	}
	n, from := 0, len(w.elements)
	for ; w.peek() != ']'; n++ {
		if n > 0 && !w.take(',') {
			return nil, false
		}
		v, ok := w.element(of, p, distinct)
		if !ok {
			return nil, w.in(strconv.Itoa(n))
		}
		if p != nil {
			if w.elements = append(w.elements, v); n == maxElements {
				return nil, w.failAs(refusedBounds, "a rule reads it, and it has more elements than are looked at")
			}
		}
	}
	w.at++
	w.depth--
	switch {
	case s != nil && n < s.minItems:
		return nil, w.fail("it has fewer elements than it must have")
	case s != nil && s.maxItems >= 0 && n > s.maxItems:
		return nil, w.fail("it has more elements than it may have")
	case p == nil:
		return nil, true
	}
	all := types.NewSet(w.elements[from:]...)
	clear(w.elements[from:])
	w.elements = w.elements[:from]
	return all, true
}

func (w *walk) element(of *shape, p *plan, distinct map[string]bool) (types.Value, bool) {
	var below *plan
	if p != nil {
		below = p.of
	}
	w.peek()
	start := w.at
	v, ok := w.value(of, below)
	if ok && distinct != nil {
		canonical, _ := (&scan{data: w.data[start:w.at]}).canonical(nil)
		if distinct[string(canonical)] {
			return nil, w.fail("it stands in an array twice whose elements must differ")
		}
		distinct[string(canonical)] = true
	}
	return v, ok
}
