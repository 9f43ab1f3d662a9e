package main

import (
	"net"
	"sync/atomic"
	"time"
)

const (
	readWithin = time.Minute // in which a client must take a piece of what it is sent
	piece      = 64 << 10    // bytes of it
)

// pacedListener gives connections whose clients must read: one that asks and then takes nothing would otherwise keep its
// request, the call behind it and their memory for as long as it likes. Streams on which nothing is sent are not meant.
type pacedListener struct{ net.Listener }

// Accept is a net.Listener's.
func (l pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &paced{Conn: c, within: readWithin}, nil
}

// paced is a connection on which every piece is written within a time of its own, or the connection has failed. Only what
// the program sets besides can be earlier.
type paced struct {
	net.Conn
	within time.Duration
	until  atomic.Int64 // the deadline that was set, in Unix nanoseconds; 0: none
}

// Write is a net.Conn's.
func (p *paced) Write(b []byte) (n int, err error) {
	for {
		end := time.Now().Add(p.within)
		if until := p.until.Load(); until != 0 && until < end.UnixNano() {
			end = time.Unix(0, until)
		}
		if err := p.Conn.SetWriteDeadline(end); err != nil {
			return n, err
		}
		m, err := p.Conn.Write(b[n:min(len(b), n+piece)])
		if n += m; err != nil || n == len(b) {
			return n, err
		}
	}
}

// SetWriteDeadline is a net.Conn's.
func (p *paced) SetWriteDeadline(t time.Time) error {
	p.keep(t)
	return p.Conn.SetWriteDeadline(t)
}

// SetDeadline is a net.Conn's.
func (p *paced) SetDeadline(t time.Time) error {
	p.keep(t)
	return p.Conn.SetDeadline(t)
}

func (p *paced) keep(t time.Time) {
	if t.IsZero() {
		p.until.Store(0)
		return
	}
	p.until.Store(t.UnixNano())
}

// CloseWrite lets net/http end a connection without losing what the client has not read yet.
func (p *paced) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return p.Close()
}
