package demo

import (
	"net/http"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// sessionIdle ends sessions that nobody has used: clients often go without a DELETE.
const sessionIdle = time.Hour

// withSessions are the revisions that have sessions. A request without the header belongs to them: its initialize says which.
var withSessions = []string{"", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// Handler returns a demo server with a list of users of its own. It answers on every path. Its state is gone with it.
func Handler() http.Handler {
	server := newServer()
	serve := func(*http.Request) *mcp.Server { return server }
	old := mcp.NewStreamableHTTPHandler(serve, &mcp.StreamableHTTPOptions{SessionTimeout: sessionIdle})
	// The go-sdk speaks 2026-07-28 in its stateless mode only, and that mode has no GET stream and no sessions for the older ones.
	stateless := mcp.NewStreamableHTTPHandler(serve, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(withSessions, r.Header.Get("Mcp-Protocol-Version")) {
			old.ServeHTTP(w, r)
			return
		}
		stateless.ServeHTTP(w, r)
	})
}

func newServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "doorward-demo", Title: "Doorward demo", Version: "1"}, &mcp.ServerOptions{
		Instructions: "A server to try Doorward with. whoami tells who Doorward says is calling.",
	})
	u := newUsers()
	mcp.AddTool(s, whoamiTool(), whoami)
	mcp.AddTool(s, addTool(), add)
	mcp.AddTool(s, slowTool(), slow)
	mcp.AddTool(s, deleteUserTool(), u.delete)
	addWelcome(s)
	u.addResource(s)
	addPrompt(s)
	return s
}

func no() *bool { b := false; return &b }

func yes() *bool { b := true; return &b }
