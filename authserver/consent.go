package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// Consent is the Step that asks for what no remembered consent covers, once the person is known.
func (s *Server) Consent(page string) Step {
	return Step{"consent", page, func(ctx context.Context, now time.Time, p Pending) (bool, error) {
		switch {
		case p.SignedIn == nil || p.Consented != nil:
			return false, nil
		case p.Device != nil, len(p.Choices) > 0, p.Task != nil, slices.Contains(p.Prompt, "consent"):
			return true, nil // what is chosen, compared or done once is remembered by nobody
		}
		c, err := s.c.Client(ctx, p.Client)
		if err != nil {
			return false, err
		}
		return s.lacking(ctx, now, p, c)
	}}
}

// Remembered is what the person agreed to before for the first resource of p; empty for clients that are always asked.
func (s *Server) Remembered(ctx context.Context, now time.Time, p Pending, c oauth.Client, resource string) (oauth.Scopes, error) {
	if p.SignedIn == nil || !rememberable(c, p.Redirect) {
		return nil, nil
	}
	return s.c.Store.Consents.Consent(ctx, now, p.SignedIn.Principal, agreed(c, p.Redirect), resource)
}

// agreed is c with the address first that the page named as where the code goes. Consent to one of a client's addresses
// is none to another: the others may be somebody else's, whom the person never saw.
func agreed(c oauth.Client, redirect string) oauth.Client {
	c.RedirectURIs = slices.Concat([]string{redirect}, c.RedirectURIs)
	return c
}

func (s *Server) lacking(ctx context.Context, now time.Time, p Pending, c oauth.Client) (bool, error) {
	for _, r := range p.Resources {
		have, err := s.Remembered(ctx, now, p, c, r)
		if err != nil || len(have) == 0 || !have.Covers(s.OfferedAt(p, p.Resources, r)) {
			return true, err
		}
	}
	return false, nil
}

// rememberable: a client that authenticates itself, or whose redirect is a fixed https address, is the one that was
// approved; any program on the machine can pose as a client with a loopback or private-use address. RFC 8252 §8.6.
func rememberable(c oauth.Client, redirect string) bool {
	if oauth.LoopbackRedirect(redirect) {
		return false
	}
	u, err := url.Parse(redirect)
	return err == nil && (u.Scheme == "https" || !c.Public())
}

// Allow stores that the person of p consents to all that p asks for, and sends the browser on. choice is the resource that
// the person chose where p leaves the choice; it is not looked at elsewhere. What is remembered is, for every resource of
// p, what the page showed there; and nothing of a task or a device: those are allowed once.
func (s *Server) Allow(w http.ResponseWriter, r *http.Request, p Pending, choice string) error {
	c, err := s.c.Client(r.Context(), p.Client)
	if err != nil {
		return err
	}
	given := Consented{Resources: p.Resources}
	if len(p.Choices) > 0 {
		if !slices.Contains(p.Choices, choice) {
			return s.Refused(r, p.Client, oauth.InvalidRequest("no_choice", "the form was sent without a server; go back and choose one"))
		}
		given.Resources = []string{choice}
	}
	if given.Scopes = s.Offered(p, given.Resources); len(given.Scopes) == 0 {
		return s.Refused(r, p.Client, notPermitted)
	}
	remember := rememberable(c, p.Redirect) && p.Task == nil && p.Device == nil
	_, err = s.c.Log.Do(r.Context(), s.consentRecord(r, audit.ConsentGiven, p, given.Resources), func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		out := audit.Outcome{Scopes: given.Scopes, Task: p.Task}
		if !remember {
			return out, nil
		}
		for _, resource := range given.Resources {
			if err := s.c.Store.Consents.Remember(ctx, in, in.Now().Add(s.c.Lifetimes.Consent), p.SignedIn.Principal, agreed(c, p.Redirect), resource, s.OfferedAt(p, given.Resources, resource)); err != nil {
				return out, err
			}
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	return s.Answer(w, r, p, given)
}

// Decline stores that the person of p says no, and sends the browser on.
func (s *Server) Decline(w http.ResponseWriter, r *http.Request, p Pending) error {
	_, err := s.c.Log.Do(r.Context(), s.consentRecord(r, audit.ConsentDeclined, p, p.Resources), func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		if p.Device != nil {
			if err := s.c.Store.Devices.Decline(ctx, in.Now(), p.Device.CodeHash); !errors.Is(err, ErrNotFound) { // it has given up before
				return audit.Outcome{}, err
			}
		}
		return audit.Outcome{}, nil
	})
	if err != nil {
		return err
	}
	return s.Answer(w, r, p, Declined{})
}

func (s *Server) consentRecord(r *http.Request, code audit.Code, p Pending, resources []string) audit.Record {
	info := request.From(r.Context())
	record := audit.Record{Code: code, Now: info.Now, Request: info.ID, Client: info.Client, Subject: p.SignedIn.Principal, About: p.Client}
	if len(resources) > 0 {
		record.Server = resources[0]
	}
	return record
}
