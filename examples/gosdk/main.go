// Gosdk is a server made with the official Go SDK that takes the tokens of one Doorward. Everybody may read, and who may write
// needs notes:write.
//
//	go run ./examples/gosdk --issuer https://auth.example.com --url http://127.0.0.1:8095
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/guard/gosdk"
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

// Handler is the whole program at an address.
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
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	server.AddReceivingMiddleware(gosdk.Middleware(g))
	for _, name := range []string{"read", "write"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			call, _ := guard.From(ctx)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: call.Caller.Subject + " " + name + "s"}}}, nil, nil
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", gosdk.Protect(g, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
	return mux, nil
}
