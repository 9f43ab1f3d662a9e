package authzen

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// read is a question as a request. Besides what the default mappings say, subject.properties may have issuer, name, groups, scopes,
// acr, auth_time and attributes; resource.properties server and arguments; context ip. Everything else is ignored. A name that
// stands twice is refused (RFC 8259 §4 leaves open which one counts).
func (h Handler) read(body []byte) (r policy.Request, err error) {
	var e evaluation
	if err := json.Unmarshal(body, &e); err != nil {
		return r, oauth.InvalidRequest("body", "the body is no access evaluation request: subject, action and resource as JSON")
	}
	q := question{h: h, e: e}
	r = policy.Request{Now: h.Now(), Server: q.server(), Operation: q.operation(), Caller: q.caller(), Facts: q.facts(), Client: q.ip()}
	if q.wrong != "" {
		return policy.Request{}, oauth.InvalidRequest("question", q.wrong)
	}
	return r, nil
}

// question reads an evaluation, and notes the first thing that is wrong with it.
type question struct {
	h     Handler
	e     evaluation
	wrong string
}

func (q *question) refuse(format string, a ...any) {
	if q.wrong == "" {
		q.wrong = fmt.Sprintf(format, a...)
	}
}

// member reads one of properties into v, if it is there.
func (q *question) member(where string, from map[string]jsontext.Value, name string, v any) {
	if raw, ok := from[name]; ok {
		if err := json.Unmarshal(raw, v); err != nil {
			q.refuse("%s.%s has another type", where, name)
		}
	}
}

func (q *question) subject(name string, v any) {
	q.member("subject.properties", q.e.Subject.Properties, name, v)
}

func (q *question) server() string {
	var name string
	q.member("resource.properties", q.e.Resource.Properties, "server", &name)
	if name == "" && q.e.Resource.Type == typeServer {
		name = q.e.Resource.ID
	}
	resource, ok := q.h.Server(name)
	if !ok {
		q.refuse("it is not said which server the question is about: resource.properties.server")
	}
	return resource
}

// kinds are what the types of resources are to MCP.
var kinds = map[string]string{typeTool: mcp.ItemTool, typePrompt: mcp.ItemPrompt, typeResource: mcp.ItemResource, typeTask: mcp.ItemTask}

func (q *question) operation() mcp.Operation {
	method, kind := q.e.Action.Name, kinds[q.e.Resource.Type]
	how := methods[method]
	switch {
	case method == "":
		q.refuse("action.name is missing: a method of MCP")
	case how == unknown:
		q.refuse("nothing is known of the method %.60q", method)
	case how != ofItem:
		return mcp.Operation{Kind: mcp.KindRequest, Method: method}
	case kind == "" || q.e.Resource.ID == "":
		q.refuse("resource is not what the method is about: a tool, prompt, resource or task with its id")
	}
	op := mcp.Item{Kind: kind, Name: q.e.Resource.ID}.Use()
	if kind != mcp.ItemTask && op.Method != method && method != "completion/complete" && (kind != mcp.ItemResource || how != ofItem) {
		q.refuse("%s is not about a %s", method, q.e.Resource.Type)
	}
	op.Method = method
	if args := q.e.Resource.Properties["arguments"]; args != nil {
		if args.Kind() != '{' {
			q.refuse("resource.properties.arguments is no object")
		}
		op.Args = args
	}
	return op
}

// caller is who is asked about. It is what whoever asks says, and nothing that was verified here.
func (q *question) caller() (c token.Caller) {
	c.Issuer, c.Subject = q.h.Issuer, q.e.Subject.ID
	if c.Subject == "" {
		q.refuse("subject.id is missing")
	}
	if q.subject("issuer", &c.Issuer); c.Issuer == "" {
		q.refuse("subject.properties.issuer is empty")
	}
	q.subject("groups", &c.Groups)
	q.subject("acr", &c.ACR)
	var scopes []string
	q.subject("scopes", &scopes)
	c.Scopes, c.Foreign = oauth.NewScopes(scopes...), c.Issuer != q.h.Issuer
	var at int64
	if q.subject("auth_time", &at); at > 0 {
		c.Authenticated = time.Unix(at, 0)
	}
	c.Issued = q.h.Now()
	q.member("context", q.e.Context, "agent", &c.Client)
	if c.Client == "" && q.e.Subject.Type != typeIdentity && q.e.Subject.Type != "user" {
		c.Client = c.Subject // it calls for itself
	}
	if c.Client == "" {
		q.refuse("context.agent is missing: the client that calls for the subject")
	}
	return c
}

func (q *question) facts() (f policy.Facts) {
	q.subject("name", &f.Name)
	var all map[string]jsontext.Value
	q.subject("attributes", &all)
	for name, raw := range all {
		var text string
		var list []string
		var yes bool
		var n int64
		if f.Attributes == nil {
			f.Attributes = map[string]any{}
		}
		switch {
		case json.Unmarshal(raw, &text) == nil:
			f.Attributes[name] = text
		case json.Unmarshal(raw, &list) == nil:
			f.Attributes[name] = list
		case json.Unmarshal(raw, &yes) == nil:
			f.Attributes[name] = yes
		case json.Unmarshal(raw, &n) == nil:
			f.Attributes[name] = n
		}
	}
	return f
}

func (q *question) ip() (at netip.Addr) {
	var given string
	if q.member("context", q.e.Context, "ip", &given); given != "" {
		var err error
		if at, err = netip.ParseAddr(given); err != nil {
			q.refuse("context.ip is no address")
		}
	}
	return at
}
