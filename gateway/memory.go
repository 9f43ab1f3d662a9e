package gateway

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// question is what must be known of a request when its answer comes: where nobody remembers the request, as on a stream that
// the client opens again.
type question struct {
	search bool           // it was a search for tools
	redact *mcp.Redaction // what is taken out of its answer
}

// memory are the questions of the callers of any number of servers.
type memory struct {
	mu    sync.Mutex // held while one is added to
	asked *otter.Cache[[32]byte, question]
	rules sync.Map // :: server → *atomic.Bool: whether anything was ever taken out of its answers
}

func newMemory() memory {
	return memory{asked: otter.Must(&otter.Options[[32]byte, question]{MaximumSize: maxTasks})}
}

// redacting is set once something is taken out of an answer of a server. Before that, nothing need be remembered for it.
func (m *memory) redacting(server string) *atomic.Bool {
	flag, _ := m.rules.LoadOrStore(server, new(atomic.Bool))
	return flag.(*atomic.Bool)
}

// remember adds to what is known of a request. A request with the same id in the same session takes nothing of it away: the
// answer to the one may come to the other.
func (m *memory) remember(c guard.Call, id string, q question) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := questionKey(c, id)
	was, _ := m.asked.GetIfPresent(key)
	m.asked.Set(key, question{was.search || q.search, was.redact.With(q.redact)})
}

// question is what is known of a request of the caller's session.
func (m *memory) question(c guard.Call, id string) (question, bool) {
	return m.asked.GetIfPresent(questionKey(c, id))
}

func questionKey(c guard.Call, id string) [32]byte {
	return sha256.Sum256(append(belongs(ofSession, c), c.Message.Session+"\n"+id...))
}
