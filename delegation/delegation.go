// Package delegation answers: may A act for B, and how much of B's power is left?
//
// It is the rules of token exchange (RFC 8693) as one pure function. Delegation only: the subject stays who it is, and
// whoever acts is added to the chain of actors, the current one first. Each answer holds at most what the subject token
// held: no scope more, no later end, no wider task, and no hop less. It verifies no token, asks for no consent and looks
// up no revocation; what it is told of them it believes.
package delegation

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// GrantType is the grant_type of an exchange, which a client must be registered for. RFC 8693 §2.1.
const GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"

// HowClient is the How of the innermost hop: the client that the subject used, known because the first token was issued to it.
const HowClient = "client"

// depth is how many levels of act a token may have. RFC 8693 §4.1 sets no bound; a chain that nobody can read through is
// no record of who acts.
const depth = 4

// Ask is one exchange. The zero Ask is refused.
type Ask struct {
	Now     time.Time
	Subject token.Caller  // whose token it is: verified, its binding proved and not revoked, which the caller has seen to
	Client  oauth.Client  // who wants to act, authenticated
	How     string        // by which method it authenticated; empty: it did not
	Issuer  string        // ours, the issuer of the names of clients
	Access  time.Duration // how long an access token lives; zero: no token is made

	Target    oauth.Resource // whom the new token is for
	Scopes    oauth.Scopes   // asked for; empty: all
	Consented oauth.Scopes   // what the subject has agreed that this client may do at the target; empty: nothing
	Unasked   bool           // nobody needs to agree: InsecureExchangeWithoutConsent
	Task      *token.Task    // asked for; nil: that of the subject token, if it has one
	Key       string         // thumbprint of the key that was proved, to which the new token is bound; empty: a bearer token
}

// Narrow answers what the new token says, or why there is none. The grant, acr, auth_time and groups stay the subject's, so that
// what ends or judges the first token ends or judges this one; jti is new, and may_act, which was said of the first
// token, is gone.
func Narrow(a Ask) (token.Claims, *oauth.Error) {
	if err := a.admit(); err != nil {
		return token.Claims{}, err
	}
	chain, err := a.chain()
	if err != nil {
		return token.Claims{}, err
	}
	scopes, err := a.scopes()
	if err != nil {
		return token.Claims{}, err
	}
	task, err := a.task()
	if err != nil {
		return token.Claims{}, err
	}
	expires, err := a.expires(task)
	if err != nil {
		return token.Claims{}, err
	}
	return token.Claims{
		Principal: a.Subject.Principal, Client: a.Client.ID, Grant: a.Subject.Grant, ID: rand.Text(), Resource: a.Target.URI,
		Scopes: scopes, ACR: a.Subject.ACR, Authenticated: a.Subject.Authenticated, Issued: a.Now, Expires: expires,
		Chain: chain, Key: a.Key, Groups: a.Subject.Groups, Task: task,
	}, nil
}

// admit says whether this client may act with this token at this target at all.
func (a Ask) admit() *oauth.Error {
	switch {
	// Rule 14: registration gives no power. Only what the operator listed acts for others, and only when it is known to be itself.
	case a.Client.Source != oauth.Listed || a.Client.Waits || a.Client.Public() || a.How == "" || a.Client.ID == "" || !a.Client.May(GrantType):
		return refuse("unauthorized_client", "not_an_actor", "this client may not exchange tokens")
	case a.Subject.Subject == "" || a.Subject.Client == "":
		return refuse("invalid_request", "no_subject", "the subject token says nobody")
	// RFC 8693 §2.1 and §4.4: a token that was meant for somebody else is perhaps a stolen one.
	case !slices.Contains(a.Client.Serves, a.Subject.Resource) && (a.Subject.MayAct == "" || a.Subject.MayAct != a.Client.ID):
		return refuse("invalid_request", "not_meant", "the subject token was not meant for this client: its audience is no resource of the client and its may_act does not name it")
	case a.Target.URI == "" || !slices.Contains(a.Client.Reaches, a.Target.URI):
		return oauth.InvalidTarget("not_reached", "this client may not get tokens for that resource")
	}
	return nil
}

