package gateway

import (
	"io"
	"sync"
)

const morsel = 2 << 10

var morsels = sync.Pool{New: func() any { b := make([]byte, morsel); return &b }}

// pieces reads a stream: with little room while little comes, for most streams are idle most of the time, and with much when
// much comes.
type pieces struct {
	from io.Reader
	buf  *[]byte
	room *sync.Pool // where buf came from
	n    int        // of the last piece
}

// read is the next piece, good until the one after it.
func (p *pieces) read() ([]byte, error) {
	room := &morsels
	if p.n >= morsel {
		room = &buffers
	}
	if p.room != room {
		p.close()
		p.buf, p.room = room.Get().(*[]byte), room
	}
	n, err := p.from.Read(*p.buf)
	p.n = n
	return (*p.buf)[:n], err
}

func (p *pieces) close() {
	if p.room != nil {
		p.room.Put(p.buf)
		p.buf, p.room = nil, nil
	}
}
