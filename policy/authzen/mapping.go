package authzen

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// What is known of a method by the default mappings.
type mapped int

const (
	unknown  mapped = iota // denied: what a later revision brings is not let through by nobody's having thought of it
	passed                 // allowed without a question
	ofServer               // about the server as a whole
	ofItem                 // about what the message names
)

// methods are the default mappings of COAZ-MCP, Default Mappings. What 2026-07-28 has in the place of older methods is mapped as
// they are: server/discover as initialize, subscriptions/listen as a list (docs/divergences.md).
var methods = map[string]mapped{
	"ping":       passed,
	"initialize": ofServer, "server/discover": ofServer, "tools/list": ofServer, "prompts/list": ofServer, "resources/list": ofServer,
	"resources/templates/list": ofServer, "tasks/list": ofServer, "logging/setLevel": ofServer, "subscriptions/listen": ofServer,
	"tools/call": ofItem, "prompts/get": ofItem, "resources/read": ofItem, "resources/subscribe": ofItem, "resources/unsubscribe": ofItem,
	"completion/complete": ofItem, "tasks/get": ofItem, "tasks/result": ofItem, "tasks/cancel": ofItem, "tasks/update": ofItem,
}

// types are what items are called.
var types = map[string]string{mcp.ItemTool: typeTool, mcp.ItemPrompt: typePrompt, mcp.ItemResource: typeResource, mcp.ItemTemplate: typeResource, mcp.ItemTask: typeTask}

// ask is the evaluation of a request.
func ask(r policy.Request) (e evaluation, how mapped) {
	op := r.Operation
	how = methods[op.Method]
	switch {
	case op.Kind == mcp.KindStream, op.Kind == mcp.KindEnd, op.Kind == mcp.KindResponse: // no message of the client's own
		how = passed
	case strings.HasPrefix(op.Method, "notifications/"): // one with an id is a request of a method that nobody knows
		how = unknown
		if op.Kind == mcp.KindNotification {
			how = passed
		}
	}
	if how == unknown || how == passed {
		return e, how
	}
	// Subject.id is that of the token that was verified, never what a message says.
	e = evaluation{Subject: entity{Type: typeIdentity, ID: named(r.Caller, r.Caller.Subject)}, Action: action{Name: op.Method},
		Context: map[string]jsontext.Value{"agent": quoted(named(r.Caller, r.Caller.Client))}}
	e.Resource = entity{Type: typeServer, ID: r.Server}
	if how == ofItem {
		item, ok := op.Item()
		if !ok || types[item.Kind] == "" {
			return e, unknown
		}
		// The binding thinks of one server; here, those of several may have the same names.
		e.Resource = entity{Type: types[item.Kind], ID: item.Name, Properties: map[string]jsontext.Value{"server": quoted(r.Server)}}
	}
	return e, how
}

// named is a name of the caller's issuer: as it is if that is our own. A subject is unique only under its issuer, and whoever runs
// another could give somebody the name of one of ours.
func named(c token.Caller, name string) string {
	if !c.Foreign {
		return name
	}
	return c.Issuer + "#" + name
}

// quoted is a text as JSON. What is not UTF-8, which no claim of a verified token is, becomes what it is replaced by.
func quoted(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd"))
	if err != nil {
		panic("authzen: valid UTF-8 cannot fail to be quoted: " + err.Error())
	}
	return b
}
