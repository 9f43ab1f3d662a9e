package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Version of the schema. docs/audit-schema.md explains each field; a field is added, never given another meaning.
const Version = 1

// The phases of a record.
const (
	Intent  = "intent"  // what is about to be done, kept before the act
	Outcome = "outcome" // what came of it, under the same id
	Refusal = "refusal" // a request that was turned away: there is no act
	Notice  = "notice"  // what the log says about itself
)

// Entry is one record as it is kept. Its leaf in the tree is its exact bytes: whoever verifies never encodes again.
// No field holds an argument, an answer, a person's name, an e-mail or network address, the address of a resource, or a token.
type Entry struct {
	V    int    `json:"v"`
	ID   string `json:"id"` // random, of the act: its intent and outcome share it
	Code string `json:"code"`
	// Phase is intent, outcome, refusal or notice.
	Phase string `json:"phase"`
	Time  string `json:"t"` // RFC 3339, UTC, as the node's clock had it
	Node  string `json:"node"`
	Boot  string `json:"boot"` // random, of the process
	Seq   int64  `json:"seq"`  // counts the records of the boot from 1 without a gap

	Request string    `json:"request,omitempty"`
	Trace   string    `json:"trace,omitempty"` // traceparent; tracestate and baggage are not kept
	Subject *Subject  `json:"subject,omitempty"`
	Chain   []Actor   `json:"chain,omitempty"`   // the current actor first; the subject is not in it
	Omitted int       `json:"omitted,omitempty"` // actors of a longer chain that are not in it
	Client  string    `json:"client,omitempty"`  // client_id
	Grant   string    `json:"grant,omitempty"`   // of the authorization that the act hangs on
	Tokens  []Token   `json:"tokens,omitempty"`  // shown with an intent or refusal, made with an outcome
	About   string    `json:"about,omitempty"`   // the client, key, setting, definition or bundle that the act is about
	Name    string    `json:"name,omitempty"`    // commitment to a name that somebody typed
	Server  string    `json:"server,omitempty"`  // resource identifier
	Proto   string    `json:"proto,omitempty"`   // revision of MCP
	Calls   []Call    `json:"calls,omitempty"`   // operations of an MCP request, in their order
	More    int       `json:"more,omitempty"`    // operations of a long batch that Calls leaves out
	Cut     bool      `json:"cut,omitempty"`     // the record was too long: rules, obligations or candidates are missing from Policy
	Policy  *Decision `json:"policy,omitempty"`  // what was decided
	Net     string    `json:"net,omitempty"`     // commitment to the client's address, equal for one address within one day
	Result  string    `json:"result,omitempty"`  // of an outcome: done, refused, failed, unknown or a word of the act's own
	Reason  string    `json:"reason,omitempty"`  // stable
	Scopes  []string  `json:"scopes,omitempty"`  // given, of an outcome
	Task    string    `json:"task,omitempty"`    // id of the one piece of work that it is for
	Micros  int64     `json:"us,omitempty"`      // from the request's arrival to this record
	Answer  *Sum      `json:"answer,omitempty"`  // commitment to what came back, where the level asks for it
	Count   int       `json:"count,omitempty"`   // refusals that this one stands for; 0 is 1
	Notice  *Note     `json:"notice,omitempty"`  // of a notice
	Sealed  string    `json:"sealed,omitempty"`  // level of what the vault keeps for this record: args or full
}

// Subject is the person or workload that an act is for.
type Subject struct {
	Pseudonym string `json:"pid"` // random; the vault knows whose it is until they are erased
	ACR       string `json:"acr,omitempty"`
	SignedIn  string `json:"auth_time,omitempty"` // RFC 3339
}

// Actor acts for the subject.
type Actor struct {
	Pseudonym string `json:"pid,omitempty"`    // of somebody who is no client
	Client    string `json:"client,omitempty"` // client_id
	How       string `json:"how"`              // how it is known
	Verified  bool   `json:"verified"`         // whether we have verified it ourselves
}

