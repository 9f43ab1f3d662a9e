package mcpgo

import (
	"context"

	sdk "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// WithGuard shows callers the tools and prompts that they may use, and keeps lists from shared caches. Without a call of
// guard.Guard's Protect in the context it shows nothing and, as mcp-go holds calls against the same filters, calls nothing:
// a server with it cannot be left open by mistake. It comes after the server's own cache hints, which it overrides.
func WithGuard(g *guard.Guard) server.ServerOption {
	options := []server.ServerOption{
		server.WithToolFilter(func(ctx context.Context, tools []sdk.Tool) []sdk.Tool {
			return keep(ctx, g, tools, func(t sdk.Tool) mcp.Item { return mcp.Item{Kind: mcp.ItemTool, Name: t.Name} })
		}),
		server.WithPromptFilter(func(ctx context.Context, prompts []sdk.Prompt) []sdk.Prompt {
			return keep(ctx, g, prompts, func(p sdk.Prompt) mcp.Item { return mcp.Item{Kind: mcp.ItemPrompt, Name: p.Name} })
		}),
	}
	for _, list := range []sdk.MCPMethod{sdk.MethodToolsList, sdk.MethodPromptsList, sdk.MethodResourcesList, sdk.MethodResourcesTemplatesList} {
		options = append(options, server.WithMethodCacheHints(list, 0, sdk.CacheScopePrivate))
	}
	return func(s *server.MCPServer) {
		for _, o := range options {
			o(s)
		}
	}
}

// Hooks adds to hooks that lists of resources and templates show what the caller may use: mcp-go has no filter for them. nil:
// hooks of its own. It gives hooks.
func Hooks(g *guard.Guard, hooks *server.Hooks) *server.Hooks {
	if hooks == nil {
		hooks = &server.Hooks{}
	}
	hooks.AddAfterListResources(func(ctx context.Context, _ any, _ *sdk.ListResourcesRequest, l *sdk.ListResourcesResult) {
		l.Resources = keep(ctx, g, l.Resources, func(r sdk.Resource) mcp.Item { return mcp.Item{Kind: mcp.ItemResource, Name: r.URI} })
	})
	hooks.AddAfterListResourceTemplates(func(ctx context.Context, _ any, _ *sdk.ListResourceTemplatesRequest, l *sdk.ListResourceTemplatesResult) {
		l.ResourceTemplates = keep(ctx, g, l.ResourceTemplates, func(r sdk.ResourceTemplate) mcp.Item {
			// A template that says nothing is one that nobody may use: its zero Item is no item.
			if r.URITemplate == nil || r.URITemplate.Template == nil {
				return mcp.Item{}
			}
			return mcp.Item{Kind: mcp.ItemTemplate, Name: r.URITemplate.Raw()}
		})
	})
	return hooks
}

// keep is all of a list that the caller may use, in a slice of its own. It is never nil, which would not be a list on the wire.
func keep[T any](ctx context.Context, g *guard.Guard, list []T, about func(T) mcp.Item) []T {
	kept := []T{}
	call, ok := guard.From(ctx)
	if !ok {
		return kept
	}
	items := make([]mcp.Item, len(list))
	for i, one := range list {
		items[i] = about(one)
	}
	for i, yes := range g.Visible(ctx, call, items) {
		if yes {
			kept = append(kept, list[i])
		}
	}
	return kept
}
