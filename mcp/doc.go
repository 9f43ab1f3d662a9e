// Package mcp reads as much of the MCP wire as authorization needs: revision, headers, methods, names, arguments, and which answer is the
// final one. It does no I/O and knows no HTTP server: headers come in as a textproto.MIMEHeader.
//
// [Read] takes one HTTP request's worth of MCP whole, and refuses what two readers could understand differently: invalid UTF-8, a name that
// stands twice in one object at any depth, a name that differs only by case from one that is judged, trailing data, a charset other than
// UTF-8, headers of 2026-07-28 that disagree with the body. What it accepts is forwarded byte for byte, so that what was judged is what runs.
// Answers are not judged: [Events] and [Response] read them without altering a byte. Lists alone are altered, by whoever knows what their
// reader may use: [ReadListing] reads them as strictly as a request, and leaves out items without touching what stays. [Scan] finds lists
// where none was asked for.
//
// It decides nothing about who may do what, resolves no tool schema (so it does not compare Mcp-Param headers, which only a reader of the
// schema can recognise), and does not know which methods a server has.
package mcp
