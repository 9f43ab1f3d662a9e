package registration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/oauth"
)

// MaxDocument is how many bytes of a client ID metadata document are read: what the draft recommends.
const MaxDocument = 5 << 10

// readDocument judges a document's text. What it offers beyond what a client may have here is cut off, not refused.
func (r *Registry) readDocument(now time.Time, id string, body []byte) (oauth.Client, error) {
	refuse := func(format string, a ...any) (oauth.Client, error) {
		return oauth.Client{}, oauth.InvalidClient("document", "the client's metadata document cannot be used: "+fmt.Sprintf(format, a...))
	}
	s, err := parse(body)
	switch {
	case len(body) > MaxDocument:
		return refuse("it is longer than 5 KB")
	case err != nil:
		return refuse("it is not a JSON object of client metadata")
	case s.ID != id: // the draft, section 4.1: by simple string comparison
		return refuse("its client_id is not its address")
	case s.Name == "":
		return refuse("it has no client_name")
	case s.Secret != "" || strings.HasPrefix(s.TokenAuthMethod, "client_secret_"):
		return refuse("it relies on a shared secret, which a public document cannot hold")
	case len(s.GrantTypes) > 0 && !slices.Contains(s.GrantTypes, "authorization_code"):
		return refuse("its grant_types lack authorization_code")
	case len(s.ResponseTypes) > 0 && !slices.Contains(s.ResponseTypes, "code"):
		return refuse("its response_types lack code")
	}
	if s.TokenAuthMethod == "" && len(s.Methods) == 0 {
		s.TokenAuthMethod = none
	}
	var wrong *oauth.Error
	if errors.As(s.choose([]string{none, privateKeyJWT}), &wrong) {
		return refuse("%s", wrong.Description)
	}
	redirects, refused := r.c.Policy.filterRedirects(s.RedirectURIs)
	if len(redirects) == 0 {
		return refuse("no redirect address can be used: %s", strings.Join(refused, "; "))
	}
	s.RedirectURIs, s.ResponseTypes = redirects, []string{"code"}
	s.LogoutURIs, _ = r.c.Policy.filterRedirects(s.LogoutURIs)
	s.GrantTypes = r.c.Policy.documentGrants(id, s.ClientMetadata)
	if err := words(s.ClientMetadata); err != nil {
		return refuse("a member that people would see has characters or addresses that cannot be shown")
	}
	return oauth.Client{ID: id, Source: oauth.Document, ClientMetadata: s.ClientMetadata, Issued: now}, nil
}

// documentGrants cuts what a document asks for down to what it may have.
func (p Policy) documentGrants(id string, m oauth.ClientMetadata) []string {
	if len(m.GrantTypes) == 0 {
		return slices.Clone(grantTypes)
	}
	return slices.DeleteFunc(slices.Clone(m.GrantTypes), func(g string) bool {
		switch g {
		case deviceGrant:
			return !p.vouched(id)
		case jwtGrant:
			return m.TokenAuthMethod != privateKeyJWT
		}
		return !slices.Contains(grantTypes, g)
	})
}

// unreadable tells a document that may come back apart from one that will not: a host that is down is no reason to
// forget a client.
func unreadable(err error) *oauth.Error {
	var status *fetch.StatusError
	final := errors.As(err, &status) && status.Code < 500 && status.Code != 429
	if final || errors.Is(err, fetch.ErrAddress) || errors.Is(err, fetch.ErrTooLarge) || errors.Is(err, fetch.ErrType) {
		return oauth.InvalidClient("document_refused", "the client's metadata document cannot be read: its address must be public and https, and answer 200 with at most 5 KB of JSON and without a redirect")
	}
	return &oauth.Error{Status: 503, Code: "temporarily_unavailable", Reason: "document_unreadable", RetryAfter: 30,
		Description: "the client's metadata document cannot be read at the moment; try again"}
}
