package admin

import (
	"context"
	"errors"

	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/token"
)

// RoleAuditor is the role of those who read the audit log with its clear values, and administer nothing.
const RoleAuditor = "auditor"

var noRole = refusal{"the only role is auditor"}

// SetRole gives a person a role, or takes it away.
func (a *API) SetRole(ctx context.Context, p Person) (Person, error) {
	if p.Role != "" && p.Role != RoleAuditor {
		return Person{}, noRole
	}
	err := a.Login.SetAuditor(ctx, a.Now(), p.Name, p.Role == RoleAuditor)
	if errors.Is(err, login.ErrNotFound) {
		return Person{}, refusal{"there is no person " + p.Name + " here"}
	}
	return p, err
}

// Erased names somebody who is to be erased: by the name of an account here, or as another issuer knows them.
type Erased struct {
	Name      string `json:"name,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Pseudonym string `json:"pseudonym,omitempty"` // of the answer: whose it was cannot be told any more; empty: the log had none
}

// Erase erases a person. The log stays whole, and nobody can tell any more whom it is about.
func (a *API) Erase(ctx context.Context, e Erased) (_ Erased, err error) {
	switch {
	case e.Name != "":
		e.Pseudonym, err = a.Login.Erase(ctx, a.Now(), e.Name)
	case e.Issuer != "" && e.Subject != "":
		e.Pseudonym, err = a.Login.EraseSubject(ctx, a.Now(), token.Principal{Issuer: e.Issuer, Subject: e.Subject})
	default:
		return Erased{}, refusal{"it is not said who is to be erased"}
	}
	if errors.Is(err, login.ErrNotFound) {
		return Erased{}, refusal{"there is no person " + e.Name + " here"}
	}
	return e, err
}

// SetRole is API.SetRole.
func (c *Client) SetRole(ctx context.Context, name, role string) (p Person, err error) {
	err = c.post(ctx, "/role", Person{Name: name, Role: role}, &p)
	return p, err
}

// Erase is API.Erase.
func (c *Client) Erase(ctx context.Context, e Erased) (done Erased, err error) {
	err = c.post(ctx, "/erase", e, &done)
	return done, err
}
