package config

import (
	"net/url"

	"golang.org/x/mod/sumdb/note"
)

func (k checker) policy() {
	p := k.c.Policy
	given := 0
	for _, one := range []bool{p.Word != "", p.Bundle != "", p.AuthZEN != nil} {
		if one {
			given++
		}
	}
	switch {
	case given == 0:
		k.add("policy", "it is missing: name a `bundle` of rules (doorward policy init DIR makes one), or write `policy: scopes-only`")
	case p.Word != "" && p.Word != ScopesOnly:
		k.add("policy", "there is no policy %s: scopes-only is, or a mapping with `bundle`", printable(p.Word))
	case given > 1:
		k.add("policy", "`bundle` and `authzen` exclude each other: one decides")
	}
	if p.AuthZEN != nil && (p.Shadow != "" || len(p.SignedBy) > 0 || p.Attributes != nil) {
		k.add("policy", "`shadow`, `signed_by` and `attributes` are about a `bundle`")
	}
	for i, key := range p.SignedBy {
		if _, err := note.NewVerifier(key); err != nil {
			k.add(nth("policy.signed_by", i), "it is no verifier key, such as doorward policy key prints")
		}
	}
	if p.Attributes != nil {
		k.asked("policy.attributes", p.Attributes.URL, p.Attributes.Headers)
	}
	if p.AuthZEN != nil {
		k.asked("policy.authzen", p.AuthZEN.URL, p.AuthZEN.Headers)
	}
}

// asked holds the address of a service that decides or informs: whoever can answer in its place decides.
func (k checker) asked(at, address string, headers map[string]Text) {
	u, err := url.Parse(address)
	switch {
	case address == "":
		k.add(under(at, "url"), "it is missing")
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		k.add(under(at, "url"), "it is no https address")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		k.add(under(at, "url"), "http is for loopback only: who answers in its place would decide")
	}
	k.headersAt(under(at, "headers"), headers)
}
