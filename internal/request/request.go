// Package request gives one HTTP request its id, its client address and its one now.
// It reads no other forwarded header than X-Forwarded-For, and never infers the public address of this server.
package request

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"time"
)

// Info is fixed when the request begins, and does not change after.
type Info struct {
	ID     string     // random; safe in headers, logs and answers
	Client netip.Addr // without zone, IPv4 never mapped into IPv6; the zero Addr if it is not known, as over a Unix socket
	Now    time.Time  // every time that the request compares is compared with this one
}

// Network is the one source that the address stands for: itself, or an IPv6 host's /64, of which one host has every address.
// The zero prefix for the zero Addr: those without one are counted together.
func (i Info) Network() netip.Prefix {
	addr := i.Client.Unmap()
	prefix, _ := addr.Prefix(min(addr.BitLen(), 64))
	return prefix
}

type key struct{}

// From returns what Begin stored in the request's context, and the zero Info if nothing began.
func From(ctx context.Context) Info {
	info, _ := ctx.Value(key{}).(Info)
	return info
}

// Begin returns r with an Info in its context, or r itself if it has one, so that of nested handlers the outermost decides.
// X-Forwarded-For counts only as far as addresses in trusted vouch for it; with no trusted prefix it is not read.
func Begin(r *http.Request, now func() time.Time, trusted []netip.Prefix) *http.Request {
	if From(r.Context()).ID != "" {
		return r
	}
	info := Info{ID: rand.Text(), Client: client(r, trusted), Now: now()}
	return r.WithContext(context.WithValue(r.Context(), key{}, info))
}
