package registration

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// Mode is who may be here without being listed. The zero Mode, and any word that is not one of the three, is ModeListed.
type Mode string

// The modes.
const (
	ModeListed Mode = "listed" // nobody
	ModeReview Mode = "review" // whoever an administrator lets: a new client waits
	ModeOpen   Mode = "open"   // everybody whom the rest of the Policy lets
)

// Policy is the operator's word on clients that nobody listed, dynamic ones and metadata documents. The zero Policy lets
// none in.
type Policy struct {
	Mode          Mode     `yaml:"mode"`
	RedirectHosts Hosts    `yaml:"redirect_hosts"`
	Schemes       []string `yaml:"redirect_schemes"` // private-use ones that redirects may have, such as cursor; empty: none
	DocumentHosts []string `yaml:"document_hosts"`   // where metadata documents may lie, as in Hosts; empty: anywhere
	// StatementIssuers are whose software statements count (RFC 7591 §2.3). Empty: a statement is ignored, like any member
	// that is not known.
	StatementIssuers  []StatementIssuer `yaml:"software_statement_issuers"`
	StatementRequired bool              `yaml:"software_statement_required"` // of dynamic clients
}

// Hosts are which hosts redirects may have: host names without port, exact, or *.example.com for every name below that
// one. Deny wins.
type Hosts struct {
	Allow []string `yaml:"allow"` // of https redirects; empty: all
	Deny  []string `yaml:"deny"`  // of every redirect, loopback ones too
}

// StatementIssuer is somebody whose word on a client counts. Exactly one of JWKSURI and JWKS has its keys.
type StatementIssuer struct {
	Issuer  string `yaml:"issuer"`
	JWKSURI string `yaml:"jwks_uri"`
	JWKS    string `yaml:"jwks"` // as RFC 7517 §5 has it
}

// forbidden are schemes under which a browser runs or reads something itself. No list lets them.
var forbidden = []string{"javascript", "data", "file", "vbscript", "blob", "about", "http", "https", "ws", "wss", "ftp", "view-source"}

// Check says what in p can never mean what its author wanted; nil: nothing.
func (p Policy) Check() error {
	var all []error
	add := func(format string, a ...any) { all = append(all, fmt.Errorf(format, a...)) }
	if !slices.Contains([]Mode{ModeListed, ModeReview, ModeOpen}, p.Mode) {
		add("mode: %q is not listed, review or open", p.Mode)
	}
	for key, list := range map[string][]string{"redirect_hosts.allow": p.RedirectHosts.Allow, "redirect_hosts.deny": p.RedirectHosts.Deny, "document_hosts": p.DocumentHosts} {
		for _, pattern := range list {
			if !hostPattern(pattern) {
				add("%s: %q is neither a host name nor *. before one", key, pattern)
			}
		}
	}
	for _, s := range p.Schemes {
		if u, err := url.Parse(s + ":x"); err != nil || u.Scheme != s {
			add("redirect_schemes: %q is not the name of a scheme in lower case", s)
		} else if slices.Contains(forbidden, s) {
			add("redirect_schemes: %s is never a redirect to an app", s)
		}
	}
	for _, i := range p.StatementIssuers {
		if i.Issuer == "" || (i.JWKS == "") == (i.JWKSURI == "") {
			add("software_statement_issuers: %q needs its issuer, and one of jwks and jwks_uri", i.Issuer)
		} else if i.JWKS != "" {
			if reason := checkKeys([]byte(i.JWKS), ""); reason != "" {
				add("software_statement_issuers: %s: %s", i.Issuer, reason)
			}
		}
	}
	if p.StatementRequired && len(p.StatementIssuers) == 0 {
		add("software_statement_required: software_statement_issuers is empty, so nobody could register")
	}
	return errors.Join(all...)
}

func hostPattern(p string) bool {
	name := strings.TrimPrefix(p, "*.")
	u, err := url.Parse("https://" + name)
	return err == nil && u.Host == name && u.Port() == "" && name == strings.ToLower(name) && !strings.ContainsAny(name, "*%") && strings.Trim(name, ".") == name && name != ""
}

// unlisted reports whether anybody may be here who is not listed.
func (p Policy) unlisted() bool { return p.Mode == ModeReview || p.Mode == ModeOpen }

// redirect says why a redirect address is not taken; empty: it is.
func (p Policy) redirect(uri string) (reason string) {
	var schemes []string
	for _, s := range p.Schemes {
		if !slices.Contains(forbidden, s) {
			schemes = append(schemes, s)
		}
	}
	if reason := oauth.CheckRedirect(uri, schemes...); reason != "" {
		return reason
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "it is not an absolute address"
	case u.Scheme != "https" && u.Scheme != "http":
		return ""
	case strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r >= 0x7f }):
		return "its host has characters that browsers read as others" // written as %E3%80%82, which ends up as a dot
	case matchHost(p.RedirectHosts.Deny, u.Hostname()):
		return "its host is denied here"
	case u.Scheme == "https" && len(p.RedirectHosts.Allow) > 0 && !matchHost(p.RedirectHosts.Allow, u.Hostname()):
		return "its host is not among those that are allowed here"
	}
	return ""
}

// document reports whether a metadata document may lie at the host of id.
func (p Policy) document(id string) bool {
	u, err := url.Parse(id)
	return err == nil && (len(p.DocumentHosts) == 0 || matchHost(p.DocumentHosts, u.Hostname()))
}

// vouched reports whether the operator named the document's host: only then does it get what a stranger never does.
func (p Policy) vouched(id string) bool { return len(p.DocumentHosts) > 0 && p.document(id) }

// matchHost knows the spellings that lead to one host: case, and a dot at the end.
func matchHost(patterns []string, host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(patterns, func(p string) bool {
		if below, ok := strings.CutPrefix(p, "*"); ok {
			return strings.HasSuffix(host, below) && len(host) > len(below)
		}
		return host == strings.Trim(p, "[]")
	})
}
