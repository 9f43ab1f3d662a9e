//go:build conformance

package clients

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/doorward-mcp/doorward/interop/installation"
	"github.com/doorward-mcp/doorward/interop/person"
)

// TestGoSDK signs in with the official go-sdk and its own OAuth handler before each server, and goes on with a refreshed
// token.
func TestGoSDK(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			i := installation.Protect(t, s.upstream(t)...)
			asked := 0
			stale := &staleSource{}
			handler := goHandler(t, installation.SignedIn(t, i), &asked, stale)
			client := mcp.NewClient(&mcp.Implementation{Name: "doorward-interop", Version: "1.0.0"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: i.Resource, OAuthHandler: handler}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			listed, err := session.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var tools []string
			for _, tool := range listed.Tools {
				tools = append(tools, tool.Name)
			}
			s.check(t, tools, goCall(t, session, s))
			first := stale.last()
			stale.end(t)
			s.check(t, tools, goCall(t, session, s))
			if second := stale.last(); second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken {
				t.Error("the token was not refreshed, or its refresh token not rotated")
			}
			if asked != 1 {
				t.Errorf("the person was asked %d times", asked)
			}
			if got := session.InitializeResult().ProtocolVersion; got != s.newest {
				t.Errorf("it speaks %s, want %s", got, s.newest)
			}
		})
	}
}

// goHandler is the go-sdk's own handler for a person, with changes.
func goHandler(t *testing.T, who *person.Person, asked *int, stale *staleSource, change ...func(*auth.AuthorizationCodeHandlerConfig)) auth.OAuthHandler {
	t.Helper()
	redirect := "http://127.0.0.1:1/callback" // never called: the person reads the code from the redirect
	c := auth.AuthorizationCodeHandlerConfig{
		RedirectURL: redirect,
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "go-sdk", RedirectURIs: []string{redirect}, GrantTypes: []string{"authorization_code", "refresh_token"},
		}},
		RequestRefreshToken: true,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			*asked++
			back, err := who.Authorize(ctx, args.URL)
			if err != nil {
				return nil, err
			}
			q := back.Query()
			return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
		},
		NewTokenSource: stale.begin,
	}
	for _, one := range change {
		one(&c)
	}
	h, err := auth.NewAuthorizationCodeHandler(&c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A staleSource is the go-sdk's own source of tokens, whose token can be made to look old, so that it is refreshed.
type staleSource struct {
	ctx     context.Context
	config  *oauth2.Config
	current oauth2.TokenSource
}

func (s *staleSource) begin(ctx context.Context, c *oauth2.Config, tok *oauth2.Token) (oauth2.TokenSource, error) {
	s.ctx, s.config, s.current = ctx, c, c.TokenSource(ctx, tok)
	return s, nil
}

func (s *staleSource) Token() (*oauth2.Token, error) { return s.current.Token() }

func (s *staleSource) last() oauth2.Token {
	tok, err := s.current.Token()
	if err != nil {
		return oauth2.Token{}
	}
	return *tok
}

// end lets the token look as if its time had come.
func (s *staleSource) end(t *testing.T) {
	t.Helper()
	tok := s.last()
	if tok.RefreshToken == "" {
		t.Fatal("no refresh token was issued")
	}
	tok.Expiry = time.Now().Add(-time.Minute)
	s.current = s.config.TokenSource(s.ctx, &tok)
}

func goCall(t *testing.T, session *mcp.ClientSession, s server) string {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: s.tool, Arguments: json.RawMessage(s.args)})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := result.Content[0].(*mcp.TextContent)
	if !ok || result.IsError {
		t.Fatalf("%s answered %+v", s.tool, result)
	}
	return text.Text
}
