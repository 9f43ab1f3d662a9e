// Package stdio makes an MCP server that speaks stdio look like an upstream over HTTP: a [Pool] starts its processes and stops them, and
// gives an http.RoundTripper for each message. It judges nobody: caller and message have been verified and judged before.
//
// # Who gets which process
//
// Where the revision has sessions, each initialize starts a process and is answered with a fresh Mcp-Session-Id. A session belongs to the
// principal and client that began it; an id that is unknown, has ended or belongs to somebody else is answered with the same 404. In
// 2026-07-28, which has no sessions, a caller (principal and client) has a process, and more of them only while ids collide: a request whose
// id is already in flight on one process goes to another of the same caller. An id that was cancelled counts as in flight until it is
// answered, at most 30 s, so that a late answer cannot be taken for another request's. No process is shared between two callers.
//
// So it is for the zero Isolation. With the others, callers share a process: all clients of a person, or everybody. A process is initialized
// once, by the first that comes; who comes after with the same revision and the same capabilities is given what it answered, under a session
// id of their own, and who comes with others gets another process. Requests without initialize share one besides. On a shared process:
//
//   - Requests, tokens of progress and what is cancelled are called by names of ours that nobody can guess. The server's answers, progress and
//     messages of subscriptions get the client's names back, and go to the request that they name.
//   - Whatever else the server says goes nowhere, but for list_changed, which in our words goes to all who listen. Its requests are answered
//     with an error, ping with a result: nobody can tell whom they ask. So nothing that a client answers goes to it.
//   - What is not strict JSON is dropped, because two readers might read different names in it.
//   - Ending a session ends no process. It ends by being idle.
//
// At most Max processes exist, and PerPerson that one principal has begun. For one more, the one that has been idle longest is ended; when
// none is idle, the answer is 503 with Retry-After. A process is idle when no request is in flight on it and no GET stream is open. A process that dies before it has said
// anything makes its principal wait before the next start, from 1 s doubling up to 30 s; meanwhile the answer is 502 with Retry-After.
//
// # What is changed on the way in
//
// One message is one line (MCP, stdio transport). The judged bytes go to the process as they are, with these exceptions:
//
//   - The caller assertion, from the Doorward-Caller header of the request, becomes the first member of params._meta of each request, named
//     io.github.doorward-mcp/caller. Missing params and _meta are made, at the front of their object. A member of that name that came in, in
//     whatever case or escaping, is removed, from notifications and from results too.
//
//   - A raw \n or \r, which JSON allows between tokens, becomes a space. In strings, U+0085, U+2028 and U+2029 are escaped: JSON allows them
//     raw, some servers' line readers end a line at them, and the rest of the string would be read as a message that nobody judged.
//
//   - On a shared process, the names above.
//
// # What comes back
//
// A POST whose responses are the first to arrive is answered with application/json, otherwise with text/event-stream: what belongs to the
// request as it comes, then the responses, then the end. A progress notification belongs to the request with its token, and a message of a
// subscription to the request that opened it. Requests and log messages of the server carry no such mark: they belong to the only request in
// flight. Everything else goes to the GET stream, and waits for one within bounds, the oldest being dropped; a request of the server which
// finds several requests in flight and no GET stream open goes to the newest of them, so that it can be answered at all. 2026-07-28 has no
// GET stream: there, what belongs to no request is dropped, and a request of the server is answered with an error.
//
// A process that dies leaves each request in flight with a JSON-RPC error, or, if its stream has begun, with a stream that breaks off.
// A request whose context ends is cancelled at the process with notifications/cancelled.
//
// # What a process may do
//
// It inherits no environment but what is listed. On Linux it never gains privileges, and leaves no core file; it can run as another user, in
// a sandbox (Landlock for files, seccomp for the network), and be bounded in memory, processes and files. Where the system has none of that,
// Check says so, and no process is started.
//
// A process that has not spoken yet is starting: requests with a progress token are told so each second, until Start is over.
//
// # What is not here
//
// Streams cannot be resumed with Last-Event-ID. Session ids name a process of this pool: replicas do not know each other's. A child that
// leaves the process group and outlives its parent is not ended. When we are killed, Linux kills the processes that we started with us; their own
// children, and all of them on other systems, see their standard input close.
package stdio
