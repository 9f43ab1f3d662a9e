package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// An answer may be longer than it says: what is too much of it stands in the transport's buffer when the connection is given to the next
// request, whose answer it would be taken for (CWE-444). net/http closes such a connection when it looks, which is a moment after it
// has offered it. So a connection that was used before is taken only when the transport waits for bytes from the network: then its
// buffers, those of TLS too, have been looked at, and are empty.

// settling is how long a connection may take to settle before it is given up.
const settling = time.Second

// settles waits for a connection that is used again. A request on one that was given up fails before anything of it is written, and the
// transport sends it on another one.
var settles = &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
	if !info.Reused {
		return
	}
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*settledConn); ok && !c.settled() {
		_ = c.Close()
	}
}}

// settledConn knows whether somebody waits for bytes from it.
type settledConn struct {
	net.Conn

	mu      sync.Mutex // guards what follows
	reading bool
	closed  bool
	changed chan struct{} // closed when one of both becomes true; nil: nobody waits for it
}

// settlingDialer dials for connections that settle.
func settlingDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &settledConn{Conn: c}, nil
	}
}

// Read is a net.Conn's.
func (c *settledConn) Read(b []byte) (int, error) {
	c.set(&c.reading, true)
	defer c.set(&c.reading, false)
	return c.Conn.Read(b)
}

// Close is a net.Conn's.
func (c *settledConn) Close() error {
	c.set(&c.closed, true)
	return c.Conn.Close()
}

func (c *settledConn) set(what *bool, to bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *what = to; to && c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// settled waits until somebody reads, or the connection is closed; false: neither came.
func (c *settledConn) settled() bool {
	c.mu.Lock()
	if c.reading || c.closed {
		c.mu.Unlock()
		return true
	}
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	changed := c.changed
	c.mu.Unlock()
	late := time.NewTimer(settling)
	defer late.Stop()
	select {
	case <-changed:
		return true
	case <-late.C:
		return false
	}
}
