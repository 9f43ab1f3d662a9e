package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// callback listens at a loopback redirect address for the one response that it waits for. RFC 8252 §7.3.
type callback struct {
	redirect string // with the port that is listened on
	host     string // host and port, as the browser must name them
	path     string
	listener net.Listener
	server   *http.Server
}

// listen opens the port of redirect, or a free one where it has none. It listens on this machine only.
func listen(ctx context.Context, redirect string) (*callback, error) {
	u, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1" // RFC 8252 §8.3: never an address that others can reach
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, orElse(u.Port(), "0")))
	if err != nil {
		return nil, fmt.Errorf("listening at %s: %w", redirect, err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	u.Host = net.JoinHostPort(u.Hostname(), port)
	return &callback{redirect: u.String(), host: u.Host, path: orElse(u.EscapedPath(), "/"), listener: l}, nil
}

// serve hands on the parameters of a response that has state, until ctx ends. Anything else gets an error and changes
// nothing: whoever can reach the port cannot end the sign-in.
func (c *callback) serve(ctx context.Context, state string, answers chan<- oauth.Params) {
	c.server = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Second,
		MaxHeaderBytes:    32 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, status := c.judge(r, state)
			if status != http.StatusOK {
				page(w, status, "This is not the answer that the sign-in waits for.")
				return
			}
			page(w, status, "The answer has arrived. You can close this window and go back to the program.")
			select {
			case answers <- p:
			case <-ctx.Done():
			}
		}),
	}
	go func() { _ = c.server.Serve(c.listener) }()
}

func (c *callback) judge(r *http.Request, state string) (oauth.Params, int) {
	// A page that got this port by DNS rebinding names another host.
	if r.Host != c.host || r.URL.EscapedPath() != c.path {
		return oauth.Params{}, http.StatusNotFound
	}
	if r.Method != http.MethodGet {
		return oauth.Params{}, http.StatusMethodNotAllowed
	}
	p, err := oauth.ReadParams(r.URL.RawQuery)
	if err != nil || !sameState(p.Get("state"), state) {
		return oauth.Params{}, http.StatusBadRequest
	}
	return p, http.StatusOK
}

const closeTime = 2 * time.Second

// close ends the listener, after the page that is being sent has gone out.
func (c *callback) close() {
	if c.server == nil {
		_ = c.listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
}

// page answers a browser: no script, nothing from elsewhere, nothing of what came in, and no way for the address with
// its code to travel on.
func page(w http.ResponseWriter, status int, sentence string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`+
		`<title>Doorward</title><style>:root{color-scheme:light dark}body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1.5rem}</style></head>`+
		`<body><main><p>`+sentence+"</p></main></body></html>\n")
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
