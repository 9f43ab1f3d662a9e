package request

import (
	"net/http"
	"net/netip"
	"strings"
)

// client walks from the connection's peer towards the client. Each hop wrote the address of the one before it to the right end of
// X-Forwarded-For, so a hop's word counts only if the hop is trusted; what stands further left, anybody may have written.
// At a malformed entry the walk ends with the hop that passed it on.
func client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	hop, ok := address(r.RemoteAddr)
	if !ok {
		return netip.Addr{}
	}
	// RFC 9110 §5.3: several field lines are one list in their order.
	list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for list != "" && contains(trusted, hop) {
		comma := strings.LastIndexByte(list, ',')
		next, ok := address(strings.Trim(list[comma+1:], " \t"))
		if !ok {
			return hop
		}
		hop, list = next, list[:max(comma, 0)]
	}
	return hop
}

// address reads an IP address with or without port, brackets and zone, and gives it the one form that prefixes can be compared with.
func address(s string) (netip.Addr, bool) {
	if port, err := netip.ParseAddrPort(s); err == nil {
		return canonical(port.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(s)
	return canonical(addr), err == nil
}

func canonical(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
