package gosdk

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/token"
)

// Protect is g.Protect for a handler of the SDK: what g admits reaches next with a TokenInfo.
func Protect(g *guard.Guard, next http.Handler) http.Handler {
	// The key of the context is the SDK's own, so that its middleware must put the TokenInfo there. It judges nothing: the token
	// has been judged, by g's clock and with its leeway.
	inner := auth.RequireBearerToken(info, &auth.RequireBearerTokenOptions{ClockSkew: math.MaxInt64})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r.WithContext(guard.Call{}.In(r.Context())))
	}))
	return g.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer admitted")
		inner.ServeHTTP(w, r)
	}))
}

// info is a TokenVerifier of what g has verified.
func info(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	call, ok := guard.From(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return tokenInfo(call), nil
}

// callKey is where in Extra the call stands. It is a name that no claim has.
const callKey = "doorward/call"

// admitted hides the call, arguments and all, from whoever prints or encodes Extra.
type admitted struct{ call guard.Call }

// Format is fmt's.
func (admitted) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[call]")) }

// tokenInfo is what tools written for the SDK read. The claims in Extra have the names of RFC 9068 §2.2 and RFC 8693 §4.1; one
// that the token does not have is not there.
func tokenInfo(call guard.Call) *auth.TokenInfo {
	c := call.Caller
	extra := map[string]any{"iss": c.Issuer, "sub": c.Subject, "client_id": c.Client, "jti": c.ID, "aud": c.Resource, callKey: admitted{call}}
	if c.ACR != "" {
		extra["acr"] = c.ACR
	}
	if !c.Authenticated.IsZero() {
		extra["auth_time"] = c.Authenticated
	}
	if len(c.Groups) > 0 {
		extra["groups"] = c.Groups
	}
	if len(c.Chain) > 0 {
		extra["act"] = c.Chain
	}
	return &auth.TokenInfo{Scopes: c.Scopes, Expiration: c.End(), UserID: UserID(c.Principal), Extra: extra}
}

// UserID is the person of a token as TokenInfo.UserID: issuer and subject, for a subject is unique only under its issuer
// (RFC 7519 §4.1.2). An issuer has no space in it.
func UserID(p token.Principal) string { return p.Issuer + " " + p.Subject }
