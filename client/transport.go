package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	maxReplay = 16 << 20 // bytes of a request body that are held so that it can be sent again
	maxDrain  = 64 << 10 // bytes of a refusal that are read before its connection is given up
	maxSends  = 8        // how often one request goes out; the rules of renewing end it before
)

// Transport carries requests to one server and signs in when the server asks for it. New makes one. It is safe for
// concurrent use: however many requests are refused at once, one of them signs in and the others wait for it.
type Transport struct {
	server *url.URL
	o      Options
	net    *egress
	log    *slog.Logger

	turn chan struct{} // held by the one that renews: a lock that a context can leave

	mu        sync.Mutex         // guards what follows
	cur       *tokens            // nil: none yet
	loaded    bool               // the Keeper was asked
	last      outcome            // of renewing
	paused    time.Time          // no refresh ahead of need before
	fruitless int                // how often a person was asked since the server last took a token
	asked     time.Time          // when that was last
	stepups   map[string]*stepup // :: operation → its attempts at more scope
}

// RoundTrip sends r with a token if there is one, and again with a better one when the server's answer says how to get
// it. Errors of signing in wrap ErrSignIn. A refusal that no sign-in can change is returned as the answer that it is.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.covers(r.URL) || r.Header.Get("Authorization") != "" {
		return t.o.Base.RoundTrip(r)
	}
	body, err := replayable(r)
	if err != nil {
		return nil, err
	}
	op := operation(r.Header, r.Method, body)
	for range maxSends {
		cur, err := t.current(r.Context())
		if err != nil {
			return nil, err
		}
		out := r.Clone(r.Context())
		if err := rewind(out, body); err != nil {
			return nil, err
		}
		cur.sign(out)
		resp, err := t.o.Base.RoundTrip(out)
		if err != nil {
			return nil, err
		}
		again, err := t.answer(r.Context(), cur, op, resp)
		if err != nil {
			drain(resp)
			return nil, err
		}
		if !again {
			return resp, nil
		}
		drain(resp)
	}
	return nil, fmt.Errorf("%w: the server refused %d tokens in a row", ErrSignIn, maxSends)
}

// covers reports whether u is the server's address or lies under it: nothing else ever gets its token.
func (t *Transport) covers(u *url.URL) bool {
	return sameOrigin(t.server, u) && under(t.server.EscapedPath(), u.EscapedPath())
}

// under reports whether path is base or lies below it, by whole segments.
func under(base, path string) bool {
	base = strings.TrimSuffix(base, "/")
	rest, ok := strings.CutPrefix(path, base)
	// A dot segment would climb out again at the server.
	return ok && (rest == "" || rest[0] == '/') && !hasDots(path)
}

func hasDots(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// replay is a request body that can be sent more than once. The zero replay is no body.
type replay struct {
	again func() (io.ReadCloser, error)
	text  []byte // what was read, when the request could not be repeated by itself
}

// replayable takes r's body over, as a RoundTripper must, and makes it repeatable within a bound.
func replayable(r *http.Request) (replay, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return replay{}, nil
	}
	defer r.Body.Close()
	if r.GetBody != nil {
		return replay{again: r.GetBody}, nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxReplay+1))
	if err != nil {
		return replay{}, fmt.Errorf("reading the request's body: %w", err)
	}
	if len(text) > maxReplay {
		return replay{}, errors.New("the request's body is too long to be sent again after signing in")
	}
	return replay{func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }, text}, nil
}

func rewind(r *http.Request, body replay) (err error) {
	if body.again == nil {
		return nil
	}
	if r.Body, err = body.again(); err != nil {
		return fmt.Errorf("reading the request's body again: %w", err)
	}
	if body.text != nil {
		r.ContentLength = int64(len(body.text))
	}
	r.GetBody = body.again
	return nil
}

// drain lets the connection of a refusal be used again, if its body is short.
func drain(resp *http.Response) {
	if resp.ContentLength >= 0 && resp.ContentLength <= maxDrain {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	}
	_ = resp.Body.Close()
}
