package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// Step is one act on the way to a call, with its records in the order of the log.
type Step struct {
	What string `json:"what"` // client, sign-in, consent, authorization, token or act
	Hits []Hit  `json:"records"`
}

// Shown names the act that is to be shown.
type Shown struct {
	ID string `json:"id"`
}

// Show gives the whole chain of an act, the oldest first: the registration of its client, the sign-in, the consent, the authorization,
// the tokens and the act itself. What the log has no more, or never had (a client of the configuration is never registered), is left out.
func (l *AuditLog) Show(ctx context.Context, s Shown) ([]Step, error) {
	w := &walk{find: l.Find, seen: map[string]bool{}}
	act, err := w.act(ctx, "act", s.ID)
	if err != nil {
		return nil, err
	}
	if len(act) == 0 {
		return nil, refusal{"there is no record with the id " + s.ID + ", or it is not indexed yet"}
	}
	if err := w.before(ctx, act); err != nil {
		return nil, err
	}
	slices.SortStableFunc(w.steps, func(a, b Step) int { return cmp.Compare(a.Hits[0].Index, b.Hits[0].Index) })
	return w.steps, nil
}

// walk collects steps, each act once.
type walk struct {
	find  func(context.Context, Query) ([]Hit, error)
	seen  map[string]bool
	steps []Step
}

// act adds all records of an act.
func (w *walk) act(ctx context.Context, what, id string) ([]Hit, error) {
	if w.seen[id] {
		return nil, nil
	}
	w.seen[id] = true
	hits, err := w.find(ctx, Query{ID: id})
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	slices.Reverse(hits)
	w.steps = append(w.steps, Step{what, hits})
	return hits, nil
}

// newest adds the newest act that fits and was done before an index, unless it failed.
func (w *walk) newest(ctx context.Context, what string, q Query, before int64, codes ...audit.Code) ([]Hit, error) {
	var best Hit
	for _, code := range codes {
		q.Code, q.Before = string(code), before
		hits, err := w.find(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			if h.Entry.Phase == verify.Outcome && h.Entry.Result == "done" && (best.Entry.ID == "" || h.Index > best.Index) {
				best = h
			}
		}
	}
	if best.Entry.ID == "" {
		return nil, nil
	}
	return w.act(ctx, what, best.Entry.ID)
}

// before adds what led to an act.
func (w *walk) before(ctx context.Context, act []Hit) error {
	k := gather(act)
	for _, id := range k.tokens {
		made, err := w.newest(ctx, "token", Query{Token: id}, act[0].Index, audit.TokenIssued, audit.TokenExchanged)
		if err != nil {
			return err
		}
		k = k.with(gather(made))
	}
	since := act[0].Index
	if k.grant != "" {
		allowed, err := w.newest(ctx, "authorization", Query{Grant: k.grant}, since, audit.Authorized)
		if err != nil {
			return err
		}
		if len(allowed) > 0 {
			since = allowed[0].Index
		}
		k = k.with(gather(allowed))
	}
	if k.person != "" && k.client != "" {
		if _, err := w.newestOf(ctx, "consent", k, since); err != nil {
			return err
		}
	}
	if k.person != "" {
		if _, err := w.newest(ctx, "sign-in", Query{Person: k.person}, since, audit.SignedIn, audit.LinkUsed); err != nil {
			return err
		}
	}
	for _, client := range k.clients {
		if _, err := w.newest(ctx, "client", Query{Agent: client}, since, audit.ClientRegistered, audit.ClientAdded, audit.ClientApproved); err != nil {
			return err
		}
	}
	return nil
}

// newestOf adds the consent of a person for a client, whose intent names the client and whose outcome says that it was given.
func (w *walk) newestOf(ctx context.Context, what string, k known, before int64) ([]Hit, error) {
	hits, err := w.find(ctx, Query{Person: k.person, About: k.client, Code: string(audit.ConsentGiven), Before: before})
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	return w.act(ctx, what, hits[0].Entry.ID)
}

// known is by what an act hangs on others.
type known struct {
	person, client, grant string
	clients, tokens       []string
}

func gather(hits []Hit) (k known) {
	for _, h := range hits {
		e := h.Entry
		one := known{client: e.Client, grant: e.Grant}
		if e.Subject != nil {
			one.person = e.Subject.Pseudonym
		}
		if e.Client != "" {
			one.clients = append(one.clients, e.Client)
		}
		for _, a := range e.Chain {
			if a.Client != "" {
				one.clients = append(one.clients, a.Client)
			}
		}
		if !strings.HasPrefix(e.Code, "token.") { // what a token was made from is its grant
			for _, t := range e.Tokens {
				one.tokens = append(one.tokens, t.ID)
			}
		}
		k = k.with(one)
	}
	return k
}

func (k known) with(o known) known {
	k.person, k.client, k.grant = cmp.Or(k.person, o.person), cmp.Or(k.client, o.client), cmp.Or(k.grant, o.grant)
	for _, c := range o.clients {
		if !slices.Contains(k.clients, c) {
			k.clients = append(k.clients, c)
		}
	}
	for _, t := range o.tokens {
		if t != "" && !slices.Contains(k.tokens, t) {
			k.tokens = append(k.tokens, t)
		}
	}
	return k
}