// Token is one token, never its text.
type Token struct {
	Kind    string   `json:"kind"` // access_token, refresh_token, id_token …
	ID      string   `json:"jti,omitempty"`
	Hash    string   `json:"h,omitempty"` // base64 of SHA-256 of its text
	Foreign bool     `json:"foreign,omitempty"`
	Scopes  []string `json:"scopes,omitempty"`
	Expires string   `json:"exp,omitempty"`
	Key     string   `json:"cnf,omitempty"` // thumbprint of its confirmation key
}

// Call is one operation of an MCP request.
type Call struct {
	Method     string `json:"method,omitempty"`
	Name       string `json:"name,omitempty"`   // of a tool or prompt
	NameSum    string `json:"name_c,omitempty"` // commitment to the address of a resource, or to a name that no tool could have
	Definition string `json:"def,omitempty"`    // hash of the definition that the caller was shown
	Args       *Sum   `json:"args,omitempty"`
}

// Sum commits to a JSON value: the root of a Merkle tree over salted commitments to its leaves, and how many there are.
// Without the salt, which hangs on the subject's key in the vault, it says nothing.
type Sum struct {
	Root   string `json:"root"` // base64
	Leaves int    `json:"n"`
}

// Decision is what was decided and by what.
type Decision struct {
	Verdict     string   `json:"verdict"`
	Code        string   `json:"code,omitempty"`
	Bundle      string   `json:"bundle,omitempty"`
	Rules       []string `json:"rules,omitempty"`
	Obligations []string `json:"obligations,omitempty"`
	Shadow      []Shadow `json:"shadow,omitempty"`
}

// Shadow is a decision of a candidate that did not count.
type Shadow struct {
	Live    string   `json:"live,omitempty"`
	Verdict string   `json:"verdict"`
	Code    string   `json:"code,omitempty"`
	Bundle  string   `json:"bundle,omitempty"`
	Rules   []string `json:"rules,omitempty"`
}

// The codes of what the log says about itself.
const (
	Started   = "log.started"   // a process begins to write; About is the origin
	Alive     = "log.alive"     // nothing happened for a minute, and the process was there
	Dropped   = "log.dropped"   // Count records of lists or refusals were dropped since the store did not keep up
	Gap       = "log.gap"       // an operator accepted that records From up to To are missing (repair)
	KeyChange = "log.key"       // another key signs from the next record on
	Retention = "log.retention" // the bodies of records From up to To are deleted, or are about to be; Root is of the tree of size To
	Held      = "log.held"      // records From up to To may not be deleted; Reason says why
	Released  = "log.released"  // the hold on From up to To has ended
	Unwitness = "log.witness"   // the quorum of witnesses is late (Reason late), or has caught up (Reason well)
)

// Note is the rest of a notice. From and To are indexes, To is the first that does not belong.
type Note struct {
	From int64  `json:"from,omitempty"`
	To   int64  `json:"to,omitempty"`
	Root string `json:"root,omitempty"` // base64
	Old  string `json:"old,omitempty"`  // verifier key that signed until now
	New  string `json:"new,omitempty"`  // verifier key that signs from here on
	// Signed is a signed note of the old key over Rotation(origin, New).
	Signed string `json:"signed,omitempty"`
}

// Rotation is the text by which a key hands over to another.
func Rotation(origin, verifier string) string {
	return "doorward audit key\n" + origin + "\n" + verifier + "\n"
}

// Decode reads what Encode gave. Unknown members are refused: a record of a later version is not half understood.
func Decode(b []byte) (Entry, error) {
	var e Entry
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("reading an audit record: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Entry{}, fmt.Errorf("reading an audit record: something follows it")
	}
	if e.V != Version {
		return Entry{}, fmt.Errorf("reading an audit record: version %d is not known here", e.V)
	}
	return e, nil
}
