package stdio

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Pool runs one MCP server that speaks stdio, in as many processes as its Isolation asks for. Set the fields before the first use and
// leave them alone after. It is safe for concurrent use.
type Pool struct {
	Command []string         // the program, looked up in our PATH, and its arguments
	Env     []string         // names passed on from our environment, and NAME=value pairs; besides the names of Inherited nothing is
	Dir     string           // empty: ours
	Log     *slog.Logger     // nil: nothing is logged, and what processes write to standard error is lost
	Now     func() time.Time // nil: time.Now
	Bounds
	Isolation Isolation // who shares a process; empty: nobody
	Confine   Confinement

	mu       sync.Mutex // guards what follows; taken before a process's
	closed   bool
	watching bool
	failed   int // starts that came to nothing, ever
	running  map[*process]bool
	sessions map[string]*process            // :: session id → process of its own
	callers  map[owner][]*process           // :: caller → processes, where there are no sessions
	shared   map[share]*process             // :: what callers have in common → the process that they share
	guests   map[string]*guest              // :: session id → session on a shared process
	failures map[token.Principal]failedOnce // :: whose processes died at the start
}

// Check says whether this system can start processes as the Pool is to, and keep them from the paths that are ours alone. The error is one of
// configuration.
func (p *Pool) Check(ours ...string) error {
	if err := p.possible(); err != nil {
		return err
	}
	return p.Confine.Check(ours...)
}

// owner is who a process belongs to: the person and the client that acts for them.
type owner struct {
	token.Principal
	client string
}

// For is where one message goes, given who sent it. The request that the RoundTripper gets is the gateway's: its body is that of the message,
// its header Doorward-Caller the assertion for the server. Its response is always an answer of MCP; an error is one of the request's context.
func (p *Pool) For(caller token.Caller, m mcp.Message) http.RoundTripper {
	return &call{pool: p, owner: owner{caller.Principal, caller.Client}, message: m}
}

// Close ends every process and waits until none is left: first its standard input is closed, then its process group gets SIGTERM after 2 s and
// SIGKILL after 2 s more. The Pool starts none after. The error is always nil.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	all := make([]*process, 0, len(p.running))
	for q := range p.running {
		all = append(all, q)
	}
	p.mu.Unlock()
	for _, q := range all {
		q.end("we are ending")
	}
	for _, q := range all {
		<-q.ended
	}
	return nil
}

var (
	errNoSession = errors.New("no such session")
	errFull      = errors.New("all processes are busy")
	errClosed    = errors.New("the pool is closed")
)

// session returns the process of a session, if it is the caller's.
func (p *Pool) session(who owner, id string) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.sessions[id]
	if q == nil || q.owner != who {
		return nil, errNoSession
	}
	return q, nil
}

// caller returns the process of a caller that was started last, or nil; with an id, the one on which that request is in flight.
func (p *Pool) caller(who owner, id string) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last *process
	for _, q := range p.callers[who] {
		if id == "" || q.flying(id) {
			last = q
		}
	}
	return last
}

// sharing returns the process that is shared so; nil: there is none.
func (p *Pool) sharing(with share) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shared[with]
}

// place finds the process for a flight that has none yet, as try does, once there is a place for it.
func (p *Pool) place(ctx context.Context, try func() (q, busy *process, err error)) (*process, error) {
	// What waits for a place does so within the patience of a client, not for ever.
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	for {
		q, busy, err := try()
		if err != nil {
			return nil, err
		}
		if q != nil {
			<-q.started
			return q, nil
		}
		select {
		case <-busy.ended:
		case <-ctx.Done():
			return nil, errFull
		}
	}
}

// placeWait is how long a request waits for a place that is being made.
const placeWait = 10 * time.Second

// tryBoard returns the flight's process, a new session's or one of the caller's, or one that has to end first.
func (p *Pool) tryBoard(who owner, f *flight, sessions bool) (q, busy *process, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	if !sessions {
		for _, q := range p.callers[who] {
			if q.begin(f) == nil {
				return q, nil, nil
			}
		}
	}
	if err := p.mayStart(who.Principal); err != nil {
		return nil, nil, err
	}
	if busy, err := p.room(who); busy != nil || err != nil {
		return nil, busy, err
	}
	q = p.newProcess(who)
	if sessions {
		q.session = rand.Text() // 130 bits
		p.sessions[q.session] = q
	} else {
		p.callers[who] = append(p.callers[who], q)
	}
	if !f.opensSession() {
		q.probe()
	}
	_ = q.begin(f) // a new process takes every flight
	go q.run()
	return q, nil, nil
}

// room says whether there is a place for one more process of who; busy is one that is ending to make it. It is called with mu held.
func (p *Pool) room(who owner) (busy *process, err error) {
	bounds, begun := p.WithDefaults(), 0
	for q := range p.running {
		if q.owner.Principal == who.Principal {
			begun++
		}
	}
	switch {
	case begun >= bounds.PerPerson:
		busy = p.makeRoom(func(q *process) bool { return q.owner.Principal == who.Principal })
	case len(p.running) >= bounds.Max:
		busy = p.makeRoom(func(*process) bool { return true })
	default:
		return nil, nil
	}
	if busy == nil {
		return nil, errFull
	}
	return busy, nil
}

// makeRoom returns a process of those that is ending, having told the one that has been idle longest to, or nil if all are busy.
func (p *Pool) makeRoom(of func(*process) bool) *process {
	var longest *process
	var since time.Time
	for q := range p.running {
		if !of(q) {
			continue
		}
		idle, used, closing := q.state()
		if closing {
			return q
		}
		if idle && (longest == nil || used.Before(since)) {
			longest, since = q, used
		}
	}
	if longest != nil && longest.retire("its place is wanted") {
		return longest
	}
	return nil
}

// newProcess makes a process that belongs to who begins it. It is called with mu held.
func (p *Pool) newProcess(who owner) *process {
	if p.running == nil {
		p.running, p.sessions, p.callers = map[*process]bool{}, map[string]*process{}, map[owner][]*process{}
		p.shared, p.guests = map[share]*process{}, map[string]*guest{}
	}
	q := newProcess(p, who)
	p.running[q] = true
	if !p.watching && (p.Memory > 0 || p.Processes > 0) {
		p.watching = true
		go p.watch()
	}
	return q
}

func (p *Pool) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Pool) log() *slog.Logger {
	if p.Log != nil {
		return p.Log
	}
	return slog.New(slog.DiscardHandler)
}