// chain is the subject's chain with the actor in front. The first exchange begins it with the client that the subject used:
// its hop would be dropped otherwise.
func (a Ask) chain() ([]token.Actor, *oauth.Error) {
	actor := token.Actor{Principal: token.Principal{Issuer: a.Issuer, Subject: a.Client.ID}, Client: a.Client.ID, How: a.How}
	before := a.Subject.Chain
	if len(before) == 0 {
		first := token.Principal{Issuer: a.Issuer, Subject: a.Subject.Client}
		before = []token.Actor{{Principal: first, Client: a.Subject.Client, How: HowClient}}
	}
	// RFC 8693 §1.1: who acts for itself impersonates, or adds nothing: there would be no new hop.
	if a.Subject.Principal == actor.Principal {
		return nil, refuse("invalid_request", "itself", "the subject of the token is the client itself")
	}
	same := func(hop token.Actor) bool { return hop.Principal == actor.Principal || hop.Client == actor.Client }
	if a.Subject.Client == a.Client.ID || slices.ContainsFunc(before, same) {
		return nil, refuse("invalid_request", "loop", "the client is in the chain of actors already")
	}
	if len(before)+1 > depth {
		return nil, refuse("invalid_request", "too_deep", "the chain of actors would be longer than 4")
	}
	return append([]token.Actor{actor}, before...), nil
}

// scopes are what the subject token holds, is asked for, the subject may have at the target and was agreed to.
func (a Ask) scopes() (oauth.Scopes, *oauth.Error) {
	// A scope of a name that is free at the first resource may be for a few at the target.
	left := a.Subject.Scopes.Intersect(a.Target.Permitted(a.Subject.Groups)).Without(oauth.OfflineAccess)
	if len(a.Scopes) > 0 {
		left = left.Intersect(a.Scopes)
	}
	if len(left) == 0 {
		return nil, refuse("invalid_scope", "no_scope", "nothing is left of the scope: the subject token holds none of what is asked for and known at the target")
	}
	if a.Unasked {
		return left, nil
	}
	// RFC 8693 has no code for it; the grant that is missing is the person's.
	if len(a.Consented) == 0 {
		return nil, oauth.InvalidGrant("no_consent", "the person has not agreed that this client acts at that resource: send the person through the authorization endpoint once, with this client_id and that resource")
	}
	if left = left.Intersect(a.Consented); len(left) == 0 {
		return nil, refuse("invalid_scope", "scope_not_consented", "the person has agreed to none of that scope at that resource")
	}
	return left, nil
}

// task is the task asked for, if it lies within that of the subject token, which stays if none is asked for.
func (a Ask) task() (*token.Task, *oauth.Error) {
	if a.Task == nil {
		return a.Subject.Task, nil
	}
	if !a.Task.Within(a.Subject.Task) {
		return nil, refuse("invalid_authorization_details", "task_wider", "the task is another one than that of the subject token, or is wider")
	}
	return a.Task, nil
}

// expires is the earliest of the ends that there are.
func (a Ask) expires(task *token.Task) (time.Time, *oauth.Error) {
	end := a.Now.Add(a.Access)
	if a.Subject.Expires.Before(end) {
		end = a.Subject.Expires
	}
	if task != nil && !task.Expires.IsZero() && task.Expires.Before(end) {
		end = task.Expires
	}
	if !end.After(a.Now) {
		return end, refuse("invalid_request", "over", "the subject token or its task has ended")
	}
	return end, nil
}

func refuse(code, reason, description string) *oauth.Error {
	return &oauth.Error{Status: 400, Code: code, Reason: reason, Description: description}
}
