package cedar

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// Given is a caller as a test or an operator describes it. The zero Given is a person nobody knows, through a client nobody knows.
type Given struct {
	User       string         `json:"user,omitempty"`     // the person; empty, with Agent and Workload empty too: "somebody"
	Agent      string         `json:"agent,omitempty"`    // a client that calls for itself
	Workload   string         `json:"workload,omitempty"` // as Agent, known by the platform that runs it
	Issuer     string         `json:"issuer,omitempty"`   // of the token; empty: our own authorization server
	Client     string         `json:"client,omitempty"`   // that calls for User; empty: "some-client"
	Name       string         `json:"name,omitempty"`
	Groups     []string       `json:"groups,omitempty"`
	Scopes     []string       `json:"scopes,omitempty"`
	ACR        string         `json:"acr,omitempty"`
	AuthAge    string         `json:"auth_age,omitempty"` // how long ago the person signed in, such as 5m; empty: not said
	Age        string         `json:"age,omitempty"`      // of the token; empty: 0s
	Human      *bool          `json:"human,omitempty"`    // false: the client of User calls for itself; nil: true
	Evidence   []string       `json:"evidence,omitempty"` // dpop, authenticated, listed or document
	Attributes map[string]any `json:"attributes,omitempty"`
	IP         string         `json:"ip,omitempty"`
	Time       string         `json:"time,omitempty"`   // RFC 3339; empty: a Monday at noon, 2026-01-05T12:00:00Z
	Actors     []string       `json:"actors,omitempty"` // clients that act besides Client, the current one first
	Task       string         `json:"task,omitempty"`
}

// Call is a call as a test or an operator describes it. Exactly one of Tool, Prompt, Resource and Method is given.
type Call struct {
	Server   string         `json:"server,omitempty"` // the name that the bundle has for it
	Tool     string         `json:"tool,omitempty"`
	Prompt   string         `json:"prompt,omitempty"`
	Resource string         `json:"resource,omitempty"` // an address
	Method   string         `json:"method,omitempty"`   // anything else of the protocol, such as ping
	Args     jsontext.Value `json:"args,omitempty"`
}

// Described is a call that nobody made, by a caller that no token stands for. It is for asking what would come of it.
type Described struct {
	Given
	Call
}

// noon is the time of a call that says none: a working day, at noon.
var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// request is what an enforcement point would ask for such a call. The error says what of the description makes no sense.
func (e *Engine) request(d Described) (policy.Request, error) {
	op, err := d.operation()
	if err != nil {
		return policy.Request{}, err
	}
	r, err := e.caller(d.Given)
	if err != nil {
		return r, err
	}
	r.Operation = op
	if r.Server, err = e.resourceOf(d.Server); err != nil {
		return r, err
	}
	return r, nil
}

// resourceOf is the identifier of a server by the bundle's name for it, or by itself.
func (e *Engine) resourceOf(name string) (string, error) {
	for resource, s := range e.servers {
		if s.name == name || resource == name {
			return resource, nil
		}
	}
	return "", fmt.Errorf("server: the bundle names no server %q", name)
}

func (c Call) operation() (mcp.Operation, error) {
	var items []mcp.Item
	for kind, name := range map[string]string{mcp.ItemTool: c.Tool, mcp.ItemPrompt: c.Prompt, mcp.ItemResource: c.Resource} {
		if name != "" {
			items = append(items, mcp.Item{Kind: kind, Name: name})
		}
	}
	switch {
	case len(items) == 1 && c.Method == "":
		op := items[0].Use()
		op.Args = c.Args
		if c.Args != nil && (c.Args.Kind() != '{' || c.Resource != "") {
			return op, fmt.Errorf("args: they are a JSON object, of a tool or a prompt")
		}
		return op, nil
	case len(items) == 0 && c.Method != "" && c.Args == nil:
		return mcp.Operation{Kind: mcp.KindRequest, Method: c.Method}, nil
	}
	return mcp.Operation{}, fmt.Errorf("call: it is of one tool, prompt, resource or method, the first two with args if they have any")
}

