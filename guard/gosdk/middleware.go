package gosdk

import (
	"context"
	"errors"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// errUnguarded is the error of a request that came another way than through Protect.
var errUnguarded = errors.New("the server is reached past its guard")

// From is the call that a request of the SDK belongs to; ok is false for one that did not come through Protect.
func From(r sdk.Request) (c guard.Call, ok bool) {
	extra := r.GetExtra()
	if extra == nil || extra.TokenInfo == nil {
		return c, false
	}
	held, ok := extra.TokenInfo.Extra[callKey].(admitted)
	return held.call, ok
}

// Middleware is for a server's receiving side (mcp.Server.AddReceivingMiddleware). It leaves out of lists what the caller may
// not use, keeps them from shared caches, and has guard.From find the call that a handler runs for. It refuses what did not
// come through Protect, so that a server with it cannot be left open by mistake.
func Middleware(g *guard.Guard) sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, r sdk.Request) (sdk.Result, error) {
			call, ok := From(r)
			if !ok {
				return nil, errUnguarded
			}
			ctx = call.In(ctx)
			result, err := next(ctx, method, r)
			if err != nil {
				return result, err
			}
			return visible(ctx, g, call, result), nil
		}
	}
}

// visible is a list without what its caller may not use; every other result as it is. What is cut is a copy: a server may keep
// its lists.
func visible(ctx context.Context, g *guard.Guard, call guard.Call, result sdk.Result) sdk.Result {
	switch l := result.(type) {
	case *sdk.ListToolsResult:
		cut := *l
		cut.Tools, cut.CacheScope = keep(ctx, g, call, l.Tools, func(t *sdk.Tool) mcp.Item { return mcp.Item{Kind: mcp.ItemTool, Name: t.Name} }), private
		return &cut
	case *sdk.ListPromptsResult:
		cut := *l
		cut.Prompts, cut.CacheScope = keep(ctx, g, call, l.Prompts, func(p *sdk.Prompt) mcp.Item { return mcp.Item{Kind: mcp.ItemPrompt, Name: p.Name} }), private
		return &cut
	case *sdk.ListResourcesResult:
		cut := *l
		cut.Resources, cut.CacheScope = keep(ctx, g, call, l.Resources, func(s *sdk.Resource) mcp.Item { return mcp.Item{Kind: mcp.ItemResource, Name: s.URI} }), private
		return &cut
	case *sdk.ListResourceTemplatesResult:
		cut := *l
		cut.ResourceTemplates, cut.CacheScope = keep(ctx, g, call, l.ResourceTemplates, func(s *sdk.ResourceTemplate) mcp.Item {
			return mcp.Item{Kind: mcp.ItemTemplate, Name: s.URITemplate}
		}), private
		return &cut
	}
	return result
}

// private is the cacheScope of a list that is not the same for everybody. MCP 2026-07-28, Caching.
const private = "private"

// keep is all of a list that the caller may use. It is never nil, which would not be a list on the wire.
func keep[T any](ctx context.Context, g *guard.Guard, call guard.Call, list []T, about func(T) mcp.Item) []T {
	items := make([]mcp.Item, len(list))
	for i, one := range list {
		items[i] = about(one)
	}
	kept := make([]T, 0, len(list))
	for i, yes := range g.Visible(ctx, call, items) {
		if yes {
			kept = append(kept, list[i])
		}
	}
	return kept
}
