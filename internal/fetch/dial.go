package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxAddresses bounds how many addresses of one name are tried.
const maxAddresses = 4

func (c *Client) start() {
	c.once.Do(func() {
		if c.limits == nil {
			c.limits = newLimits(c.AtOnce, c.PerHost, c.PerMinute)
		}
		c.transport = &http.Transport{
			Proxy:                  c.proxyFor,
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true, // a stranger's connection is not kept
			DisableCompression:     true, // so that no small answer unfolds into a large one
			MaxResponseHeaderBytes: 32 << 10,
		}
	})
}

// dial resolves host and connects to one of its addresses. Each is judged in Control, which sees what is connected to and nothing later.
func (c *Client) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	addresses, err := c.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	reach := c.reachOf(host, port)
	dialer := net.Dialer{Control: func(network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return fmt.Errorf("%w: %s over %s", ErrAddress, address, network)
		}
		return reach.judge(to.Addr())
	}}

	var first error
	for i, addr := range addresses {
		conn, err := dialShare(ctx, &dialer, network, net.JoinHostPort(addr.String(), port), len(addresses)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// dialShare gives an address its share of the time that is left, so that one which swallows packets does not eat it all.
func dialShare(ctx context.Context, d *net.Dialer, network, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return d.DialContext(ctx, network, address)
}

func (c *Client) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	if strings.EqualFold(host, "localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	find := c.Lookup
	if find == nil {
		find = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addresses, err := find(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, errors.New("the host has no address")
	}
	return addresses[:min(len(addresses), maxAddresses)], nil
}

// proxyFor decides whether a request goes through the operator's proxy, and judges its target first: behind the proxy nobody does.
func (c *Client) proxyFor(r *http.Request) (*url.URL, error) {
	host := r.URL.Hostname()
	if c.Proxy == nil || isLoopbackHost(host) {
		return nil, nil
	}
	proxy, err := c.Proxy(r.URL)
	if err != nil || proxy == nil {
		return nil, err
	}
	port := r.URL.Port()
	if port == "" {
		port = "443"
	}
	reach := c.reachOf(host, port)
	if reach.private {
		// The name may be known to the proxy only, and the operator listed it.
		return proxy, nil
	}
	addresses, err := c.lookup(r.Context(), host)
	if err != nil {
		return nil, err
	}
	for _, addr := range addresses {
		if err := reach.judge(addr); err != nil {
			return nil, err
		}
	}
	return proxy, nil
}
