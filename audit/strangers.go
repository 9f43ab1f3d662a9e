package audit

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// maxSources bounds how many sources are counted apart within a second; what comes from more is counted together.
const maxSources = 1024

// strangers counts refusals of callers without a valid token. The first of a source and code in a second is written at
// once; what follows within that second is one more record, at its end. The zero value needs its write.
type strangers struct {
	write func(context.Context, Entry) error

	mu      sync.Mutex // guards counted and running
	counted map[source]*Entry
	running bool // a flush is due at the end of this second
}

type source struct {
	addr netip.Addr
	code Code
}

// admit reports whether e is to be written now. If not, it has been counted.
func (s *strangers) admit(e Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counted == nil {
		s.counted = map[source]*Entry{}
	}
	if !s.running {
		s.running = true
		time.AfterFunc(time.Second, s.flush)
	}
	key := source{e.Record.Client, e.Record.Code}
	if kept, ok := s.counted[key]; ok {
		id, n := e.ID, kept.Count+1
		*kept = e
		kept.ID, kept.Count = id, n
		return false
	}
	if len(s.counted) < maxSources {
		s.counted[key] = &Entry{}
		return true
	}
	rest := source{code: e.Record.Code}
	if s.counted[rest] == nil {
		s.counted[rest] = &Entry{}
	}
	n := s.counted[rest].Count + 1
	*s.counted[rest] = e
	s.counted[rest].Count = n
	s.counted[rest].Record.Client = netip.Addr{}
	return false
}

// flush writes what was counted and begins anew. What cannot be written is lost: it is a refusal of a stranger, and
// keeping it would let strangers fill the memory in place of the log.
func (s *strangers) flush() {
	s.mu.Lock()
	counted := s.counted
	s.counted, s.running = nil, false
	s.mu.Unlock()
	for _, e := range counted {
		if e.Count > 0 {
			_ = s.write(context.Background(), *e)
		}
	}
}
