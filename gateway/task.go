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

// Tasks knows whose the tasks of any number of servers are, and what must be known of requests whose answers come late, in
// memory alone. It is safe for concurrent use. The zero Tasks cannot be used: NewTasks makes one.
type Tasks struct {
	owners *otter.Cache[[32]byte, owned] // :: hash of a server and a task's id → whose it is
	memory
}

// owned is a task of somebody.
type owned struct {
	by     [32]byte       // hash of whose it is
	redact *mcp.Redaction // what is taken out of what is told of it
}

// NewTasks knows of no task.
func NewTasks() *Tasks {
	return &Tasks{otter.Must(&otter.Options[[32]byte, owned]{MaximumSize: maxTasks}), newMemory()}
}

func taskKey(c guard.Call, id string) [32]byte { return sha256.Sum256([]byte(c.Server + "\n" + id)) }

// made remembers for whom a task was made, and what is taken out of its result. An upstream that began anew may give an id
// again: the last one has it.
func (t *Tasks) made(c guard.Call, id string, r *mcp.Redaction) {
	by := sha256.Sum256(belongs(ofSession, c))
	if was, ok := t.owners.GetIfPresent(taskKey(c, id)); ok && was.by == by {
		r = r.With(was.redact) // whoever has a task told of again in another answer frees it of nothing
	}
	t.owners.Set(taskKey(c, id), owned{by, r})
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
	task, ok := t.owners.GetIfPresent(taskKey(c, id))
	return ok && task.by == sha256.Sum256(belongs(ofSession, c))
}

// redaction is what is taken out of what is told of a task.
func (t *Tasks) redaction(c guard.Call, id string) *mcp.Redaction {
	task, _ := t.owners.GetIfPresent(taskKey(c, id))
	return task.redact
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
