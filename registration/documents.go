package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// How long a client ID metadata document is kept, by its headers within these bounds.
const (
	documentLeast = 5 * time.Minute
	documentMost  = 24 * time.Hour
)

// MaxDocument is how many bytes of a client ID metadata document are read: what the draft recommends.
const MaxDocument = 5 << 10

// documents are clients whose id is the address of their metadata. draft-ietf-oauth-client-id-metadata-document.
// Errors are not kept, and what a document says is never stored: it holds while it is fresh.
type documents struct {
	registry *Registry
	kept     *otter.Cache[string, *document] // :: address → document
}

type document struct {
	client oauth.Client
	until  time.Time
}

// choices are members that some clients send beside those of RFC 7591: what else they could do.
type choices struct {
	ID      string   `json:"client_id"`
	Methods []string `json:"token_endpoint_auth_methods_supported"`
	Secret  string   `json:"client_secret"`
	oauth.ClientMetadata
}

func (d *documents) client(ctx context.Context, id string) (oauth.Client, error) {
	info := request.From(ctx)
	if reason := oauth.CheckDocumentID(id); reason != "" {
		return oauth.Client{}, oauth.InvalidClient("document_address", "the client id cannot be the address of a metadata document: "+reason)
	}
	if kept, ok := d.kept.GetIfPresent(id); ok && info.Now.Before(kept.until) {
		return kept.client, nil
	}
	switch {
	case d.registry.c.Fetch == nil:
		return oauth.Client{}, oauth.InvalidClient("documents_off", "client ID metadata documents are not taken here")
	case !d.registry.rate.Allow(info, "document", d.registry.c.Limits.Documents):
		return oauth.Client{}, tooMany()
	}
	body, fresh, err := d.registry.c.Fetch(ctx, id)
	if err != nil {
		d.registry.c.Slog.WarnContext(ctx, "reading a client ID metadata document", "request", info.ID, "address", id, "error", err)
		return oauth.Client{}, unreadable(err)
	}
	c, err := readDocument(info.Now, id, body)
	if err != nil {
		return oauth.Client{}, err
	}
	until := fresh
	if least := info.Now.Add(documentLeast); until.Before(least) {
		until = least
	}
	if most := info.Now.Add(documentMost); until.After(most) {
		until = most
	}
	d.kept.Set(id, &document{c, until})
	return c, nil
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

// readDocument judges a document's text.
func readDocument(now time.Time, id string, body []byte) (oauth.Client, error) {
	refuse := func(format string, a ...any) (oauth.Client, error) {
		return oauth.Client{}, oauth.InvalidClient("document", "the client's metadata document cannot be used: "+fmt.Sprintf(format, a...))
	}
	var m choices
	switch err := json.Unmarshal(body, &m); {
	case len(body) > MaxDocument:
		return refuse("it is longer than 5 KB")
	case err != nil:
		return refuse("it is not a JSON object of client metadata")
	case m.ID != id: // the draft, section 4.1: by simple string comparison
		return refuse("its client_id is not its address")
	case m.Name == "":
		return refuse("it has no client_name")
	case m.Secret != "" || strings.HasPrefix(m.TokenAuthMethod, "client_secret_"):
		return refuse("it relies on a shared secret, which a public document cannot hold")
	case m.TokenAuthMethod == "private_key_jwt" && !slices.Contains(m.Methods, "none"):
		return refuse("it demands private_key_jwt, which this server does not take yet")
	case m.TokenAuthMethod != "" && m.TokenAuthMethod != "none" && m.TokenAuthMethod != "private_key_jwt":
		return refuse("its token_endpoint_auth_method is not none")
	case len(m.GrantTypes) > 0 && !slices.Contains(m.GrantTypes, "authorization_code"):
		return refuse("its grant_types lack authorization_code")
	}
	m.TokenAuthMethod = "none"
	redirects, refused := filterRedirects(m.RedirectURIs)
	if len(redirects) == 0 {
		return refuse("no redirect address can be used: %s", strings.Join(refused, "; "))
	}
	m.RedirectURIs = redirects
	if err := words(m.ClientMetadata); err != nil {
		return refuse("a member that people would see has characters or addresses that cannot be shown")
	}
	return oauth.Client{ID: id, Source: oauth.Document, ClientMetadata: m.ClientMetadata, Issued: now}, nil
}
