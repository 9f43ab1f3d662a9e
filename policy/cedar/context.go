package cedar

import (
	"net/netip"
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// subject is a caller as rules see it, built once for all that one request asks.
type subject struct {
	e      *Engine
	uid    cedar.EntityUID
	groups []cedar.EntityUID // that are said of it
	within []cedar.EntityUID // itself and everything that it is in
	caller token.Principal
	facts  policy.Facts
	entity *cedar.Entity // nil: no rule has looked at it yet
	action cedar.Entity  // what is done; it stands in no file
}

// maxGroups bounds the groups of a caller: each is looked up in every rule set.
const maxGroups = 1000

// subject is who calls. false: more is said of it than is looked at.
func (e *Engine) subject(r policy.Request) (subject, bool) {
	c := &r.Caller
	if len(c.Groups)+len(r.Facts.Groups) > maxGroups {
		return subject{}, false
	}
	s := subject{e: e, uid: e.principal(c, r.Facts), caller: c.Principal, facts: r.Facts}
	of := make([]cedar.EntityUID, 1, 1+len(c.Groups)+len(r.Facts.Groups))
	of[0] = s.uid
	for _, groups := range [][]string{c.Groups, r.Facts.Groups} {
		for _, g := range groups {
			of = append(of, cedar.NewEntityUID(typeGroup, cedar.String(g)))
		}
	}
	s.groups, s.within = of[1:], within(e.entities, of...)
	return s, true
}

// itself is the entity of the caller. Most rules name groups in their scope, which the index has matched, and never look at it.
func (s *subject) itself() cedar.Entity {
	if s.entity != nil {
		return *s.entity
	}
	static := s.e.entities[s.uid]
	attributes := cedar.RecordMap{}
	for name, v := range static.Attributes.All() {
		attributes[name] = v
	}
	if s.uid.Type == typeUser {
		s.e.attributes(attributes, s.facts)
	}
	attributes["issuer"], attributes["subject"] = cedar.String(s.caller.Issuer), cedar.String(s.caller.Subject)
	parents := slices.AppendSeq(slices.Clone(s.groups), static.Parents.All())
	s.entity = &cedar.Entity{UID: s.uid, Parents: cedar.NewEntityUIDSet(parents...), Attributes: cedar.NewRecord(attributes)}
	return *s.entity
}

// principal is the entity that a caller is. A subject is unique only under its issuer, so that of another issuer carries its
// name. Whoever calls an open server is User::"#anonymous".
func (e *Engine) principal(c *token.Caller, f policy.Facts) cedar.EntityUID {
	switch {
	case c.Subject != c.Client:
		return cedar.NewEntityUID(typeUser, cedar.String(e.named(c, c.Subject)))
	case f.Client.Workload:
		return cedar.NewEntityUID(typeWorkload, cedar.String(e.named(c, c.Client)))
	}
	return cedar.NewEntityUID(typeAgent, cedar.String(e.named(c, c.Client)))
}

// named is a name of the caller's issuer: as it is if that is our own.
func (e *Engine) named(c *token.Caller, name string) string {
	if c.Issuer == e.o.Issuer {
		return name
	}
	return c.Issuer + "#" + name
}

// attributes adds what is known of a person. What has another type than the bundle says is as good as absent.
func (e *Engine) attributes(to cedar.RecordMap, f policy.Facts) {
	if f.Name != "" {
		to["name"] = cedar.String(f.Name)
	}
	for name, kind := range e.manifest.Attributes {
		given, ok := f.Attributes[name]
		if !ok {
			continue
		}
		delete(to, cedar.String(name)) // what a file says is older
		if v, ok := attributeValue(kind, given); ok {
			to[cedar.String(name)] = v
		}
	}
}

func attributeValue(kind string, given any) (cedar.Value, bool) {
	switch v := given.(type) {
	case string:
		return cedar.String(v), kind == "String"
	case bool:
		return cedar.Boolean(v), kind == "Bool"
	case int64:
		return cedar.Long(v), kind == "Long"
	case []string:
		return texts(v), kind == "Set<String>"
	}
	return nil, false
}

func texts[S ~[]string](all S) cedar.Set {
	values := make([]cedar.Value, 0, 16) // few are, and then need no room of their own
	for _, s := range all {
		values = append(values, cedar.String(s))
	}
	return cedar.NewSet(values...)
}

// Get is an EntityGetter's.
func (s *subject) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	switch uid {
	case s.uid:
		return s.itself(), true
	case s.action.UID:
		return s.action, true
	}
	e, ok := s.e.entities[uid]
	return e, ok
}

// contextPlan is which members of the context's records are built: those that rules read.
type contextPlan struct {
	members                      []string // of the context itself
	token, delegation, net, time []string
}

func planContext(reads *reading) *contextPlan {
	return &contextPlan{
		members:    reads.of("token", "delegation", "net", "time", "accounts", "tool", "args"),
		token:      reads.member("token").of("issuer", "scopes", "acr", "auth_time", "auth_age", "age", "bound"),
		delegation: reads.member("delegation").of("human", "client", "evidence", "depth", "actors", "task"),
		net:        reads.member("net").of("ip"),
		time:       reads.member("time").of("now", "hour", "weekday"),
	}
}

