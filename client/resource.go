package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// resourceMetadata reads the document that the challenge names, else the well-known ones. errNoDocument: the server
// has none, at any of these addresses.
func (t *Transport) resourceMetadata(ctx context.Context, ch oauth.Challenge) (oauth.ProtectedResource, error) {
	urls := oauth.ProtectedResourceURLs(t.address())
	if ch.ResourceMetadata != "" {
		// MCP 2025-11-25: the address of the challenge is used whenever it is given.
		urls = []string{ch.ResourceMetadata}
	}
	var doc oauth.ProtectedResource
	from, err := t.firstDocument(ctx, urls, &doc)
	if errors.Is(err, errNoDocument) && ch.ResourceMetadata != "" {
		// Not the error of a server without metadata: this one says that it has a document.
		return doc, fmt.Errorf("the challenge names resource metadata that is not there: %s", printable(ch.ResourceMetadata, 300))
	}
	if err != nil {
		return doc, fmt.Errorf("reading resource metadata: %w", err)
	}
	return doc, t.checkResource(from, doc.Resource)
}

// firstDocument reads the first document that is there into v. A page of a web application in its place is passed over,
// but remembered: only when every address says that it has nothing is the error errNoDocument.
func (t *Transport) firstDocument(ctx context.Context, urls []string, v any) (from string, err error) {
	var page error
	for _, u := range urls {
		err := t.net.document(ctx, u, v)
		switch {
		case errors.Is(err, errNotJSON):
			page = errors.Join(page, err)
		case !errors.Is(err, errNoDocument):
			return u, err
		}
	}
	if page != nil {
		return "", page
	}
	return "", errNoDocument
}

// checkResource holds the document's resource against the server's address. RFC 9728 §3.3: it must be identical.
// What is accepted besides is an ancestor of that path on the same origin, byte for byte, because MCP allows documents
// at the root of an origin, which can name only the origin (docs/divergences.md). The token is then good for all below
// the ancestor, and still only sent to the server's address. Another origin is refused always.
func (t *Transport) checkResource(from, resource string) error {
	if resource == t.address() {
		return nil
	}
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Contains(resource, "#") ||
		oauth.Origin(resource) != oauth.Origin(t.address()) || !ancestor(u.EscapedPath(), t.server.EscapedPath()) {
		return differ("the resource in "+from, t.address(), resource)
	}
	return nil
}

// ancestor reports whether path lies below above, by whole segments. /mcp/ is no ancestor of /mcp.
func ancestor(above, path string) bool {
	return above == "" || above == "/" || strings.HasPrefix(path, strings.TrimSuffix(above, "/")+"/") && !hasDots(path)
}
