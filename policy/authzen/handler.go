package authzen

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

// Path is where a decision point answers. Authorization API 1.0 §6: its address is the operator's to choose, and this is the usual one.
const Path = "/access/v1/evaluation"

const maxQuestion = 1 << 20

// Handler is a decision point. Who may ask is not its business: whoever serves it lets only those in.
type Handler struct {
	Issuer string                                       // of whoever names no other
	Server func(name string) (resource string, ok bool) // the identifier of a server by its name or identifier; "": the only one
	Decide func(context.Context, policy.Request) policy.Decision
	Now    func() time.Time
}

// answer is an access evaluation response. §6.2.
type answer struct {
	Decision bool    `json:"decision"`
	Context  because `json:"context"`
}

// because says why, and what would help.
type because struct {
	Code        string       `json:"code"`
	Reason      string       `json:"reason,omitempty"`
	Lacking     *lacking     `json:"lacking,omitempty"`
	Obligations []obligation `json:"obligations,omitempty"`
	Bundle      string       `json:"bundle,omitempty"`
}

// lacking is what would make the answer another one.
type lacking struct {
	Scopes   []string `json:"scopes,omitempty"`
	ACR      string   `json:"acr_values,omitempty"`
	MaxAge   int      `json:"max_age,omitzero"`
	Account  string   `json:"account,omitempty"`
	Approval bool     `json:"approval,omitzero"`
}

// obligation is something that whoever asked must do. As the obligations profile of AuthZEN has it: one that is not known is a denial.
type obligation struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Properties map[string]string `json:"properties"`
}

// Answer decides what the body of r asks, and gives the answer's body. The error is an *oauth.Error for a question that is none.
func (h Handler) Answer(r *http.Request) ([]byte, policy.Decision, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion+1))
	if err != nil || len(body) > maxQuestion {
		return nil, policy.Decision{}, oauth.InvalidRequest("body", "the body is longer than a question can be, or broke off")
	}
	asked, err := h.read(body)
	if err != nil {
		return nil, policy.Decision{}, err
	}
	d := h.Decide(r.Context(), asked)
	out, err := json.Marshal(reply(d))
	return out, d, err
}

func reply(d policy.Decision) answer {
	a := answer{Decision: d.Verdict == policy.Allow, Context: because{Code: d.Code, Reason: d.Title, Bundle: d.Bundle}}
	if d.Verdict == policy.Challenge {
		l := d.Lacking
		a.Context.Lacking = &lacking{l.Scopes, l.ACR, l.MaxAge, l.Account, l.Approval}
	}
	if d.Verdict == policy.Allow {
		for _, o := range d.Obligations {
			a.Context.Obligations = append(a.Context.Obligations, obligation{o.Rule, o.Name, map[string]string{"value": o.Value}})
		}
	}
	return a
}
