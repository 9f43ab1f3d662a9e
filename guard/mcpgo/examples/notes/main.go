// Notes is a server made with mcp-go that takes the tokens of one Doorward.
//
//	go run ./examples/notes --issuer https://auth.example.com --url http://127.0.0.1:8095
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/guard/mcpgo"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "`address` of the authorization server")
	address := flag.String("url", "http://127.0.0.1:8095", "`address` of this program")
	flag.Parse()
	handler, err := Handler(*issuer, *address)
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(*address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(u.Host, handler))
}

// Handler is the whole program at an address. Everybody may read, and who may write needs notes:write.
func Handler(issuer, address string) (http.Handler, error) {
	g, err := guard.New(guard.Config{
		Resource: oauth.Resource{URI: address + "/mcp", Name: "Notes"},
		Servers:  []string{issuer},
		Issuers:  []token.Issuer{guard.Issuer(issuer, address+"/mcp")},
		Decider:  policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Tools: []string{"write"}, Scopes: oauth.NewScopes("notes:write")})},
	})
	if err != nil {
		return nil, err
	}
	notes := server.NewMCPServer("notes", "1", mcpgo.WithGuard(g), server.WithHooks(mcpgo.Hooks(g, nil)))
	for _, name := range []string{"read", "write"} {
		notes.AddTool(mcp.NewTool(name), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			call, _ := guard.From(ctx)
			return mcp.NewToolResultText(fmt.Sprintf("%s %ss", call.Caller.Subject, name)), nil
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", g.Protect(server.NewStreamableHTTPServer(notes)))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
	return mux, nil
}
