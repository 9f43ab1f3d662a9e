package delegation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/delegation"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

var (
	scopes    = []string{"a", "b", "c", "offline_access"}
	resources = []string{"https://r0.example", "https://r1.example", "https://r2.example"}
	clients   = []string{"c0", "c1", "c2", "c3", "c4", "c5"}
	groups    = []string{"staff", "admins"}
)

// most are the larger part of from, so that enough exchanges are allowed for a chain to grow.
func most(t *rapid.T, from []string, label string) []string {
	return slices.DeleteFunc(slices.Clone(from), func(string) bool { return seldom(t, "not "+label) })
}

func seldom(t *rapid.T, label string) bool { return rapid.IntRange(0, 7).Draw(t, label) == 7 }

func drawTask(t *rapid.T) *token.Task {
	if !seldom(t, "a task") {
		return nil
	}
	end := time.Time{}
	if rapid.Bool().Draw(t, "the task ends") {
		end = noon.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "when")) * time.Minute)
	}
	return &token.Task{ID: rapid.SampledFrom([]string{"t", "u"}).Draw(t, "task"), Words: "w", Tools: append([]string{"x"}, most(t, []string{"y", "z"}, "tool")...), Expires: end}
}

func drawClient(t *rapid.T) oauth.Client {
	c := oauth.Client{ID: rapid.SampledFrom(clients).Draw(t, "client"), Source: oauth.Listed, Serves: most(t, resources, "serves"), Reaches: most(t, resources, "reaches")}
	c.TokenAuthMethod, c.GrantTypes = "client_secret_basic", []string{delegation.GrantType}
	switch rapid.IntRange(0, 15).Draw(t, "what is wrong with it") {
	case 0:
		c.Source = oauth.Dynamic
	case 1:
		c.TokenAuthMethod = "none"
	}
	return c
}

func drawTarget(t *rapid.T) oauth.Resource {
	r := oauth.Resource{URI: rapid.SampledFrom(resources).Draw(t, "target")}
	for _, name := range append([]string{"a"}, most(t, scopes[1:], "known")...) {
		s := oauth.ScopeText{Name: name}
		if seldom(t, "for a group") {
			s.Groups = []string{rapid.SampledFrom(groups).Draw(t, "group")}
		}
		r.Scopes = append(r.Scopes, s)
	}
	return r
}

func drawAsk(t *rapid.T, now time.Time, subject token.Caller) delegation.Ask {
	return delegation.Ask{
		Now: now, Subject: subject, Client: drawClient(t), How: "client_secret_basic", Issuer: issuer, Target: drawTarget(t),
		Scopes: oauth.NewScopes(most(t, scopes, "asked for")...), Consented: oauth.NewScopes(most(t, scopes, "agreed to")...), Unasked: seldom(t, "nobody needs to agree"),
		Task: drawTask(t), Key: rapid.SampledFrom([]string{"", "k"}).Draw(t, "key"), Access: time.Duration(rapid.IntRange(1, 20).Draw(t, "life")) * time.Minute,
	}
}

// No sequence of exchanges, by whomever and in whatever order, widens scope, audience, life or task, drops or moves a hop, or makes a
// chain that is longer than 4.
func TestNoSequenceOfExchangesWidensAnything(t *testing.T) {
	deepest, made := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		first := token.Caller{Principal: token.Principal{Issuer: issuer, Subject: rapid.SampledFrom([]string{"alice", "c0"}).Draw(t, "subject")}, Client: "c0", Grant: "g", ID: "j0",
			Resource: rapid.SampledFrom(resources).Draw(t, "resource"), Scopes: oauth.NewScopes(most(t, scopes, "granted")...), ACR: "pw", Authenticated: noon.Add(-time.Hour),
			Issued: noon, Expires: noon.Add(10 * time.Minute), Groups: most(t, groups, "in"), Task: drawTask(t), MayAct: rapid.SampledFrom(append([]string{""}, clients...)).Draw(t, "may act")}
		// Whoever holds several tokens may go on from any of them.
		held, now := []token.Caller{first}, noon
		for range rapid.IntRange(1, 40).Draw(t, "exchanges") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds later")) * time.Second)
			subject := held[rapid.IntRange(0, len(held)-1).Draw(t, "with")]
			a := drawAsk(t, now, subject)
			claims, refused := delegation.Narrow(a)
			if refused != nil {
				if refused.Reason == "" || refused.Code == "" {
					t.Fatalf("refused without a reason: %+v", refused)
				}
				continue
			}
			if wrong := wider(first, a, token.Caller(claims)); wrong != "" {
				t.Fatalf("%s:\n%+v\n%+v\n%+v", wrong, first, a, claims)
			}
			made, deepest = made+1, max(deepest, len(claims.Chain))
			held = append(held, token.Caller(claims))
		}
	})
	t.Logf("%d exchanges, deepest %d", made, deepest)
	if made < 50 || deepest < 4 {
		t.Errorf("%d exchanges were made, the deepest chain has %d hops: nothing was tried", made, deepest)
	}
}

