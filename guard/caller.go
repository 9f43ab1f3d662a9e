package guard

import (
	"net/http"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/token"
)

// Caller is who calls, by the token of a request whose body is no message of MCP. What it refuses it has recorded; Refuse
// answers the error.
func (g *Guard) Caller(r *http.Request) (token.Caller, error) {
	call := Call{Request: request.From(r.Context()), Server: g.c.Resource.URI}
	if err := g.checkOrigin(r); err != nil {
		return token.Caller{}, g.refused(r, call, err)
	}
	c, _, err := g.authenticate(r, call.Request.Now)
	if err != nil {
		return token.Caller{}, g.refused(r, call, err)
	}
	return c, nil
}
