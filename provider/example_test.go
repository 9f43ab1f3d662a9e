package provider_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// A server in a program of somebody's own takes access tokens of an Entra tenant for one application.
func ExampleTokens_Issuer() {
	const url = "https://login.microsoftonline.com/0d5a4e3f-7f4a-4e0b-9a53-0f2a6f2b8d11/v2.0"
	const application = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
	fetch := func(ctx context.Context, url string) (body []byte, fresh time.Time, err error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, time.Time{}, err
		}
		res, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
		if err != nil {
			return nil, time.Time{}, err
		}
		defer res.Body.Close()
		body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
		return body, time.Time{}, err
	}
	entra, _ := provider.Named("entra")
	here := provider.Here{Audiences: []string{application}, Scopes: map[string][]string{"Notes.Read": {"mcp"}},
		AskedAs: map[string]string{"mcp": "api://" + application + "/Notes.Read"}}
	issuer := entra.Issuer(url, here)
	issuer.Keys = token.NewSet(url, provider.Discover(fetch)).Key
	g, err := guard.New(guard.Config{Resource: oauth.Resource{URI: "https://notes.example.com/mcp"}, Servers: []string{url}, Issuers: []token.Issuer{issuer}, AskedAs: here.Names()})
	if err != nil {
		panic(err)
	}
	http.Handle("/mcp", g.Protect(http.NotFoundHandler()))
	http.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
	fmt.Println(entra.Title)
	// Output: Microsoft Entra ID
}
