package guard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// Definition is what a server says of one of its items. Item has its hash.
type Definition struct {
	Item mcp.Item
	Raw  []byte // good until the call that it is given to returns
}

// Definitions knows which definitions of a server's items are accepted, and who was shown others. It is safe for concurrent
// use. Callers are told apart by issuer, subject and client: what one client of a person was shown stands in its model's mind
// and in no other's. Another client's call is judged by the accepted definitions, for it has seen no others: what is not
// accepted is hidden from everybody, so the most that a server gains by showing a definition is that the calls of whom it
// showed it to are refused.
type Definitions interface {
	// Accepted reports whether an item with this definition may be used: the operator accepted it, or asks for no acceptance.
	Accepted(server string, i mcp.Item) bool
	// Shown is the hash of the definition that was kept from this caller when the server last showed it one of the item; zero:
	// there is none. For the address of a resource it is that of a template which makes the address. It asks no database.
	Shown(server string, c token.Caller, i mcp.Item) mcp.Hash
	// News are those of the unaccepted definitions that this caller was not shown before and that there is room for: they are to
	// be recorded.
	News(server string, c token.Caller, unaccepted []Definition) []Definition
	// Show remembers, before a list goes out, what was kept from a caller, and forgets what the server now shows as it was
	// accepted. It is durable when it returns. If there is no room, every item of the server counts as one of which the caller
	// was shown something else.
	Show(ctx context.Context, now time.Time, server string, c token.Caller, unaccepted []Definition, accepted []mcp.Item) error
}

// shown is the definition that nobody has accepted and that the caller was last shown of what an operation is about; zero:
// there is none, or it was accepted since.
func (g *Guard) shown(c Call, op mcp.Operation) mcp.Hash {
	if g.c.Definitions == nil {
		return mcp.Hash{}
	}
	item, ok := op.Item()
	if !ok || item.Kind == mcp.ItemTask {
		return mcp.Hash{}
	}
	item.Definition = g.c.Definitions.Shown(c.Server, c.Caller, item)
	if item.Definition != (mcp.Hash{}) && g.c.Definitions.Accepted(c.Server, item) {
		return mcp.Hash{}
	}
	return item.Definition
}

// LooksAtDefinitions reports whether lists must be given to Shows.
func (g *Guard) LooksAtDefinitions() bool { return g.c.Definitions != nil }

// Shows says which of the definitions of a list may be shown to the caller of c. The others are recorded, and remembered
// before Shows returns: with an error, the list must not be shown. Of an item that stands in the list with several definitions
// none may be, for nobody knows which of them a client takes.
func (g *Guard) Shows(ctx context.Context, c Call, all []Definition) ([]bool, error) {
	order, groups := grouped(all)
	seen := make([]bool, len(all))
	var unaccepted []Definition
	accepted := make([]mcp.Item, 0, len(order))
	for _, item := range order {
		same := groups[item]
		one := all[same[0]]
		if d, several := together(all, same); several {
			unaccepted = append(unaccepted, d)
			continue
		}
		if !g.c.Definitions.Accepted(c.Server, one.Item) {
			unaccepted = append(unaccepted, one)
			continue
		}
		accepted = append(accepted, one.Item)
		for _, i := range same {
			seen[i] = true
		}
	}
	return seen, g.keep(ctx, c, unaccepted, accepted)
}

// grouped are the items of a list in their order, each with where it stands.
func grouped(all []Definition) (order []mcp.Item, groups map[mcp.Item][]int) {
	groups = make(map[mcp.Item][]int, len(all))
	for i, d := range all {
		item := mcp.Item{Kind: d.Item.Kind, Name: d.Item.Name}
		if groups[item] == nil {
			order = append(order, item)
		}
		groups[item] = append(groups[item], i)
	}
	return order, groups
}

// together is an item that stands in a list with several definitions: as one, which is the list of them. false: there is one.
func together(all []Definition, same []int) (d Definition, several bool) {
	d = Definition{Item: all[same[0]].Item}
	seen := map[mcp.Hash]bool{}
	var raws [][]byte
	for _, i := range same {
		if h := all[i].Item.Definition; !seen[h] {
			seen[h] = true
			raws = append(raws, all[i].Raw)
		}
	}
	if len(raws) == 1 {
		return d, false
	}
	d.Raw = slices.Concat([]byte("["), bytes.Join(raws, []byte(",")), []byte("]"))
	d.Item.Definition = sha256.Sum256(d.Raw)
	return d, true
}

// keep records and remembers what a caller is not shown. Two lists at once for one caller are one after the other here, so
// that each definition is recorded once.
func (g *Guard) keep(ctx context.Context, c Call, unaccepted []Definition, accepted []mcp.Item) error {
	if len(unaccepted) > 0 {
		g.showing.Lock()
		defer g.showing.Unlock()
	}
	for _, d := range g.c.Definitions.News(c.Server, c.Caller, unaccepted) {
		r := c.record()
		r.Code, r.Verdict, r.Reason = audit.DefinitionUnknown, policy.Deny.String(), string(audit.DefinitionUnknown)
		r.About = d.Item.Kind + " " + strings.ToValidUTF8(d.Item.Name[:min(len(d.Item.Name), longest)], "") + " " + d.Item.Definition.String()
		if _, err := g.c.Log.Refused(ctx, r); err != nil {
			return err
		}
	}
	if err := g.c.Definitions.Show(ctx, c.Request.Now, c.Server, c.Caller, unaccepted, accepted); err != nil {
		return fmt.Errorf("remembering what a caller is not shown: %w", err)
	}
	return nil
}
