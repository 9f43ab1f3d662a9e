// Package web is every page that a human sees: sign in, consent, the end of a sign-in link, home, and what went wrong.
//
// The pages work without JavaScript and load nothing from elsewhere. Their policy (CSP) has no form-action: Chromium
// applies it to the redirect that follows a form too, and the one after consent goes to the client.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
)

//go:embed templates static
var files embed.FS

// Config is what the pages stand on.
type Config struct {
	Issuer     string
	Authserver *authserver.Server
	Login      *login.Login
	Client     func(r *http.Request, id string) (oauth.Client, error)
	Resources  []oauth.Resource
	Log        *audit.Log
	Slog       *slog.Logger // nil: slog.Default
}

// Pages are safe for concurrent use.
type Pages struct {
	c         Config
	templates map[string]*template.Template // :: page → template with the layout
	version   string                        // of the style, in its address, so that it can be kept for ever
	origin    *http.CrossOriginProtection
}

// The pages' addresses.
const (
	signInPage  = "/sign-in"
	consentPage = "/consent"
	linkPage    = "/link/"
)

// New reads the templates.
func New(c Config) (*Pages, error) {
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	p := &Pages{c: c, templates: map[string]*template.Template{}}
	style, err := files.ReadFile("static/style.css")
	if err != nil {
		return nil, fmt.Errorf("reading the style: %w", err)
	}
	sum := sha256.Sum256(style)
	p.version = hex.EncodeToString(sum[:6])
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("listing the templates: %w", err)
	}
	for _, name := range names {
		t, err := template.ParseFS(files, "templates/layout.html", name)
		if err != nil {
			return nil, fmt.Errorf("reading template %s: %w", name, err)
		}
		p.templates[name[len("templates/"):len(name)-len(".html")]] = t
	}
	// A form that another site sends is refused, whatever cookies come with it.
	p.origin = http.NewCrossOriginProtection()
	if err := p.origin.AddTrustedOrigin(c.Issuer); err != nil {
		return nil, fmt.Errorf("trusting our own origin: %w", err)
	}
	p.origin.SetDenyHandler(p.page(p.crossOrigin))
	return p, nil
}

// Routes are the pages, by pattern.
func (p *Pages) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{"GET /static/style.css": p.static(), "GET /static/icon.svg": p.static()}
	for pattern, h := range map[string]handler{
		"/authorize":                    p.c.Authserver.Authorize,
		"GET " + signInPage:             p.showSignIn,
		"POST " + signInPage:            p.signIn,
		"GET " + consentPage:            p.showConsent,
		"POST " + consentPage:           p.consent,
		"GET " + linkPage + "{secret}":  p.showLink,
		"POST " + linkPage + "{secret}": p.useLink,
		"POST /sign-out":                p.signOut,
		"GET /logout":                   p.logout,
		"POST /logout":                  p.logout,
		"GET /{$}":                      p.home,
	} {
		routes[pattern] = p.origin.Handler(p.page(h))
	}
	if slices.ContainsFunc(p.c.Resources, func(r oauth.Resource) bool { return r.Devices }) {
		routes["GET "+authserver.DevicePage] = p.origin.Handler(p.page(p.showDevice))
		routes["POST "+authserver.DevicePage] = p.origin.Handler(p.page(p.device))
		routes["GET "+authserver.DeviceDonePage] = p.origin.Handler(p.page(p.deviceDone))
	}
	return routes
}

// Steps are the pages that may stand between a request and its code, in order.
func Steps(s *authserver.Server) []authserver.Step {
	return []authserver.Step{authserver.SignIn(signInPage), s.Consent(consentPage)}
}

// static serves style and icon; the style's address has its version, so it may be kept for ever.
func (p *Pages) static() http.Handler {
	next := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// view is what every page has.
type view struct {
	Title   string
	Style   string
	Session login.Session
	Page    any
}

// show writes a page. It is made whole before the first byte goes out.
func (p *Pages) show(w http.ResponseWriter, status int, page string, v view) error {
	v.Style = "/static/style.css?" + p.version
	var b bytes.Buffer
	if err := p.templates[page].ExecuteTemplate(&b, "layout", v); err != nil {
		return fmt.Errorf("making page %s: %w", page, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}