// of are those of the members of a record that are read.
func (r *reading) of(members ...string) (read []string) {
	for _, name := range members {
		if r.member(name) != nil {
			read = append(read, name)
		}
	}
	return read
}

// context is what rules read of a request, with the arguments if they are given.
func (e *Engine) context(r *policy.Request, a *action, p *contextPlan, args *cedar.Record) cedar.Record {
	d := spareDrafts.Get().(*drafts)
	record := d.record(p.members, func(name string) cedar.Value {
		switch name {
		case "token":
			return d.record(p.token, func(name string) cedar.Value { return tokenMember(r, name) })
		case "delegation":
			return d.record(p.delegation, func(name string) cedar.Value { return e.delegation(r, name) })
		case "net":
			return d.record(p.net, func(string) cedar.Value { return address(r.Client) })
		case "time":
			return d.record(p.time, func(name string) cedar.Value { return timeMember(r.Now.UTC(), name) })
		case "accounts":
			return noAccounts
		case "tool":
			return a.hints
		case "args":
			if args != nil {
				return *args
			}
		}
		return nil
	})
	spareDrafts.Put(d)
	return record
}

// noAccounts are the accounts that a person has linked: nothing fills them.
var noAccounts cedar.Value = cedar.NewSet()

func tokenMember(r *policy.Request, name string) cedar.Value {
	c, now := &r.Caller, r.Now
	switch name {
	case "issuer":
		return cedar.String(c.Issuer)
	case "scopes":
		return texts(c.Scopes)
	case "age":
		return cedar.NewDuration(max(0, now.Sub(c.Issued)))
	case "bound":
		return cedar.Boolean(c.Key != "")
	}
	switch {
	case name == "acr" && c.ACR != "":
		return cedar.String(c.ACR)
	case name == "auth_time" && !c.Authenticated.IsZero():
		return cedar.NewDatetime(c.Authenticated)
	case name == "auth_age" && !c.Authenticated.IsZero():
		return cedar.NewDuration(max(0, now.Sub(c.Authenticated)))
	}
	return nil
}

func timeMember(now time.Time, name string) cedar.Value {
	switch name {
	case "now":
		return cedar.NewDatetime(now)
	case "hour":
		return cedar.Long(now.Hour())
	case "weekday":
		return cedar.String(now.Weekday().String())
	}
	return nil
}

// address is where a call comes from; nil: it is not known.
func address(client netip.Addr) cedar.Value {
	if !client.IsValid() {
		return nil
	}
	ip := client.Unmap().WithZone("")
	return types.IPAddr(netip.PrefixFrom(ip, ip.BitLen()))
}

// delegation is who acts for whom. Only hops that a token of a verified issuer names are here.
func (e *Engine) delegation(r *policy.Request, name string) cedar.Value {
	c := &r.Caller
	agent := func(client string) cedar.Value {
		return cedar.NewEntityUID(typeAgent, cedar.String(e.named(c, client)))
	}
	switch name {
	case "human":
		return cedar.Boolean(human(c))
	case "client":
		return agent(c.Client)
	case "depth":
		return cedar.Long(len(c.Chain))
	case "evidence":
		return texts(evidence(c, r.Facts.Client))
	case "actors":
		actors := []cedar.Value{agent(c.Client)}
		for _, a := range c.Chain {
			if a.Client != "" {
				actors = append(actors, agent(a.Client))
			}
		}
		return cedar.NewSet(actors...)
	}
	if name == "task" && c.Task != nil {
		return cedar.String(c.Task.ID)
	}
	return nil
}

// human reports whether a person stands behind a call. Our own tokens for a client alone have it as their subject. How others
// write them differs, so that of theirs only those count that say when the person signed in. Whoever calls an open server has no
// token and no client, and may be anybody or anything.
func human(c *token.Caller) bool {
	return c.Client != "" && c.Subject != c.Client && (!c.Foreign || !c.Authenticated.IsZero())
}

// What evidence there is of who a client is.
const (
	evidenceKey      = "dpop"          // the token is bound to a key
	evidenceSecret   = "authenticated" // it proves itself by a secret or a key
	evidenceListed   = "listed"        // it is the operator's
	evidenceDocument = "document"      // it has metadata at an https address of its own
)

// evidence is how it is known who the client is; nothing: its name is its own word. What is registered says nothing of clients of
// other issuers.
func evidence(c *token.Caller, f policy.ClientFacts) (all []string) {
	if c.Key != "" {
		all = append(all, evidenceKey)
	}
	if c.Foreign {
		return all
	}
	if f.Authenticates {
		all = append(all, evidenceSecret)
	}
	switch f.Source {
	case oauth.Listed:
		all = append(all, evidenceListed)
	case oauth.Document:
		all = append(all, evidenceDocument)
	}
	return all
}
