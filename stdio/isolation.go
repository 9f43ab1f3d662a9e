package stdio

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Isolation says who shares a process.
type Isolation string

const (
	// PerSession is what the zero Isolation is too: a session has a process of its own; without sessions, a client of a person has.
	PerSession Isolation = "session"
	// PerPerson is a process for each person: their clients share it.
	PerPerson Isolation = "person"
	// SharedInsecure is one process for everybody. That a server keeps what it knows of one person from another is up to the server.
	SharedInsecure Isolation = "shared_insecure"
)

func (i Isolation) shares() bool { return i == PerPerson || i == SharedInsecure }

// share is what those have in common who share a process. A process is initialized once, for one revision and one set of capabilities of a
// client: who comes with others gets another process.
type share struct {
	who          token.Principal // zero: everybody
	revision     string
	capabilities string // a hash
}

// shareOf is what a flight that needs no session has in common with others.
func (c *call) shareOf(f *flight) share {
	s := share{revision: string(mcp.V20260728)}
	if c.pool.Isolation == PerPerson {
		s.who = c.owner.Principal
	}
	if f == nil || !f.opensSession() {
		return s
	}
	readInside(f.operations[0].Params, func(name string, v jsontext.Value) {
		switch name {
		case "protocolVersion":
			s.revision = "initialize " + plain(v)
		case "capabilities":
			v = slices.Clone(v)
			if v.Canonicalize() == nil {
				sum := sha256.Sum256(v)
				s.capabilities = hex.EncodeToString(sum[:])
			}
		}
	})
	return s
}

// guest is a session on a process that others have sessions on too.
type guest struct {
	id      string
	owner   owner
	process *process
	stream  *stream // what everybody is told

	used    time.Time // guarded by the pool's mu
	streams int       // GET streams that are open; guarded by the pool's mu
}

// The bounds of sessions on shared processes. One that has not been used for as long as a process may be idle makes room for others.
const (
	maxGuests      = 4096
	maxGuestsOfOne = 64 // of a principal and client: beyond it, the one that was not used for longest ends
)

// errBatch is the error of a batch that holds what cannot go to a shared process.
var errBatch = errors.New("a batch for a shared process holds requests only")

// admit begins a session on a shared process.
func (p *Pool) admit(who owner, q *process) (*guest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running[q] {
		return nil, errEnded
	}
	now, idle := p.now(), p.WithDefaults().Idle
	var oldest *guest
	own := 0
	for id, g := range p.guests {
		switch {
		case g.streams > 0:
		case len(p.guests) >= maxGuests && now.Sub(g.used) > idle:
			delete(p.guests, id)
			continue
		case g.owner == who && (oldest == nil || g.used.Before(oldest.used)):
			oldest = g
		}
		if g.owner == who {
			own++
		}
	}
	if own >= maxGuestsOfOne {
		if oldest == nil {
			return nil, errFull
		}
		delete(p.guests, oldest.id)
	}
	if len(p.guests) >= maxGuests {
		return nil, errFull
	}
	g := &guest{id: rand.Text(), owner: who, process: q, stream: newStream(), used: now}
	p.guests[g.id] = g
	return g, nil
}

// guest returns a session on a shared process, if it is the caller's.
func (p *Pool) guest(who owner, id string) (*guest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.guests[id]
	if g == nil || g.owner != who {
		return nil, errNoSession
	}
	g.used = p.now()
	return g, nil
}

// leave ends a session on a shared process, which goes on.
func (p *Pool) leave(g *guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.guests, g.id)
	g.stream.end(nil)
}

// listens counts the GET streams of a guest.
func (p *Pool) listens(g *guest, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.streams += n
	g.used = p.now()
}

// told are the notifications of a server that hold nothing of anybody. Everybody who listens gets them, in our words: what else the server's
// may hold could be somebody's.
func told(method string) []byte {
	switch method {
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed":
		return []byte(`{"jsonrpc":"2.0","method":"` + method + `"}`)
	}
	return nil
}

// announce tells every guest of a process who listens.
func (p *Pool) announce(q *process, method string, text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.guests {
		if g.process == q && g.streams > 0 {
			g.stream.putBounded(said{data: text, method: method})
		}
	}
}

// tryShare returns the shared process, or one that has to end first. Of a flight that begins a session, first says that the process was begun
// for it and has it: otherwise it only waits for what the process said to the first.
func (p *Pool) tryShare(who owner, f *flight, with share, first *bool) (q, busy *process, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	if q := p.shared[with]; q != nil {
		_, _, closing := q.state()
		if f.opensSession() && !closing || !f.opensSession() && q.begin(f) == nil {
			return q, nil, nil
		}
	}
	if err := p.mayStart(who.Principal); err != nil {
		return nil, nil, err
	}
	if busy, err := p.room(who); busy != nil || err != nil {
		return nil, busy, err
	}
	q = p.newProcess(who)
	q.share = &with
	p.shared[with] = q
	if !f.opensSession() {
		q.probe()
	}
	_ = q.begin(f)
	*first = true
	go q.run()
	return q, nil, nil
}

// shares says whether the message goes to a process that callers share. Of a server that is open to everybody nobody is known: without
// sessions, strangers cannot be told apart, and share one.
func (c *call) shares() bool {
	return c.pool.Isolation.shares() || c.owner.Issuer == "" && !c.message.Revision.Sessions()
}
