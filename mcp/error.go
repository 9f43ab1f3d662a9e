package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// JSON-RPC error codes, as JSON-RPC 2.0 §5.1 and the MCP schema define them.
const (
	ParseError     = -32700
	InvalidRequest = -32600
	MethodNotFound = -32601
	InvalidParams  = -32602
	InternalError  = -32603

	HeaderMismatch      = -32020 // 2026-07-28 only
	UnsupportedRevision = -32022

	// Denied is the code of a denial of ours, outside the ranges that the specification reserves (TR-ERR-RESERVED).
	Denied = 40300
)

// Error is a refusal of Read: an HTTP status and a JSON-RPC error. Its text is fit for the client. A 405 is answered with an Allow field too.
type Error struct {
	Status  int
	Code    int
	Message string
	ID      string // of the request, as Operation.ID; empty: not readable, or of a batch
	Data    any    // nil: none
}

func (e *Error) Error() string { return "reading an MCP message: " + e.Message }

// Body returns the answer's JSON-RPC body.
func (e *Error) Body() []byte { return ErrorBody(e.ID, e.Code, e.Message, e.Data) }

func (e *Error) about(id string) *Error { e.ID = id; return e }

func refuse(status, code int, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrorBody returns a JSON-RPC error response to the request with this id, which is an Operation.ID. With an empty id it has none, as the
// transport asks for an error that answers no request. data becomes the data member, and nil leaves it out, as does what is no JSON.
func ErrorBody(id string, code int, message string, data any) []byte {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0",`)
	if id != "" {
		b.WriteString(`"id":` + id + `,`)
	}
	b.WriteString(`"error":{"code":` + strconv.Itoa(code) + `,"message":`)
	text, _ := json.Marshal(message) // a string always has a JSON form
	b.Write(text)
	if data != nil {
		if text, err := json.Marshal(data); err == nil {
			b.WriteString(`,"data":`)
			b.Write(text)
		}
	}
	b.WriteString(`}}`)
	return b.Bytes()
}
