package doorward

import (
	"context"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/store"
)

// definitions is what a guard asks about the definitions of a server's items: the bundle says which are accepted, the store who
// was shown others.
type definitions struct {
	*store.Definitions
	engine *cedar.Engine
}

var _ guard.Definitions = definitions{}

// Accepted is a guard.Definitions'.
func (d definitions) Accepted(server string, i mcp.Item) bool { return d.engine.Accepted(server, i) }

// definitions is nil where no bundle says which definitions are accepted.
func (g *generation) definitions() guard.Definitions {
	if g.rules.engine == nil {
		return nil
	}
	return definitions{g.db.Definitions(), g.rules.engine}
}

// acceptDefinitions forgets the definitions that waited for the bundle that decides now, and to whom they were shown.
func (g *generation) acceptDefinitions(ctx context.Context) error {
	all, err := g.db.Definitions().Unaccepted(ctx)
	if err != nil {
		return err
	}
	for _, u := range all {
		if !g.rules.engine.Accepted(u.Server, u.Item) {
			continue
		}
		record := audit.Record{Code: audit.DefinitionAccepted, Now: g.e.Now(), Server: u.Server, About: u.Item.Kind + " " + u.Item.Name + " " + u.Item.Definition.String(), Bundle: g.rules.engine.Digest()}
		if _, err := g.log.Do(ctx, record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
			return audit.Outcome{}, g.db.Definitions().Accept(ctx, in, u.Server, u.Item)
		}); err != nil {
			return err
		}
	}
	return nil
}

// waiting are the definitions that nobody has accepted, for the administrator.
func (g *generation) waiting(ctx context.Context) ([]admin.Definition, error) {
	kept, err := g.db.Definitions().Unaccepted(ctx)
	all := []admin.Definition{}
	for _, u := range kept {
		all = append(all, admin.Definition{Server: g.servers[u.Server], Kind: u.Item.Kind, Name: u.Item.Name, Hash: u.Item.Definition.String(),
			Definition: u.Definition, First: u.First, Last: u.Last})
	}
	return all, err
}
