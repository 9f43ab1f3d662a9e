// Package gateway puts guard, audit and upstream credentials before MCP servers that have none of it.
// The path of a request is Server.serve, in serve.go, from top to bottom.
//
// What goes to the upstream is the body that was judged, byte for byte, with headers from a list: never the caller's
// token, never a cookie, never a query. What comes back is streamed as it comes; the message that ends the answer is held
// until the outcome is recorded. An upstream that breaks off is seen as broken off: the connection is aborted, so that
// half an answer cannot be taken for a whole one. Of an answer's headers, too, only those on a list are passed on. Lists
// come without what the caller may not use, and not at all if they cannot be read; sessions and tasks are of whoever began
// them.
//
// An upstream over HTTP is a Pool of equal ones. What it gets in place of the caller's token is a Credential: nothing, headers
// of its own, who calls (Caller), or Tokens that are asked for elsewhere. What goes wrong behind the gateway is a fault
// with a code that stays (fault.go). The package speaks to no authorization server itself: provider does.
package gateway
