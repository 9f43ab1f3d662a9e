package policy

import "github.com/doorward-mcp/doorward/oauth"

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
}

// Lacking is everything that a challenge asks for at once. The zero Lacking asks for nothing.
type Lacking struct {
	Scopes   oauth.Scopes
	ACR      string
	MaxAge   int // seconds since the sign-in; 0: any
	Account  string
	Approval bool
}

// Obligation is something that must be done when the call is made.
type Obligation struct{ Name, Value string }