// caller is the part of a request that a described caller makes.
func (e *Engine) caller(g Given) (r policy.Request, err error) {
	r.Now = noon
	if g.Time != "" {
		if r.Now, err = time.Parse(time.RFC3339, g.Time); err != nil {
			return r, fmt.Errorf("time: it is not like 2026-01-05T12:00:00Z")
		}
	}
	if g.IP != "" {
		if r.Client, err = netip.ParseAddr(g.IP); err != nil {
			return r, fmt.Errorf("ip: it is no address")
		}
	}
	c := &r.Caller
	c.Issuer, c.Foreign = e.o.Issuer, g.Issuer != "" && g.Issuer != e.o.Issuer
	if c.Foreign {
		c.Issuer = g.Issuer
	}
	if err := g.identify(c, &r.Facts); err != nil {
		return r, err
	}
	c.Groups, c.Scopes, c.ACR = g.Groups, oauth.NewScopes(g.Scopes...), g.ACR
	c.Issued = r.Now
	if g.Age != "" {
		age, err := time.ParseDuration(g.Age)
		if err != nil || age < 0 {
			return r, fmt.Errorf("age: it is no span of time, such as 5m")
		}
		c.Issued = r.Now.Add(-age)
	}
	c.Expires = r.Now.Add(time.Minute)
	if err := g.signedIn(c, r.Now); err != nil {
		return r, err
	}
	for _, actor := range g.Actors {
		c.Chain = append(c.Chain, token.Actor{Principal: token.Principal{Issuer: c.Issuer, Subject: actor}, Client: actor, How: "described"})
	}
	if g.Task != "" {
		c.Task = &token.Task{ID: g.Task, Expires: c.Expires}
	}
	r.Facts.Name = g.Name
	if r.Facts.Attributes, err = e.attributesOf(g); err != nil {
		return r, err
	}
	return r, g.proven(c, &r.Facts.Client)
}

// attributesOf are the attributes of a described person in the types that the bundle gives them; text is made what it should be.
func (e *Engine) attributesOf(g Given) (map[string]any, error) {
	all := map[string]any{}
	for name, v := range g.Attributes {
		kind, known := e.manifest.Attributes[name]
		if !known && e.manifest.ID != "" { // without a bundle there is nothing to hold it against
			return nil, fmt.Errorf("attributes: bundle.yaml has no attribute %q%s", name, meant(name, slices.Sorted(maps.Keys(e.manifest.Attributes))))
		}
		if text, ok := v.(string); ok {
			v = attributeOf(kind, text)
		}
		if _, ok := attributeValue(kind, v); !ok && known {
			return nil, fmt.Errorf("attributes: %s is not of the type %s", name, kind)
		}
		all[name] = v
	}
	return all, nil
}

// attributeOf is a text as a value of a type, or the text.
func attributeOf(kind, text string) any {
	switch kind {
	case "Long":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case "Bool":
		if text == "true" || text == "false" {
			return text == "true"
		}
	case "Set<String>":
		return strings.FieldsFunc(text, func(c rune) bool { return c == ',' })
	}
	return text
}

// identify says who the subject is and who the client.
func (g Given) identify(c *token.Caller, f *policy.Facts) error {
	given := 0
	for _, name := range []string{g.User, g.Agent, g.Workload} {
		if name != "" {
			given++
		}
	}
	if given > 1 || given == 1 && g.User == "" && g.Client != "" {
		return fmt.Errorf("given: a call is by a user through a client, or by an agent or a workload for itself")
	}
	switch {
	case g.Agent != "":
		c.Subject, c.Client = g.Agent, g.Agent
	case g.Workload != "":
		c.Subject, c.Client, f.Client.Workload = g.Workload, g.Workload, true
	default:
		c.Subject, c.Client = orElse(g.User, "somebody"), orElse(g.Client, "some-client")
	}
	if g.Human == nil {
		return nil
	}
	switch {
	case *g.Human && (g.Agent != "" || g.Workload != ""):
		return fmt.Errorf("human: no person stands behind an agent or a workload that calls for itself")
	case !*g.Human && !c.Foreign: // our own tokens for a client alone have it as their subject
		c.Subject = c.Client
	}
	return nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// signedIn says when the person signed in. Of another issuer's tokens only those are a person's that say it.
func (g Given) signedIn(c *token.Caller, now time.Time) error {
	if c.Subject == c.Client || g.Human != nil && !*g.Human { // nobody did
		return nil
	}
	switch {
	case g.AuthAge != "":
		age, err := time.ParseDuration(g.AuthAge)
		if err != nil || age < 0 {
			return fmt.Errorf("auth_age: it is no span of time, such as 5m")
		}
		c.Authenticated = now.Add(-age)
	case c.Foreign:
		c.Authenticated = now
	}
	return nil
}

// proven says how it is known who the client is.
func (g Given) proven(c *token.Caller, f *policy.ClientFacts) error {
	for _, how := range g.Evidence {
		switch how {
		case "dpop":
			c.Key = "described"
		case "authenticated":
			f.Authenticates = true
		case "listed":
			f.Source = oauth.Listed
		case "document":
			f.Source = oauth.Document
		default:
			return fmt.Errorf("evidence: there is no %q: dpop, authenticated, listed and document are", how)
		}
	}
	if slices.Contains(g.Evidence, "listed") && slices.Contains(g.Evidence, "document") {
		return fmt.Errorf("evidence: a client is listed, or known by its document, not both")
	}
	return nil
}

// String is the description on one line, as JSON and as a case of tests can have it.
func (d Described) String() string {
	b, err := json.Marshal(struct {
		Given Given `json:"given"`
		Call  Call  `json:"call"`
	}{d.Given, d.Call})
	if err != nil {
		return err.Error()
	}
	return string(b)
}
