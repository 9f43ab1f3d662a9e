package guard

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// Config is one resource.
type Config struct {
	Resource       oauth.Resource
	Servers        []string          // authorization_servers of the metadata
	Hosts          map[string]string // :: Host of a request → origin that its documents name; others get the resource's own
	Origins        []string          // web origins that may call besides the resource's own and, on loopback, other loopback ones
	Issuers        []token.Issuer    // whose tokens are taken; none: no call is admitted
	AskedAs        map[string]string // :: scope → its name at the authorization server, where clients must ask by another one than ours
	Decider        policy.Decider    // nil: policy.ScopesOnly
	Definitions    Definitions       // nil: what a server says of its items is not looked at. Lists are looked at by a gateway alone
	Revocations    Revocations       // nil: only expiry ends a token, so that its life is the bound
	Log            *audit.Log        // nil: slog.Default
	Slog           *slog.Logger      // what went wrong on our side; nil: slog.Default
	Limits         Limits
	Rates          *RuleRates       // of rules that allow something only so often; guards that share it count together. nil: this guard's own
	DPoP           DPoP             // proofs of possession; the zero value takes them and asks nobody for one
	Authentication Authentication   // how people must have signed in; the zero value: however
	Now            func() time.Time // for requests that nobody began; nil: time.Now
	SessionKey     []byte           // binds the sessions of a server behind Protect to their callers: 32 bytes or more, which replicas that share sessions share. nil: this process's own
	InsecureOpen   bool             // everybody may call: no token is asked for, and one that comes is not looked at
}

// Guard admits calls to one resource. It is safe for concurrent use.
type Guard struct {
	c        Config
	verifier *token.Verifier
	quotas   *quotas
	showing  sync.Mutex // held while it is remembered what somebody is not shown
}

// New refuses a Config that could admit nobody or everybody.
func New(c Config) (*Guard, error) {
	if oauth.Origin(c.Resource.URI) == "" {
		return nil, errors.New("guard: the resource identifier is not an absolute address")
	}
	if len(c.Issuers) == 0 && !c.InsecureOpen {
		return nil, errors.New("guard: no issuer is configured, so no token can be good")
	}
	for _, i := range c.Issuers {
		if i.URL == "" || len(i.Audiences) == 0 {
			return nil, errors.New("guard: an issuer without address or audience")
		}
	}
	if a := c.Authentication.MaxAge; a < 0 || a%time.Second != 0 {
		return nil, errors.New("guard: the age of a sign-in is not a number of whole seconds")
	}
	if n := len(c.SessionKey); n > 0 && n < 32 {
		return nil, errors.New("guard: the key of sessions is shorter than 32 bytes")
	}
	if c.Decider == nil {
		c.Decider = policy.ScopesOnly{}
	}
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	if c.Log == nil {
		c.Log = audit.New(audit.Slog(c.Slog.Handler()))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.SessionKey) == 0 {
		c.SessionKey = make([]byte, 32)
		_, _ = rand.Read(c.SessionKey) // it never fails: crypto/rand
	}
	if c.Rates == nil {
		c.Rates = NewRuleRates()
	}
	c.Limits, c.DPoP = c.Limits.WithDefaults(), c.DPoP.withDefaults()
	return &Guard{c: c, verifier: token.NewVerifier(c.Issuers...), quotas: newQuotas(c.Limits)}, nil
}

// Call is an admitted request: everything that was found out on the way, built once.
type Call struct {
	Request   request.Info
	Caller    token.Caller
	Message   mcp.Message
	Decisions []policy.Decision // one for each operation of Message
	Server    string            // the resource's identifier
	Trace     string            // traceparent (W3C Trace Context §3.2) of the request; empty: none, or none that is well formed
	Nonce     string            // what the answer brings in DPoP-Nonce; empty: it has no such header
}

// Admit runs the path of a request up to the decision. What it refuses it has recorded; Refuse answers the error. Whoever is
// admitted is counted until Done. does are the obligations (policy.Redact) that whoever asks carries out, besides those that
// the guard does itself: a call with any other is refused.
func (g *Guard) Admit(r *http.Request, does ...string) (Call, error) {
	call := Call{Request: request.From(r.Context()), Server: g.c.Resource.URI}
	if err := g.checkOrigin(r); err != nil {
		return Call{}, g.refused(r, call, err)
	}
	var err error
	if call.Caller, call.Nonce, err = g.authenticate(r, call.Request.Now); err != nil {
		return Call{}, g.refused(r, call, err)
	}
	if err := g.quotas.enter(call.Request.Now, call); err != nil {
		return Call{}, g.refused(r, call, err)
	}
	admitted := false
	defer func() { // also when a decider panics
		if !admitted {
			g.quotas.leave(call)
		}
	}()
	if err := g.judge(r, &call, does); err != nil {
		return Call{}, g.refused(r, call, err)
	}
	admitted = true
	g.notified(r.Context(), call)
	return call, nil
}

// judge reads the message of a caller who is let in, and decides.
func (g *Guard) judge(r *http.Request, c *Call, does []string) (err error) {
	if c.Message, err = g.read(r); err != nil {
		return err
	}
	c.Trace = traceparent(r.Header, c.Message)
	if err := g.quotas.weigh(c.Request.Now, *c, len(c.Message.Body)); err != nil {
		return err
	}
	all, err := g.decide(r, *c)
	if err != nil {
		return err
	}
	c.Decisions = all[:len(c.Message.Operations)]
	if err := oblige(*c, all, does); err != nil {
		return err
	}
	if err := g.quotas.enterTools(c.Request.Now, c.Message); err != nil {
		return err
	}
	if err := g.c.Rates.enter(c.Request.Now, *c); err != nil {
		g.quotas.leaveTools(c.Message.Operations)
		return err
	}
	return nil
}

// Done ends the counting of a call that Admit admitted, once its answer has ended.
func (g *Guard) Done(c Call) {
	g.quotas.leaveTools(c.Message.Operations)
	g.quotas.leave(c)
}

// refused records a refusal and returns it as it is.
func (g *Guard) refused(r *http.Request, c Call, err error) error {
	record := c.record()
	decided(&record, c.Decisions)
	var d *denial
	if errors.As(err, &d) {
		decided(&record, d.decided)
	}
	record.Obligations, record.Level = nil, "" // of a call that is not made
	record.Code, record.Verdict, record.Reason = audit.RequestRefused, policy.Deny.String(), reason(err)
	if c.Caller.Subject != "" {
		record.Code = audit.CallRefused
	}
	if _, lost := g.c.Log.Refused(r.Context(), record); lost != nil {
		return lost
	}
	return err
}

func reason(err error) string {
	var known *oauth.Error
	var malformed *mcp.Error
	switch {
	case errors.As(err, &known):
		return known.Reason
	case errors.As(err, &malformed):
		return "message"
	}
	return "internal"
}
