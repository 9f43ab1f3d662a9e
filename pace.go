package doorward

import (
	"net/http"
	"time"
)

// readWithin is the time in which a client must take a piece of what it is sent. A connection that is written to says by
// itself when nobody reads; the streams of HTTP/2 share one, and each has room of its own that its client can leave full.
const readWithin = time.Minute

// paceStreams has a stream of HTTP/2 fail whose client does not read what is sent for so long.
func paceStreams(h http.Handler, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			h.ServeHTTP(w, r)
			return
		}
		p := &pacedStream{w, http.NewResponseController(w), within}
		defer p.begin() // what is still held goes out when the handler has returned
		h.ServeHTTP(p, r)
	})
}

type pacedStream struct {
	http.ResponseWriter
	c      *http.ResponseController
	within time.Duration
}

func (p *pacedStream) begin() { _ = p.c.SetWriteDeadline(time.Now().Add(p.within)) }

// end lifts the bound: on a stream nothing may be sent for long.
func (p *pacedStream) end() { _ = p.c.SetWriteDeadline(time.Time{}) }

// Write is an http.ResponseWriter's.
func (p *pacedStream) Write(b []byte) (n int, err error) {
	const piece = 64 << 10
	defer p.end()
	for {
		p.begin()
		m, err := p.ResponseWriter.Write(b[n:min(len(b), n+piece)])
		if n += m; err != nil || n == len(b) {
			return n, err
		}
	}
}

// FlushError is what http.ResponseController looks for.
func (p *pacedStream) FlushError() error {
	p.begin()
	defer p.end()
	return p.c.Flush()
}

// Flush is an http.Flusher's.
func (p *pacedStream) Flush() { _ = p.FlushError() }

// Unwrap lets http.ResponseController reach the rest.
func (p *pacedStream) Unwrap() http.ResponseWriter { return p.ResponseWriter }
