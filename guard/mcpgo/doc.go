// Package mcpgo puts a guard before servers that are made with github.com/mark3labs/mcp-go:
//
//	notes := server.NewMCPServer("notes", "1", mcpgo.WithGuard(g), server.WithHooks(mcpgo.Hooks(g, nil)))
//	http.Handle("/mcp", g.Protect(server.NewStreamableHTTPServer(notes)))
//
// Protect decides before the server sees a message, so that a tool for which a token has too little scope is answered 403 with a
// challenge that names what is missing; a session belongs to the person and client that began it. Handlers find the call with
// guard.From in their context. WithGuard and Hooks leave out of lists what the caller may not use.
//
// It is a module of its own, so that guard requires no server library. It does not verify tokens or keep sessions itself, and
// does nothing for the transports of mcp-go over stdio and the old SSE: there is no request there that guard could judge.
package mcpgo
