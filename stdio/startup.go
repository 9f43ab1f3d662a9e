package stdio

import (
	"errors"
	"strconv"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
)

// startingEvery is how often clients are told that the server is still starting.
const startingEvery = time.Second

// starting waits until the process has spoken. Meanwhile it tells the requests that want to know, and at the end of its patience it ends the
// process: `npx` may have much to load, or wait for an answer that never comes.
func (q *process) starting() {
	patience := q.pool.WithDefaults().Start
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(startingEvery)
	defer again.Stop()
	for {
		select {
		case <-q.speaks:
			return
		case <-q.ended:
			return
		case <-again.C:
			q.tellStarting()
		case <-late.C:
			q.log.Error("the server process has said nothing, and is ended", "within", patience)
			q.mu.Lock()
			q.late = true
			q.mu.Unlock()
			q.dead("it did not speak in time")
			return
		}
	}
}

// tellStarting tells each request in flight that has a progress token that the server is starting. MCP, Progress: the value MUST increase with
// each notification. Ours begin below every whole number, so that those of the server go on from there; see deliver for one that begins at 0.
func (q *process) tellStarting() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for t, f := range q.tokens {
		f.announced++
		value := strconv.FormatFloat(float64(f.announced)/1e6, 'f', -1, 64)
		f.put(said{method: "notifications/progress", data: []byte(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` +
			f.clientsName(t) + `,"progress":` + value + `,"message":"the MCP server is starting"}}`)})
	}
}

// deliver hands a message of the server to a flight.
func (q *process) deliver(f *flight, m said) {
	q.mu.Lock()
	stale := m.method == "notifications/progress" && f.announced > 0 && m.progress <= float64(f.announced)/1e6
	q.mu.Unlock()
	if stale {
		return
	}
	f.put(m)
	q.keepUp(f)
}

// keepUp waits for the reader of a flight. On a shared process nobody waits for another: who does not read loses the answer.
func (q *process) keepUp(f *flight) {
	if q.share == nil {
		f.wait(q.ending)
		return
	}
	if f.full() {
		q.log.Warn("an answer of a shared server is broken off: its client does not read")
		q.abandon(f)
	}
}

// probe is a question to a process that is begun without initialize: the first request may be one that takes long, and its silence would be
// taken for that of a server that does not start. Whatever it answers shows that it speaks. MCP 2026-07-28: every server has server/discover.
func (q *process) probe() {
	q.probed = name()
	_ = q.input.put([]byte(`{"jsonrpc":"2.0","id":` + q.probed + `,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"` +
		string(mcp.V20260728) + `","io.modelcontextprotocol/clientInfo":{"name":"doorward","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}` + "\n"))
}

// why is why a process ended that has not answered, for its clients. What it wrote to standard error is for our log alone.
func (q *process) why() (text string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.late:
		return "the command of the MCP server did not start within " + q.pool.WithDefaults().Start.String(), errLate
	case q.over != "":
		return "the process of the MCP server was ended: " + q.over, nil
	}
	return "", nil
}

// errLate is the end of a process that did not speak in time.
var errLate = errors.New("the process did not speak in time")
