package stdio

import (
	"context"
	"errors"
	"sync"
)

// The bounds of what waits for a reader.
const (
	waitingBytes    = 1 << 20 // of one answer: more than this and the process is not read on until the client has caught up
	unclaimedBytes  = 4 << 20 // of what waits for a GET stream: more than this and the oldest is dropped
	unclaimedEvents = 256
)

// errEnded is the end of an answer that its process did not finish.
var errEnded = errors.New("the process of the MCP server ended before it had answered")

// A stream is what one answer will still say. One reads, one or more write.
type stream struct {
	mu     sync.Mutex // guards what follows
	held   []said
	size   int
	over   bool  // nothing more is put in
	err    error // with over: why; nil: that was all
	gone   bool  // nobody reads: what is put in is dropped
	reader int   // counts up with each take over
	ready  chan struct{}
	room   chan struct{}
}

func newStream() *stream {
	return &stream{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds a message. It does not wait.
func (s *stream) put(m said) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.gone {
		return
	}
	s.held = append(s.held, m)
	s.size += len(m.data)
	poke(s.ready)
}

// putBounded adds a message and drops the oldest ones beyond the bounds of what is unclaimed. It returns how many.
func (s *stream) putBounded(m said) (dropped int) {
	s.put(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) > unclaimedEvents || s.size > unclaimedBytes && len(s.held) > 1 {
		s.size -= len(s.held[0].data)
		s.held = s.held[1:]
		dropped++
	}
	return dropped
}

// wait waits until the reader has caught up, or nobody reads, or stop is closed.
func (s *stream) wait(stop <-chan struct{}) {
	for {
		if !s.full() {
			return
		}
		select {
		case <-s.room:
		case <-stop:
			return
		}
	}
}

// full says whether the reader is behind.
func (s *stream) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size > waitingBytes && !s.gone && !s.over
}

// end says that nothing more comes. What is held is still read.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over, s.err = true, err
	poke(s.ready)
	poke(s.room)
}

// leave says that nobody reads any more.
func (s *stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.held, s.size = true, nil, 0
	poke(s.ready)
	poke(s.room)
}

// claim makes the caller the reader; the one before it gets io.EOF.
func (s *stream) claim() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader++
	poke(s.ready)
	return s.reader
}

// next waits for the next message. ok is false at the end, with the reason.
func (s *stream) next(ctx context.Context, reader int) (m said, ok bool, err error) {
	for {
		if m, ok, ended, err := s.take(reader); ok || ended {
			if err != nil && ctx.Err() != nil { // it was left because of that
				err = context.Cause(ctx)
			}
			return m, ok, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return said{}, false, context.Cause(ctx)
		}
	}
}

func (s *stream) take(reader int) (m said, ok, ended bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reader != s.reader {
		poke(s.ready) // it may have been meant for the new reader
		return said{}, false, true, nil
	}
	if s.gone {
		return said{}, false, true, errEnded
	}
	if len(s.held) > 0 {
		m, s.held = s.held[0], s.held[1:]
		s.size -= len(m.data)
		poke(s.room)
		if len(s.held) > 0 {
			poke(s.ready)
		}
		return m, true, false, nil
	}
	return said{}, false, s.over, s.err
}
