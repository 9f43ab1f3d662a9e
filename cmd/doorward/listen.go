package main

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"

	"github.com/doorward-mcp/doorward/config"
)

// listen takes the address. 127.0.0.1 and [::1] are taken together where both exist: on a machine where localhost means
// the other one, somebody else could answer there in our name.
func listen(c config.Config, certificates *certificates) ([]net.Listener, error) {
	wrap := func(l net.Listener) net.Listener { return l }
	if certificates != nil {
		wrap = func(l net.Listener) net.Listener { return tls.NewListener(l, certificates.config()) }
	}
	var all []net.Listener
	for _, address := range addresses(c.Listen) {
		l, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			all = append(all, wrap(pacedListener{l}))
		case errors.Is(err, syscall.EADDRINUSE):
			closeAll(all)
			return nil, usage("%s is taken by another program: end that one, or give --listen another port", address)
		case len(all) == 0:
			return nil, usage("listening on %s: %w", address, err)
		}
	}
	return all, nil
}

// addresses are where a listener listens: the twin of a loopback address is tried too, and need not exist.
func addresses(listen string) []string {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err == nil && host == "127.0.0.1":
		return []string{listen, "[::1]:" + port}
	case err == nil && host == "::1":
		return []string{listen, "127.0.0.1:" + port}
	case err == nil && host == "localhost":
		return []string{"127.0.0.1:" + port, "[::1]:" + port}
	}
	return []string{listen}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}
