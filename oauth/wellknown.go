package oauth

import (
	"net/url"
	"strings"
)

// The well-known suffixes of the documents that this module serves and reads.
const (
	WellKnownResource = "/.well-known/oauth-protected-resource"
	WellKnownServer   = "/.well-known/oauth-authorization-server"
	WellKnownOpenID   = "/.well-known/openid-configuration"
)

// InsertWellKnown is the address of a document about id: the suffix stands between host and path. RFC 9728 §3.1,
// RFC 8414 §3.1. A path that is only a slash counts as none. An id that is no absolute address gives "".
func InsertWellKnown(suffix, id string) string {
	u, err := url.Parse(id)
	if err != nil || u.Host == "" {
		return ""
	}
	path, query := u.EscapedPath(), ""
	if path == "/" {
		path = ""
	}
	if u.RawQuery != "" {
		query = "?" + u.RawQuery
	}
	return u.Scheme + "://" + u.Host + suffix + path + query
}

// ProtectedResourceURLs are where the metadata of a resource may lie, in the order to try them: for its path, then
// at the root of its origin. MCP 2025-11-25, Authorization, Protected Resource Metadata Discovery Requirements.
func ProtectedResourceURLs(resource string) []string {
	first := InsertWellKnown(WellKnownResource, resource)
	if first == "" {
		return nil
	}
	if root := InsertWellKnown(WellKnownResource, Origin(resource)); root != first {
		return []string{first, root}
	}
	return []string{first}
}

// ServerMetadataURLs are where the metadata of an issuer may lie, in the order to try them: RFC 8414 inserted, OpenID
// inserted, OpenID appended; without a path the two root addresses. MCP 2025-11-25, Authorization Server Metadata Discovery.
func ServerMetadataURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return nil
	}
	all := []string{InsertWellKnown(WellKnownServer, issuer), InsertWellKnown(WellKnownOpenID, issuer)}
	if path := strings.TrimSuffix(u.EscapedPath(), "/"); path != "" {
		all = append(all, u.Scheme+"://"+u.Host+path+WellKnownOpenID)
	}
	return all
}

// Origin is scheme, host and port of an address as they are written; "" if it is none.
func Origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
