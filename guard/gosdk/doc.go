// Package gosdk puts a guard before servers that are made with the official Go SDK of MCP
// (github.com/modelcontextprotocol/go-sdk), in place of its auth.RequireBearerToken:
//
//	server := mcp.NewServer(…)
//	server.AddReceivingMiddleware(gosdk.Middleware(g))
//	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
//	http.Handle("/mcp", gosdk.Protect(g, handler))
//
// Protect decides before the SDK sees a message. So a tool for which a token has too little scope is answered 403 with a
// challenge that names what is missing, and clients ask for it: the SDK, whose answer has begun by the time that it knows the
// tool, cannot. What the SDK and tools written for it expect is there: auth.TokenInfoFromContext in the request's context,
// Extra.TokenInfo in each of its requests, and a session that only its own person's requests reach.
//
// Middleware shows in lists what the caller may use, and gives handlers the call with guard.From. A session's handlers all run
// under the context of its first request: without Middleware, guard.From would find that one's caller and scopes, so Protect
// has it find nothing.
//
// It does not verify tokens or keep sessions itself: guard and the SDK do.
package gosdk
