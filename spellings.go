package doorward

import (
	"net"
	"net/netip"
	"net/url"
)

// spellings are the origins under which a loopback listener is known: a closed list, its own first. An origin that is
// not http on loopback has none but itself.
func spellings(origin string) []string {
	all := []string{origin}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" || !Loopback(u.Hostname()) {
		return all
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		other := "http://" + host
		if u.Port() != "" {
			other += ":" + u.Port()
		}
		if other != origin {
			all = append(all, other)
		}
	}
	return all
}

// Loopback reports whether a host is this machine and nothing else: localhost, or an address of the loopback network.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// hosts are the values of the Host header that are answered, each with the origin that its documents name. A listener
// on loopback behind a public address is reached as itself by whatever stands before it.
func hosts(publicURL, listen string) map[string]string {
	all := map[string]string{}
	add := func(origin, names string) {
		if u, err := url.Parse(origin); err == nil {
			all[u.Host] = names
		}
	}
	for _, origin := range spellings(publicURL) {
		add(origin, origin)
	}
	if host, port, err := net.SplitHostPort(listen); err == nil && Loopback(host) {
		for _, origin := range spellings("http://" + net.JoinHostPort(host, port)) {
			if u, err := url.Parse(origin); err == nil && all[u.Host] == "" {
				all[u.Host] = publicURL
			}
		}
	}
	return all
}
