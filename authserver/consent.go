package authserver

import (
	"context"
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
		if p.SignedIn == nil || p.Consented != nil {
			return false, nil
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
		if err != nil || len(have) == 0 || !have.Covers(p.Scopes) {
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

// Allow stores that the person of p consents to all that p asks for, and sends the browser on. What is remembered is
// for every resource of p.
func (s *Server) Allow(w http.ResponseWriter, r *http.Request, p Pending) error {
	c, err := s.c.Client(r.Context(), p.Client)
	if err != nil {
		return err
	}
	_, err = s.c.Log.Do(r.Context(), s.consentRecord(r, audit.ConsentGiven, p), func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		if !rememberable(c, p.Redirect) {
			return audit.Outcome{}, nil
		}
		for _, resource := range p.Resources {
			if err := s.c.Store.Consents.Remember(ctx, in, in.Now().Add(s.c.Consent), p.SignedIn.Principal, agreed(c, p.Redirect), resource, p.Scopes); err != nil {
				return audit.Outcome{}, err
			}
		}
		return audit.Outcome{}, nil
	})
	if err != nil {
		return err
	}
	return s.Answer(w, r, p, Consented{p.Scopes})
}

// Decline stores that the person of p says no, and sends the browser on.
func (s *Server) Decline(w http.ResponseWriter, r *http.Request, p Pending) error {
	_, err := s.c.Log.Do(r.Context(), s.consentRecord(r, audit.ConsentDeclined, p), func(context.Context, audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, nil
	})
	if err != nil {
		return err
	}
	return s.Answer(w, r, p, Declined{})
}

func (s *Server) consentRecord(r *http.Request, code audit.Code, p Pending) audit.Record {
	info := request.From(r.Context())
	return audit.Record{Code: code, Now: info.Now, Request: info.ID, Client: info.Client, Subject: p.SignedIn.Principal, About: p.Client, Server: p.Resources[0]}
}
