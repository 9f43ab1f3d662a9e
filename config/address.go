package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// loopbackHost reports whether a host is this machine and nothing else.
func loopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// safe says why address cannot be fetched from or trusted; empty: it can. It is https, or http on loopback for an
// installation that is on loopback itself.
func (k checker) safe(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(address) > 2048:
		return "it is not an https address"
	case u.User != nil:
		return "it has a user name or password in it"
	case strings.Contains(address, "#"):
		return "it has a fragment"
	case u.Scheme == "http" && !(k.loopback && loopbackHost(u.Hostname())):
		return "it is http, which anybody on the way can change: write https"
	}
	return ""
}
