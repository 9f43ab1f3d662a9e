package audit

// Code is a stable event code. To add one, add a row: how durable its record must be stands beside it.
type Code string

// The codes.
const (
	Installed          Code = "installation.created"
	Restored           Code = "installation.restored" // the database is older than the log: what was taken away since was taken away again
	Configured         Code = "installation.configured"
	KeyAdded           Code = "key.added"
	PersonAdded        Code = "person.added"
	PersonChanged      Code = "person.changed"
	LinkMade           Code = "login.link_made"
	LinkUsed           Code = "login.link_used"
	SignedIn           Code = "login.signed_in"
	SignInRefused      Code = "login.refused"
	SignedOut          Code = "login.signed_out"
	ClientRegistered   Code = "client.registered"
	RegistrationDenied Code = "client.refused"
	ClientAdded        Code = "client.added"
	ClientApproved     Code = "client.approved"
	ClientChanged      Code = "client.changed"
	ClientRemoved      Code = "client.removed"
	AuthorizeRefused   Code = "authorize.refused"
	ConsentGiven       Code = "consent.given"
	ConsentDeclined    Code = "consent.declined"
	Authorized         Code = "authorize.granted"
	TokenIssued        Code = "token.issued"
	TokenExchanged     Code = "token.exchanged"
	TokenRefused       Code = "token.refused"
	Introspected       Code = "token.introspected"
	IdentityRead       Code = "identity.read"
	GrantRevoked       Code = "grant.revoked"
	Called             Code = "mcp.called"
	Read               Code = "mcp.read"
	Listed             Code = "mcp.listed"
	Streamed           Code = "mcp.streamed"
	SessionEnded       Code = "mcp.session_ended"
	CallRefused        Code = "mcp.refused"
	RequestRefused     Code = "request.refused"
	DefinitionUnknown  Code = "definition.unknown"
	DefinitionAccepted Code = "definition.accepted"
	PolicyLoaded       Code = "policy.loaded"
	Evaluated          Code = "policy.evaluated"
	PersonErased       Code = "privacy.erased" // About is the pseudonym, which nobody can tell whose it was any more
	HoldMade           Code = "hold.made"      // records may not be deleted; a notice says which
	HoldEnded          Code = "hold.ended"
	ClearRead          Code = "audit.read" // somebody read clear values, or whose a pseudonym is: About
)

// Class is how durable a record must be before the act. The zero Class is Strict.
type Class int

// The classes.
const (
	Strict  Class = iota // tool calls, tokens, administration
	Grouped              // reads
	Bounded              // lists, streams, refusals of strangers
)

type kind struct {
	class      Class
	takesPower bool // happens always; its record is spooled when it cannot be written
}

// kinds has a row for each code that is not strict or that takes power away; a code without a row is strict and gives power.
var kinds = map[Code]kind{
	SignedOut:         {takesPower: true},
	GrantRevoked:      {takesPower: true},
	ConsentDeclined:   {takesPower: true},
	SessionEnded:      {takesPower: true},
	ClientRemoved:     {takesPower: true},
	PersonErased:      {takesPower: true},
	Read:              {class: Grouped},
	Introspected:      {class: Grouped},
	IdentityRead:      {class: Grouped},
	Listed:            {class: Bounded},
	DefinitionUnknown: {class: Bounded},
	Evaluated:         {class: Grouped},
	Streamed:          {class: Bounded},
	RequestRefused:    {class: Bounded},
}
