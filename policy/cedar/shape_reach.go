package cedar

import (
	"errors"
	"slices"
)

// circular refuses a schema that refers to itself without going into a value: whoever checks by it never ends. JSON Schema
// 2020-12 core §9.4.1.
func circular(all []*shape) error {
	const open, closed = 1, 2
	seen := map[*shape]int{}
	var visit func(*shape) bool
	visit = func(s *shape) bool {
		if seen[s] != 0 {
			return seen[s] == open
		}
		seen[s] = open
		if slices.ContainsFunc(s.reaches.same, visit) {
			return true
		}
		seen[s] = closed
		return false
	}
	if slices.ContainsFunc(all, visit) {
		return errors.New("it refers to itself without going into a value")
	}
	return nil
}

// shorten makes references to references into references to what those mean, so that a long chain of them is gone through once.
func shorten(all []*shape) {
	for _, s := range all {
		for s.same != nil && s.same.same != nil && !s.same.orNull {
			s.same = s.same.same
		}
	}
}

// repeats is, for each depth, how often at most a value at it, or above it, is held against a schema. Alternatives within
// alternatives multiply, and those of a schema that contains itself do so at every depth.
func repeats(root *shape) []float64 {
	all := make([]float64, maxArgumentDepth+1)
	r := reckoner{known: map[*shape][]float64{}}
	for depth := range all {
		if all[depth] = r.times(root, depth); depth > 0 {
			all[depth] = max(all[depth], all[depth-1])
		}
	}
	return all
}

// reckoner counts, and keeps what it has counted.
type reckoner struct {
	known map[*shape][]float64 // :: shape → times by depth, from 0
}

// times is how often a value that lies depth below one that is held against s is held against something.
func (r reckoner) times(s *shape, depth int) (n float64) {
	if known := r.known[s]; depth < len(known) && known[depth] >= 0 {
		return known[depth]
	}
	if depth == 0 {
		n = 1
	} else {
		n = r.below(s, depth-1)
	}
	for _, one := range s.reaches.same {
		n += r.times(one, depth)
	}
	for len(r.known[s]) <= depth {
		r.known[s] = append(r.known[s], -1)
	}
	r.known[s][depth] = n
	return n
}

func (r reckoner) below(s *shape, depth int) (n float64) {
	var elements float64
	for _, one := range s.reaches.named {
		n = max(n, r.times(one, depth))
	}
	for _, one := range s.reaches.members {
		n += r.times(one, depth)
	}
	for _, one := range s.reaches.elements {
		elements += r.times(one, depth)
	}
	return max(n, elements)
}
