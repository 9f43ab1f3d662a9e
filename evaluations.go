package doorward

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/authzen"
	"github.com/doorward-mcp/doorward/token"
)

// authZEN is the decision point of somebody else that the configuration names.
func (g *generation) authZEN(a config.AuthZEN) (policy.Decider, error) {
	return keep(g, "authzen/", []any{a}, func() (policy.Decider, func() error, error) {
		headers, err := a.Reveal(g.e.Lookup)
		if err != nil {
			return nil, nil, err
		}
		service, end := service(a.URL, headers, a.Wait())
		said := &rarely{log: g.e.Slog, now: g.e.Now}
		return &authzen.Client{Post: service.Post, Failed: func(ctx context.Context, err error) {
			said.warn(ctx, "the decision point cannot be asked: everything is denied", err)
		}}, end, nil
	})
}

// scopeEvaluate is what a token for the decision point has.
const scopeEvaluate = "evaluate"

// evaluation is the decision point as a resource: a token for it says nothing at a server, and theirs nothing here.
func (g *generation) evaluation() oauth.Resource {
	return oauth.Resource{URI: g.c.PublicURL + authzen.Path, Name: "Decisions", Initial: oauth.NewScopes(scopeEvaluate),
		Scopes: []oauth.ScopeText{{Name: scopeEvaluate, Sentence: "Ask what the rules of this installation allow to whom"}}}
}

// evaluations serves the decisions of our own rules, to listed clients that call for themselves.
func (g *generation) evaluations() (http.Handler, error) {
	resource := g.evaluation()
	door, err := guard.New(guard.Config{Resource: resource, Servers: []string{g.c.PublicURL}, Issuers: []token.Issuer{{URL: g.c.PublicURL, Keys: token.Own(g.as.Ring), Audiences: []string{resource.URI}}},
		Revocations: g.db.Revocations(), Log: g.log, Slog: g.e.Slog, DPoP: guard.DPoP{Once: g.db.Once, Nonces: g.nonces}, Now: g.e.Now})
	if err != nil {
		return nil, err
	}
	e := &evaluator{g: g, door: door, deciders: map[string]policy.Decider{}}
	e.answer = authzen.Handler{Issuer: g.c.PublicURL, Server: e.server, Decide: e.decide, Now: g.e.Now}
	for _, name := range g.names() {
		s := g.c.Servers[name]
		e.deciders[g.c.Resource(s).URI] = policy.Scoped{Scopes: s.Needed(), Next: g.rules.next}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.serve(w, r); err != nil {
			door.Refuse(w, r, err)
		}
	}), nil
}

// evaluator answers questions about what is allowed.
type evaluator struct {
	g        *generation
	door     *guard.Guard
	answer   authzen.Handler
	deciders map[string]policy.Decider // :: resource identifier → what decides there
}

func (e *evaluator) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &oauth.Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Reason: "method", Description: "questions come by POST"}
	}
	c, err := e.door.Caller(r)
	if err != nil {
		return err
	}
	info := request.From(r.Context())
	record := audit.Record{Code: audit.Evaluated, Now: info.Now, Request: info.ID, Client: info.Client, Caller: c, Server: e.g.evaluation().URI}
	if refused := e.stranger(r.Context(), c); refused != nil {
		record.Code, record.Verdict, record.Reason = audit.CallRefused, policy.Deny.String(), refused.Reason
		if _, err := e.g.log.Refused(r.Context(), record); err != nil {
			return err
		}
		return refused
	}
	body, d, err := e.answer.Answer(r)
	if err != nil {
		return err
	}
	record.Verdict, record.Reason, record.Rules, record.Bundle = d.Verdict.String(), d.Code, d.Rules, d.Bundle
	if _, err := e.g.log.Do(r.Context(), record, func(context.Context, audit.Intent) (audit.Outcome, error) { return audit.Outcome{}, nil }); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(body)
	return err
}

// stranger refuses whoever is not a listed client that calls for itself: what the rules allow to whom is for nobody else to know.
func (e *evaluator) stranger(ctx context.Context, c token.Caller) *oauth.Error {
	known, ok := e.g.clients.Known(ctx, c.Client)
	may := ok && known.Source == oauth.Listed && slices.Contains(known.Reaches, e.g.evaluation().URI) // also where the token is older than the configuration
	if may && c.Subject == c.Client && c.Scopes.Contains(scopeEvaluate) {
		return nil
	}
	return &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Reason: "not_listed", Description: "decisions are for clients that the operator listed for them (evaluates: true)"}
}

func (e *evaluator) server(name string) (string, bool) {
	if _, ok := e.deciders[name]; ok {
		return name, true
	}
	if s, ok := e.g.c.Servers[name]; ok {
		return e.g.c.Resource(s).URI, true
	}
	if len(e.deciders) == 1 && name == "" {
		for only := range e.deciders {
			return only, true
		}
	}
	return "", false
}

// decide takes what the question says of the person for more than what is known: it may be about somebody who is not as asked. Who
// would be denied because it cannot be found out who they are is denied here too.
func (e *evaluator) decide(ctx context.Context, r policy.Request) policy.Decision {
	next, f, said := e.deciders[r.Server], e.g.rules.facts, r.Facts
	if f == nil {
		return next.Decide(ctx, r)
	}
	return policy.Informed{Next: next, Facts: func(ctx context.Context, c token.Caller) (policy.Facts, error) {
		known, err := f.of(ctx, c)
		return heard(known, said), err
	}}.Decide(ctx, r)
}

// heard is what is known of somebody with what a question says besides.
func heard(known, said policy.Facts) policy.Facts {
	all := policy.Facts{Name: cmp.Or(said.Name, known.Name), Groups: slices.Concat(known.Groups, said.Groups), Attributes: map[string]any{}, Client: known.Client}
	maps.Copy(all.Attributes, known.Attributes)
	maps.Copy(all.Attributes, said.Attributes)
	return all
}
