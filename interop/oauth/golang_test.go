//go:build conformance

package oauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/doorward-mcp/doorward/interop/installation"
	"github.com/doorward-mcp/doorward/interop/person"
)

// TestGo runs golang.org/x/oauth2, with the addresses and the verifier of coreos/go-oidc, through what the two can do: they
// have no registration, no pushed requests and no proofs of possession.
func TestGo(t *testing.T) {
	h := open(t)
	who := installation.SignedIn(t, h.Installation)
	provider, err := oidc.NewProvider(t.Context(), h.Issuer)
	if err != nil {
		t.Fatalf("discovery: %v", err)
	}
	t.Run("code, refresh and its replay", func(t *testing.T) { codeAndRefresh(t, h, who, provider) })
	t.Run("client credentials", func(t *testing.T) { clientCredentials(t, h, provider) })
	t.Run("device", func(t *testing.T) { device(t, h, who, provider) })
	t.Run("ID token and UserInfo", func(t *testing.T) { identity(t, h, who, provider) })
}

// authorize has the person agree to what config asks, and redeems the code.
func authorize(t *testing.T, who *person.Person, config oauth2.Config, more ...oauth2.AuthCodeOption) *oauth2.Token {
	t.Helper()
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	back, err := who.Authorize(t.Context(), config.AuthCodeURL(state, append(more, oauth2.S256ChallengeOption(verifier))...))
	if err != nil {
		t.Fatal(err)
	}
	if back.Query().Get("state") != state {
		t.Fatalf("the answer was %s", back)
	}
	got, err := config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func codeAndRefresh(t *testing.T, h house, who *person.Person, p *oidc.Provider) {
	config := oauth2.Config{ClientID: "native", Endpoint: p.Endpoint(), RedirectURL: callback}
	first := authorize(t, who, config, oauth2.SetAuthURLParam("resource", h.Plain))
	if status := call(t, config.Client(t.Context(), first), h.Plain); status != http.StatusOK {
		t.Errorf("a call with the first token: %d", status)
	}
	refresh := func(raw string) (*oauth2.Token, error) {
		return config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: raw}).Token()
	}
	second, err := refresh(first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken == first.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	time.Sleep(time.Duration(h.Grace) * time.Millisecond)
	for _, sent := range []struct{ name, raw string }{{"the replay", first.RefreshToken}, {"what came of it before", second.RefreshToken}} {
		var refused *oauth2.RetrieveError
		if _, err := refresh(sent.raw); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
			t.Errorf("%s: %v", sent.name, err)
		}
	}
	if status := call(t, oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(second)), h.Plain); status != http.StatusUnauthorized {
		t.Errorf("a call with a token of a grant that a replay ended: %d", status)
	}
}

func clientCredentials(t *testing.T, h house, p *oidc.Provider) {
	config := clientcredentials.Config{ClientID: "batch", ClientSecret: h.Secret, TokenURL: p.Endpoint().TokenURL, EndpointParams: url.Values{"resource": {h.Plain}}}
	if status := call(t, config.Client(t.Context()), h.Plain); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	config.ClientSecret += "x"
	var refused *oauth2.RetrieveError
	if _, err := config.Token(t.Context()); !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" {
		t.Errorf("with another secret: %v", err)
	}
}

func device(t *testing.T, h house, who *person.Person, p *oidc.Provider) {
	config := oauth2.Config{ClientID: "tv", Endpoint: p.Endpoint()}
	asked, err := config.DeviceAuth(t.Context(), oauth2.SetAuthURLParam("resource", h.Plain))
	if err != nil {
		t.Fatal(err)
	}
	if err := who.Open(t.Context(), asked.VerificationURIComplete); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := config.DeviceAccessToken(ctx, asked)
	if err != nil {
		t.Fatal(err)
	}
	if status := call(t, config.Client(t.Context(), got), h.Plain); status != http.StatusOK {
		t.Errorf("%d", status)
	}
}

func identity(t *testing.T, h house, who *person.Person, p *oidc.Provider) {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // as the client is registered
	config := oauth2.Config{ClientID: "relying", ClientSecret: h.Secret, Endpoint: endpoint, RedirectURL: callback, Scopes: []string{oidc.ScopeOpenID, "profile"}}
	nonce := rand.Text()
	got := authorize(t, who, config, oidc.Nonce(nonce))
	raw, ok := got.Extra("id_token").(string)
	if !ok {
		t.Fatal("there is no ID token")
	}
	id, err := p.VerifierContext(t.Context(), &oidc.Config{ClientID: "relying"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != nonce || id.VerifyAccessToken(got.AccessToken) != nil {
		t.Errorf("the nonce is %q, want %q; %v", id.Nonce, nonce, id.VerifyAccessToken(got.AccessToken))
	}
	info, err := p.UserInfo(t.Context(), oauth2.StaticTokenSource(got))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Username string `json:"preferred_username"`
	}
	if err := info.Claims(&claims); err != nil || info.Subject != id.Subject || claims.Username != h.Username {
		t.Errorf("%+v, %+v, %v", info, claims, err)
	}
}

// call calls a tool as revision 2026-07-28 has it, and gives the status.
func call(t *testing.T, c *http.Client, resource string) int {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{
		"name": "whoami", "arguments": map[string]any{}, "_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": map[string]any{},
			"io.modelcontextprotocol/clientInfo": map[string]string{"name": "interop", "version": "1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, resource, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "whoami"} {
		r.Header.Set(name, value)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode == http.StatusOK && !strings.Contains(string(said), `"result"`) {
		t.Errorf("%d %v %s", res.StatusCode, err, said)
	}
	return res.StatusCode
}
