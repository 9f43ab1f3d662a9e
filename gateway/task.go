package gateway

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// A task is of the person and client for whose request the upstream made it. MCP 2025-11-25, Tasks, Task Isolation and
// Access Control; the tasks extension of 2026-07-28 asks for the same. An upstream knows one caller, us, and could not tell
// them apart. The id cannot be sealed as that of a session is: it comes back in the body, which goes on as it was judged.
// So whose it is is kept in memory. A task that nobody is known to have, as after a restart, is nobody's.

// maxTasks bounds what is remembered; those that were asked for least are forgotten first, and are nobody's then.
const maxTasks = 100_000

// Tasks knows whose the tasks of any number of servers are, and which requests were searches for tools, in memory alone. It is
// safe for concurrent use. The zero Tasks cannot be used: NewTasks makes one.
type Tasks struct {
	owners   *otter.Cache[[32]byte, [32]byte] // :: hash of a server and a task's id → hash of whose it is
	searches *otter.Cache[[32]byte, struct{}] // :: hash of a caller, a session and a request's id that was a search for tools
}

// NewTasks knows of no task.
func NewTasks() *Tasks {
	return &Tasks{otter.Must(&otter.Options[[32]byte, [32]byte]{MaximumSize: maxTasks}), otter.Must(&otter.Options[[32]byte, struct{}]{MaximumSize: maxTasks})}
}

// searched remembers a search for tools, whose answer may be sent again on a stream that its caller opens.
func (t *Tasks) searched(c guard.Call, id string) { t.searches.Set(searchKey(c, id), struct{}{}) }

// search reports whether a request of the caller's session was a search for tools.
func (t *Tasks) search(c guard.Call, id string) bool {
	_, ok := t.searches.GetIfPresent(searchKey(c, id))
	return ok
}

func searchKey(c guard.Call, id string) [32]byte {
	return sha256.Sum256(append(belongs(ofSession, c), c.Message.Session+"\n"+id...))
}

func taskKey(c guard.Call, id string) [32]byte { return sha256.Sum256([]byte(c.Server + "\n" + id)) }

// made remembers for whom a task was made. An upstream that began anew may give an id again: the last one has it.
func (t *Tasks) made(c guard.Call, id string) {
	t.owners.Set(taskKey(c, id), sha256.Sum256(belongs(ofSession, c)))
}

// makesTask reports whether the answer with this id can be about a task that was made for the call: it answers what makes
// tasks, or comes on a stream that was opened again. What tells of a task, or lists them, makes nobody the owner.
func makesTask(c guard.Call, id string) bool {
	for _, op := range c.Message.Operations {
		if op.Kind == mcp.KindStream {
			return true
		}
		if op.Kind == mcp.KindRequest && op.ID == id {
			return mcp.ListedBy(op.Method) == "" && !strings.HasPrefix(op.Method, "tasks/")
		}
	}
	return false
}

// of reports whether a task is the caller's.
func (t *Tasks) of(c guard.Call, id string) bool {
	owner, ok := t.owners.GetIfPresent(taskKey(c, id))
	return ok && owner == sha256.Sum256(belongs(ofSession, c))
}

// ownTasks refuses a call about a task that is not the caller's, as if there were none.
func (s *Server) ownTasks(c guard.Call) error {
	for _, op := range c.Message.Operations {
		about := op.Also()
		if item, ok := op.Item(); ok {
			about = append(about[:len(about):len(about)], item)
		}
		for _, item := range about {
			if item.Kind == mcp.ItemTask && !s.c.Tasks.of(c, item.Name) {
				return noTask(c, op)
			}
		}
	}
	return nil
}

// noTask is the answer to a call about a task that is not the caller's. A method that 2026-07-28 has no more (SEP-2663) is
// unknown whatever it is about.
func noTask(c guard.Call, op mcp.Operation) error {
	if op.Method == "tasks/result" && c.Message.Revision == mcp.V20260728 {
		return &mcp.Error{Status: http.StatusNotFound, Code: mcp.MethodNotFound, Message: "revision " + string(c.Message.Revision) + " has no method tasks/result", ID: op.ID}
	}
	return &mcp.Error{Status: http.StatusForbidden, Code: mcp.InvalidParams, Message: "there is no such task", ID: op.ID}
}
