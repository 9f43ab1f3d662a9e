package stdio

import (
	"log/slog"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// grace is how long a process has for each step of its end: closed input, SIGTERM, SIGKILL.
const grace = 2 * time.Second

// lateAnswer is how long an id that was cancelled may still be answered.
const lateAnswer = 30 * time.Second

// A process is one run of the server, and what is in flight on it.
type process struct {
	pool    *Pool
	owner   owner
	session string // empty: the revision has no sessions
	log     *slog.Logger
	input   *input
	voice   *voice // what it says to us
	drops   *voice // what of it gets lost

	share  *share // who shares it; nil: nobody
	probed string // the id of our own question; empty: there is none

	started chan struct{} // closed when it runs, or could not be started
	speaks  chan struct{} // closed when it has said something that is MCP
	exited  chan struct{} // closed when the process itself is gone
	ended   chan struct{} // closed when nothing is left of it
	ending  chan struct{} // closed when it is told to end: its answers wait for no reader any more
	failure error         // why it could not be started; to be read after started
	cmd     *exec.Cmd     // to be read after started

	introduced chan struct{} // closed when introduction is there
	spoke      atomic.Bool   // it has said something that is MCP
	complained atomic.Bool   // it has written to standard error
	dismissed  atomic.Bool   // it ends because we want it to

	mu        sync.Mutex // guards what follows
	flights   map[string]*flight
	tokens    map[string]*flight   // :: progress token → flight
	cancelled map[string]time.Time // :: id that may still be answered → until when it is kept free
	unclaimed *stream              // what belongs to no request
	streams   int                  // GET streams that are open
	count     int                  // flights so far
	closing   bool                 // takes nothing new
	used      time.Time            // when it last became idle
	timer     *time.Timer          // ends it when it has been idle for long
	late      bool                 // it did not speak in time
	over      string               // what it took more of than it may; empty: nothing
	greeted   bool                 // it was told that it is initialized

	introduction said // of a shared process: what it answered to initialize
}

func newProcess(p *Pool, who owner) *process {
	q := &process{
		pool: p, owner: who, log: p.log(), input: newInput(),
		started: make(chan struct{}), exited: make(chan struct{}), ended: make(chan struct{}), ending: make(chan struct{}),
		speaks: make(chan struct{}), introduced: make(chan struct{}),
		flights: map[string]*flight{}, tokens: map[string]*flight{}, cancelled: map[string]time.Time{}, unclaimed: newStream(),
		used: p.now(),
	}
	q.voice = &voice{log: q.log, now: p.now, most: voicesASpell}
	q.drops = &voice{log: q.log, now: p.now, most: dropsASpell}
	q.timer = time.AfterFunc(time.Hour, q.tire)
	q.timer.Stop() // it is not idle before its first flight has landed
	return q
}

// state is what the pool chooses by when it needs a place.
func (q *process) state() (idle bool, used time.Time, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.isIdle(), q.used, q.closing
}

// isIdle is called with mu held.
func (q *process) isIdle() bool { return len(q.flights) == 0 && q.streams == 0 }

// rest begins the idle time if nothing is going on. It is called with mu held.
func (q *process) rest() {
	if q.isIdle() && !q.closing {
		q.used = q.pool.now()
		q.timer.Reset(q.pool.WithDefaults().Idle)
	}
}

func (q *process) tire() { q.retire("it was idle") }

// retire ends the process if it is idle.
func (q *process) retire(why string) bool {
	q.mu.Lock()
	ok := q.isIdle() && !q.closing
	if ok {
		q.closing = true
		q.dismissed.Store(true)
	}
	q.mu.Unlock()
	if ok {
		q.shutDown(why)
	}
	return ok
}

// end ends the process whatever it is doing, because we want it to.
func (q *process) end(why string) {
	q.dismissed.Store(true)
	q.dead(why)
}

// dead ends what is left of a process that is of no use any more.
func (q *process) dead(why string) {
	q.mu.Lock()
	already := q.closing
	q.closing = true
	q.mu.Unlock()
	if !already {
		q.shutDown(why)
	}
}

// shutDown is called once, by who set closing.
func (q *process) shutDown(why string) {
	q.timer.Stop()
	close(q.ending)
	q.input.close()
	q.log.Debug("ending a server process", "why", why)
	go q.escalate()
}

// escalate is the end of a process that does not end by itself (MCP 2025-11-25, Lifecycle: shutdown over stdio).
func (q *process) escalate() {
	<-q.started
	if q.failure != nil || q.left(grace) {
		return
	}
	signal(q.cmd, terminate)
	if q.left(grace) {
		return
	}
	q.log.Warn("a server process did not end when asked, and is killed")
	signal(q.cmd, kill)
}

// pid is that of a process that runs; 0: it has not begun, or has ended.
func (q *process) pid() int {
	select {
	case <-q.exited:
		return 0
	default:
	}
	select {
	case <-q.started:
	default:
		return 0
	}
	if q.cmd == nil {
		return 0
	}
	return q.cmd.Process.Pid
}

// left waits until the process is gone.
func (q *process) left(within time.Duration) bool {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-q.exited:
		return true
	case <-t.C:
		return false
	}
}
