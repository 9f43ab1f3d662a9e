package stdio

import (
	"errors"
	"io"
	"sync"
)

// The bounds of what waits for a process to read it.
const (
	unreadBytes = 16 << 20
	unreadLines = 1024
)

var errUnread = errors.New("the process does not read its standard input")

// input holds the lines that a process has not read yet, so that one that does not read blocks nobody.
type input struct {
	mu     sync.Mutex // guards what follows
	lines  [][]byte
	size   int
	closed bool
	ready  chan struct{}
}

func newInput() *input { return &input{ready: make(chan struct{}, 1)} }

// put adds lines, all or none.
func (i *input) put(lines ...[]byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return errEnded
	}
	if len(i.lines) >= unreadLines || i.size > unreadBytes {
		return errUnread
	}
	for _, l := range lines {
		i.lines = append(i.lines, l)
		i.size += len(l)
	}
	poke(i.ready)
	return nil
}

// close lets what waits be read, and nothing after it.
func (i *input) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	poke(i.ready)
}

// run writes lines until close, or until nobody reads them, and closes w.
func (i *input) run(w io.WriteCloser) {
	defer func() { _ = w.Close() }()
	for {
		l, closed := i.next()
		switch {
		case l != nil:
			if _, err := w.Write(l); err != nil {
				i.close()
				return // the process is gone or will not read; its end is seen where its output is read
			}
		case closed:
			return
		default:
			<-i.ready
		}
	}
}

func (i *input) next() (l []byte, closed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.lines) == 0 {
		return nil, i.closed
	}
	l, i.lines = i.lines[0], i.lines[1:]
	i.size -= len(l)
	return l, false
}
