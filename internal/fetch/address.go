package fetch

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"code.dny.dev/ssrf"
)

// judgeURL judges what is written. Where the name leads is judged when it is dialled.
func (c *Client) judgeURL(u *url.URL) error {
	switch {
	case u.Host == "" || u.Opaque != "" || u.Hostname() == "":
		return fmt.Errorf("%w: it names no host", ErrAddress)
	case u.User != nil:
		return fmt.Errorf("%w: it holds a user name or password", ErrAddress)
	case c.InsecureLoopback && c.RootCAs == nil:
		return fmt.Errorf("%w: InsecureLoopback needs RootCAs", ErrAddress)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && c.loopback && isLoopbackHost(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%w: https is required", ErrAddress)
	}
	return fmt.Errorf("%w: only https is read, not %.20q", ErrAddress, u.Scheme)
}

// reach is which addresses a host may have.
type reach struct{ loopback, private bool }

// reachOf depends on the host as it is written, so that a name in somebody's zone never gets what only localhost or a listed host may.
func (c *Client) reachOf(host, port string) reach {
	listed := slices.ContainsFunc(c.Hosts, func(entry string) bool {
		return strings.EqualFold(entry, host) || strings.EqualFold(entry, net.JoinHostPort(host, port)) || strings.EqualFold(entry, "["+host+"]")
	})
	local := isLoopbackHost(host)
	return reach{
		loopback: c.InsecureLoopback || local && (c.loopback || listed),
		private:  listed && !local,
	}
}

// judge returns why addr must not be connected to.
func (r reach) judge(addr netip.Addr) error {
	addr = addr.Unmap()
	if r.loopback && addr.IsLoopback() || r.private && isPrivate(addr) {
		return nil
	}
	if err := ssrf.New(ssrf.WithAnyPort()).SafeAddr(addr); err != nil {
		return fmt.Errorf("%w: %s is not a public address; the operator can list the host", ErrAddress, addr)
	}
	return nil
}

// carrierGrade is the shared address space of RFC 6598, where overlay networks live.
func isPrivate(a netip.Addr) bool {
	carrierGrade := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
	return a.IsPrivate() || carrierGrade.Contains(a)
}

// isLoopbackHost knows the spellings that mean this machine without asking anybody. RFC 6761 §6.3 keeps localhost out of the DNS;
// resolvers also read 127.1 or 2130706433 as loopback, which then is refused when it is dialled.
func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
