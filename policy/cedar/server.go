package cedar

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/doorward-mcp/doorward/mcp"
)

// server is one server of a bundle, with everything that can be done at it.
type server struct {
	name      string
	any       bool // definitions need not be accepted
	accepted  *Definitions
	actions   map[mcp.Item]*action   // :: kind and name → action
	connect   *action                // the protocol itself
	templates []*action              // of actions, those of templates
	address   *action                // a resource that no template makes
	unseen    []*action              // what stands for items that nobody named, where they need not be accepted
	make      func(mcp.Item) *action // of an item that nobody accepted, without rules
	ruled     func(*action)          // gives an action its rules

	inOrder   []*action // all but connect
	openReads *reading  // what rules read of the context of some action, its arguments left open
	openPlan  *contextPlan

	alike sync.Map     // :: kind and groups → *action of some item that nobody named: rules tell the others of the kind by nothing else
	kinds atomic.Int64 // how many are in alike
}

// maxAlike bounds what is kept of names that anybody may ask for: a bundle would need as many toolsets to have more.
const maxAlike = 1000

// find is the action of an item; nil: there is none, or it has a name that none has.
func (s *server) find(item mcp.Item) *action {
	item.Definition = mcp.Hash{}
	if a := s.actions[item]; a != nil || !s.any {
		return a
	}
	if item.Name == "" || item.Name == "*" || len(item.Name) > maxName {
		return nil
	}
	return s.unnamed(item)
}

// unnamed is the action of an item that no rule names. Callers make such names up, so that none of them costs a look at every rule,
// nor is kept: see TestNamesThatCallersMakeUp.
func (s *server) unnamed(item mcp.Item) *action {
	a := s.make(item)
	key := item.Kind + " " + strings.Join(a.groups, " ")
	if like, ok := s.alike.Load(key); ok {
		same := *like.(*action)
		same.id, same.item, same.known = a.id, a.item, a.known
		return &same
	}
	s.ruled(a)
	if s.kinds.Load() < maxAlike {
		s.kinds.Add(1)
		s.alike.Store(key, a)
	}
	return a
}

// accepts reports whether a definition of what an operation uses is one that the operator accepted.
func (s *server) accepts(item mcp.Item) bool {
	return s.any || s.accepted != nil && s.accepted.Accepts(item)
}

// maxAddress bounds the address of a resource: each is held against every template, in several spellings.
const maxAddress = 64 << 10

// addressed are the actions that the use of an address could be.
func (s *server) addressed(address string) (all []*action) {
	for _, a := range s.templates {
		if a.args.makes(address) {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		all = append(all, s.address)
	}
	return all
}

// all are the actions of the server in the order of their ids.
func (s *server) all() []*action {
	all := append(slices.Collect(maps.Values(s.actions)), s.connect, s.address)
	all = append(all, s.unseen...)
	slices.SortFunc(all, func(a, b *action) int { return strings.Compare(a.id, b.id) })
	return all
}

// groupsOf are the groups of actions that an item's is in.
func groupsOf(m manifest, server string, item mcp.Item) []string {
	switch item.Kind {
	case mcp.ItemTool:
		groups := []string{server + ":tools", server + "/*"}
		for _, name := range m.toolsetsOf(server, item.Name) {
			groups = append(groups, "@"+name)
		}
		return groups
	case mcp.ItemPrompt:
		return []string{server + ":prompts", server + "/*"}
	case mcp.ItemResource, mcp.ItemTemplate:
		return []string{server + ":resources", server + "/*"}
	}
	return nil
}

// actionID is what the action of an item is called.
func actionID(server string, item mcp.Item) string {
	switch item.Kind {
	case mcp.ItemTool:
		return server + "/" + item.Name
	case mcp.ItemPrompt:
		return server + ":prompt/" + item.Name
	case mcp.ItemTemplate:
		return server + ":resource/" + item.Name
	case mcp.ItemResource:
		return server + ":resource"
	}
	return server + ":connect"
}
