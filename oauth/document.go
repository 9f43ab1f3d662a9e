package oauth

import (
	"net/url"
	"strings"
)

// IsDocumentID reports whether a client id has the shape of a client ID metadata document's address: everything
// that begins with a scheme and ://. Ids that we give never do.
func IsDocumentID(id string) bool { return strings.Contains(id, "://") }

// CheckDocumentID says why id cannot be the address of a client ID metadata document; empty: it can.
// draft-ietf-oauth-client-id-metadata-document: https, a path, no dot segments, no fragment, no userinfo.
func CheckDocumentID(id string) (reason string) {
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Host == "" || len(id) > 2048:
		return "it is not an address"
	case u.Scheme != "https":
		return "it is not an https address"
	case u.Path == "" || u.Path == "/":
		return "it has no path"
	case u.User != nil:
		return "it has a user name"
	case strings.Contains(id, "#"):
		return "it has a fragment"
	case hasControl(id):
		return "it has a character that no address may have"
	}
	for _, s := range strings.Split(u.Path, "/") {
		if s == "." || s == ".." {
			return "its path has dot segments"
		}
	}
	return ""
}
