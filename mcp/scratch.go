package mcp

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxKept bounds the bodies after which a decoder is kept: what it holds for names grows with what it read.
const maxKept = 64 << 10

// scratch is a decoder with its input, and room for what Read finds. Without reuse most of the time of Read goes into making them.
type scratch struct {
	input bytes.Buffer
	d     jsontext.Decoder
	parts []part
}

// spare holds memory and no state: a decoder forgets all at Reset.
var spare = sync.Pool{New: func() any { return new(scratch) }}

func borrow(data []byte, options ...jsontext.Options) *scratch {
	s := spare.Get().(*scratch)
	s.input = *bytes.NewBuffer(data)
	s.d.Reset(&s.input, options...)
	return s
}

// giveBack keeps the decoder for the next reader, without what it read.
func (s *scratch) giveBack(size int) {
	if size > maxKept {
		return
	}
	s.input = bytes.Buffer{}
	s.d.Reset(&s.input)
	clear(s.parts)
	s.parts = s.parts[:0]
	spare.Put(s)
}
