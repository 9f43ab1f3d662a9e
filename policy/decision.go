package policy

import (
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// Verdict is the answer in one word. The zero Verdict is Deny.
type Verdict int

// The verdicts.
const (
	Deny Verdict = iota
	Challenge
	Allow
)

// String is the verdict as records name it.
func (v Verdict) String() string { return [...]string{"deny", "challenge", "allow"}[v] }

// Decision is what came of a Request. The zero Decision denies.
type Decision struct {
	Verdict     Verdict
	Code        string // why, stable
	Title       string // why, in words for the caller
	Lacking     Lacking
	Obligations []Obligation
	Rules       []string // ids of the rules that decided
	Bundle      string   // digest of the rules
	Shadow      *Shadow  // what a candidate would have decided; nil: the same, or there is none
	Facts       *Facts   // what was known of the caller besides its token, for the record; nil: nobody asked
}

// Shadow is the decision of a candidate bundle that differs from the one that counts.
type Shadow struct {
	Verdict Verdict
	Code    string
	Rules   []string
	Bundle  string
}

// Lacking is everything that a challenge asks for at once. The zero Lacking asks for nothing.
type Lacking struct {
	Scopes   oauth.Scopes
	ACR      string // values of RFC 9470 §3 any of which will do, separated by spaces
	MaxAge   int    // seconds since the sign-in; 0: any
	Account  string // at which service the person must link one; empty: nowhere
	Approval bool
}

// Token reports whether another token, which the caller can ask for, is all that is lacking.
func (l Lacking) Token() bool {
	return l.Account == "" && !l.Approval && (len(l.Scopes) > 0 || l.ACR != "" || l.MaxAge > 0)
}

// Union is what both lack. Of two ages the smaller one counts, and ways to sign in are put side by side.
func (l Lacking) Union(m Lacking) Lacking {
	l.Scopes = l.Scopes.Union(m.Scopes)
	for _, acr := range strings.Fields(m.ACR) {
		if !strings.Contains(" "+l.ACR+" ", " "+acr+" ") {
			l.ACR = strings.TrimSpace(l.ACR + " " + acr)
		}
	}
	if l.MaxAge == 0 || m.MaxAge > 0 && m.MaxAge < l.MaxAge {
		l.MaxAge = m.MaxAge
	}
	if l.Account == "" {
		l.Account = m.Account
	}
	l.Approval = l.Approval || m.Approval
	return l
}

// The names of obligations.
const (
	Redact    = "redact"    // Value is a JSON pointer into the answer, in which * stands for every member
	Audit     = "audit"     // Value is the level of the record: none, metadata, args or full
	RateLimit = "ratelimit" // Value is a number and a span, such as 10/h
	Notify    = "notify"    // Value says whom
)

// Obligation is something that must be done when the call is made. Who cannot do it refuses the call.
type Obligation struct {
	Name, Value string
	Rule        string // the id of the rule that asks for it
}