// wider is what of got is more than the token of the exchange, or than the first of all.
func wider(first token.Caller, a delegation.Ask, got token.Caller) string {
	s := a.Subject
	for _, before := range []token.Caller{first, s} {
		switch {
		case got.Principal != before.Principal || got.Grant != before.Grant || got.ACR != before.ACR || !got.Authenticated.Equal(before.Authenticated) || !slices.Equal(got.Groups, before.Groups):
			return "the subject, its grant or its sign-in is another"
		case !before.Scopes.Covers(got.Scopes):
			return "a scope more"
		case got.Expires.After(before.Expires) || got.Expires.After(a.Now.Add(a.Access)) || !got.Expires.After(a.Now):
			return "a longer life"
		case !got.Task.Within(before.Task):
			return "a wider task"
		case got.Task != nil && !got.Task.Expires.IsZero() && got.Expires.After(got.Task.Expires):
			return "a life beyond the task"
		case got.ID == before.ID || got.ID == "":
			return "the same jti"
		}
	}
	switch {
	case len(got.Scopes) == 0 || got.Scopes.Contains("offline_access") || len(a.Scopes) > 0 && !a.Scopes.Covers(got.Scopes) || !a.Unasked && !a.Consented.Covers(got.Scopes):
		return "a scope that was not asked for or not agreed to"
	case got.Resource != a.Target.URI || !slices.Contains(a.Client.Reaches, got.Resource):
		return "an audience beyond reach"
	case !slices.Contains(a.Client.Serves, s.Resource) && s.MayAct != a.Client.ID:
		return "a token that was not meant for the actor"
	case got.Client != a.Client.ID || got.MayAct != "" || got.Key != a.Key || !got.Issued.Equal(a.Now):
		return "another client, key or time"
	}
	for _, name := range got.Scopes {
		for _, known := range a.Target.Scopes {
			if known.Name == name && len(known.Groups) > 0 && !slices.ContainsFunc(known.Groups, func(g string) bool { return slices.Contains(first.Groups, g) }) {
				return "a scope for a group that the subject is not in"
			}
		}
	}
	return chainWrong(first, s, a, got)
}

func chainWrong(first, s token.Caller, a delegation.Ask, got token.Caller) string {
	want := s.Chain
	if len(want) == 0 {
		want = []token.Actor{hop(s.Client, "client")}
	}
	seen := map[string]bool{}
	for _, h := range got.Chain {
		if seen[h.Client] || h.Subject != h.Client || h.Issuer != issuer || h.How == "" {
			return fmt.Sprintf("a hop twice, or one that nobody knows: %+v", h)
		}
		seen[h.Client] = true
	}
	switch {
	case len(got.Chain) > 4:
		return "too deep"
	case got.Chain[0] != hop(a.Client.ID, a.How):
		return "the actor is not in front"
	case !slices.Equal(got.Chain[1:], want):
		return "a hop was dropped or moved"
	case got.Chain[len(got.Chain)-1].Client != first.Client:
		return "the client that the person used is gone"
	case got.Principal == got.Chain[0].Principal:
		return "who acts is the subject"
	}
	return ""
}
