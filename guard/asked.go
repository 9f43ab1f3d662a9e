package guard

import "github.com/doorward-mcp/doorward/oauth"

// asked are scopes by the names under which clients ask for them: those of whoever issues the tokens. Only what is told to
// clients has these names; decisions and records have ours.
func (g *Guard) asked(scopes oauth.Scopes) oauth.Scopes {
	if len(g.c.AskedAs) == 0 {
		return scopes
	}
	names := make([]string, len(scopes))
	for n, s := range scopes {
		if names[n] = s; g.c.AskedAs[s] != "" {
			names[n] = g.c.AskedAs[s]
		}
	}
	return oauth.NewScopes(names...)
}
