package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Options say how a Transport signs in. The zero Options sign nobody in: a Browser is needed for that.
type Options struct {
	// Browser shows an authorization address to the person; Open does that with the desktop's browser. An error ends
	// the sign-in. nil: ErrNobody as soon as somebody would have to sign in.
	Browser func(ctx context.Context, address string) error

	// Prompt asks for the address that the browser ended at, for people whose browser runs on another machine. It is
	// called beside the loopback listener and ends with ctx. nil: only the listener is waited for.
	Prompt func(ctx context.Context, address string) (string, error)

	// Keeper keeps tokens and registrations. nil: a Memory of this Transport's own.
	Keeper Keeper

	// Registered is a client id that was given beforehand. It comes first (MCP 2025-11-25, Client Registration
	// Approaches). The zero Registered: there is none.
	Registered Registered

	// Document is the address of our client ID metadata document, used where the authorization server supports them.
	// Its redirect_uris must hold Redirect. Empty: there is none.
	Document string

	// Redirect is the redirect address: http on 127.0.0.1, [::1] or localhost. Port 0 or none takes a free port, and
	// the one of an earlier registration again if it is free. Empty: http://127.0.0.1/callback.
	Redirect string

	Name string // client_name at registration; empty: "Doorward"

	// Hosts are names besides the server's own that may lie in private networks.
	Hosts []string

	RootCAs *x509.CertPool                   // verify authorization servers; nil: the system's
	Proxy   func(*url.URL) (*url.URL, error) // to authorization servers; nil: none

	Base     http.RoundTripper // carries requests to the server; nil: a transport like http.DefaultTransport
	Wait     time.Duration     // how long a person has to sign in; 0: five minutes
	Now      func() time.Time  // nil: time.Now
	Log      *slog.Logger      // nil: nothing is logged. No secret ever is
	Revision string            // MCP-Protocol-Version of metadata requests; empty: 2026-07-28
}

// Registered is a client id that somebody else obtained.
type Registered struct {
	ID     string
	Secret token.Secret // empty: a public client
	Issuer string       // whom the id is for, byte for byte; empty: the first one that the server names
	Method string       // token endpoint authentication; empty: what the server lists, basic first
}

const (
	defaultRedirect = "http://127.0.0.1/callback"
	defaultName     = "Doorward"
	defaultWait     = 5 * time.Minute
	defaultRevision = "2026-07-28"
)

// New makes the Transport of one server, whose address a person typed. Nothing is read or asked yet. A request that
// goes elsewhere than to that address and what lies under it passes through without a token.
func New(server string, o Options) (*Transport, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("%q is not the address of a server: it must begin with https:// or http:// and have no user name", printable(server, 300))
	}
	// RFC 8707 §2: no fragment. The query is no part of the identifier of a server.
	u.Fragment, u.RawFragment, u.RawQuery, u.ForceQuery = "", "", "", false
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if p := u.Port(); p == "443" && u.Scheme == "https" || p == "80" && u.Scheme == "http" {
		u.Host = strings.TrimSuffix(u.Host, ":"+p)
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	return &Transport{server: u, o: o, net: newEgress(u, o), log: o.Log, turn: make(chan struct{}, 1), stepups: map[string]*stepup{}}, nil
}

// complete fills the defaults in and judges the rest.
func (o *Options) complete() error {
	if o.Redirect == "" {
		o.Redirect = defaultRedirect
	}
	// RFC 8252 §7.3, §8.3; MCP 2025-11-25, Communication Security: redirect addresses are localhost or https.
	if reason := oauth.CheckRedirect(o.Redirect); reason != "" {
		return fmt.Errorf("the redirect address %q cannot be used: %s", o.Redirect, reason)
	}
	if !oauth.LoopbackRedirect(o.Redirect) {
		return fmt.Errorf("the redirect address %q is not on this machine", o.Redirect)
	}
	if o.Document != "" {
		if reason := oauth.CheckDocumentID(o.Document); reason != "" {
			return fmt.Errorf("the client ID metadata document %q cannot be used: %s", o.Document, reason)
		}
	}
	if m := o.Registered.Method; m != "" && !slices.Contains(methods[:], m) {
		return fmt.Errorf("the token endpoint authentication %q is not one of %s", m, strings.Join(methods[:], ", "))
	}
	if o.Registered.ID == "" && (!o.Registered.Secret.Empty() || o.Registered.Issuer != "") {
		return errors.New("a client secret or issuer was given without a client id")
	}
	if o.Keeper == nil {
		o.Keeper = &Memory{}
	}
	if o.Base == nil {
		o.Base = http.DefaultTransport.(*http.Transport).Clone()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Name = orElse(o.Name, defaultName)
	o.Revision = orElse(o.Revision, defaultRevision)
	o.Wait = orElse(o.Wait, defaultWait)
	return nil
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// address is the server's identifier as it was typed, less query and fragment.
func (t *Transport) address() string { return t.server.String() }
