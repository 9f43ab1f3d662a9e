package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// What stands in place of a value that was taken out, and of what cannot be looked into.
const (
	redacted = `"[redacted]"`
	withheld = `"[withheld by policy]"`
)

// maxPointers bounds a Redaction.
const maxPointers = 1000

// Redaction is a set of values that are taken out of answers. It is not changed after it was made. The nil Redaction takes nothing out.
type Redaction struct {
	pointers []string
	root     *pointer
}

// pointer is a place in documents to which pointers lead.
type pointer struct {
	here  bool
	next  map[string]*pointer // :: name of a member, or index of an element → what lies there
	every *pointer            // what lies at every one of them; nil: nothing is said of them
}

// NewRedaction takes JSON pointers (RFC 6901) in which * stands for every member of an object and every element of an array: also for
// one of that name, which cannot be said. The empty pointer is all of a document.
func NewRedaction(pointers ...string) (*Redaction, error) {
	pointers = slices.Compact(slices.Sorted(slices.Values(pointers)))
	if len(pointers) == 0 || len(pointers) > maxPointers {
		return nil, fmt.Errorf("a redaction has 1 to %d pointers, not %d", maxPointers, len(pointers))
	}
	r := &Redaction{pointers, &pointer{}}
	for _, p := range pointers {
		tokens, ok := readPointer(p)
		if !ok {
			return nil, fmt.Errorf("%.100q is no JSON pointer (RFC 6901) of at most %d names", p, maxDepth)
		}
		at := r.root
		for _, t := range tokens {
			at = at.to(t)
		}
		at.here = true
	}
	return r, nil
}

// readPointer is RFC 6901 §3 and §4.
func readPointer(p string) (tokens []string, ok bool) {
	if p == "" {
		return nil, true
	}
	if p[0] != '/' {
		return nil, false
	}
	for token := range strings.SplitSeq(p[1:], "/") {
		plain := strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		if strings.Count(token, "~") != strings.Count(token, "~0")+strings.Count(token, "~1") {
			return nil, false
		}
		tokens = append(tokens, plain)
	}
	return tokens, len(tokens) <= maxDepth
}

func (p *pointer) to(token string) *pointer {
	if token == "*" {
		if p.every == nil {
			p.every = &pointer{}
		}
		return p.every
	}
	if p.next == nil {
		p.next = map[string]*pointer{}
	}
	if p.next[token] == nil {
		p.next[token] = &pointer{}
	}
	return p.next[token]
}

// With takes out what either does. Where both together are too many, it is everything.
func (r *Redaction) With(other *Redaction) *Redaction {
	if r == nil || r == other {
		return other
	}
	if other == nil {
		return r
	}
	both, err := NewRedaction(slices.Concat(r.pointers, other.pointers)...)
	if err != nil {
		return everything()
	}
	return both
}

// everything takes out all of every document.
func everything() *Redaction { return &Redaction{[]string{""}, &pointer{here: true}} }

var errRedact = errors.New("it is not valid JSON in UTF-8, a name stands twice in it, or it is not what it should be")

// apply is a document without the values, every other byte of it as it was.
func (r *Redaction) apply(data []byte) ([]byte, error) {
	if tooDeep(data) {
		return nil, errRedact
	}
	w := redactor{d: jsontext.NewDecoder(bytes.NewReader(data))}
	if !w.walk([]*pointer{r.root}) {
		return nil, errRedact
	}
	if _, err := w.d.ReadToken(); err != io.EOF {
		return nil, errRedact
	}
	out := make([]byte, 0, len(data)+len(w.found)*len(redacted))
	at := 0
	for _, s := range w.found {
		out = append(append(out, data[at:s.start]...), redacted...)
		at = s.end
	}
	return append(out, data[at:]...), nil
}

// redactor finds the values to which pointers lead.
type redactor struct {
	d     *jsontext.Decoder
	found []span
}

// walk reads one value. at are the places of pointers that it lies at.
func (w *redactor) walk(at []*pointer) bool {
	if slices.ContainsFunc(at, func(p *pointer) bool { return p.here }) {
		v, err := w.d.ReadValue()
		end := int(w.d.InputOffset())
		w.found = append(w.found, span{end - len(v), end})
		return err == nil
	}
	kind := w.d.PeekKind()
	if len(at) == 0 || kind != '{' && kind != '[' {
		return w.d.SkipValue() == nil
	}
	if _, err := w.d.ReadToken(); err != nil {
		return false
	}
	for i := 0; w.d.PeekKind() != '}' && w.d.PeekKind() != ']'; i++ {
		name := strconv.Itoa(i)
		if kind == '{' {
			v, err := w.d.ReadValue()
			if err != nil {
				return false
			}
			name, _ = text(v)
		}
		var below []*pointer
		for _, p := range at {
			below = p.from(below, name)
		}
		if !w.walk(below) {
			return false
		}
	}
	_, err := w.d.ReadToken()
	return err == nil
}

// from adds the places that lie at a name.
func (p *pointer) from(all []*pointer, name string) []*pointer {
	if n := p.next[name]; n != nil {
		all = append(all, n)
	}
	if p.every != nil {
		all = append(all, p.every)
	}
	return all
}
