package web

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// handler is a page. Its error becomes an answer in fail, and nowhere else.
type handler func(http.ResponseWriter, *http.Request) error

func (p *Pages) page(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		if err := h(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

// problem is the page of an error. Back is set if the answer is the client's: a form whose button goes there.
type problem struct {
	Error     *oauth.Error
	RequestID string
	Client    string
	Back      *back
	Waits     bool // nothing is wrong: an administrator has to admit the client first
}

// back is an address split for a form that is sent with GET, which drops the query of its action.
type back struct {
	Action template.URL // registered as an address, so no script: without its type, those of programs would be blanked out
	Host   string
	Fields url.Values
}

func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	var ret *authserver.Return
	if errors.As(err, &ret) && ret.Direct {
		http.Redirect(w, r, ret.To, http.StatusSeeOther)
		return
	}
	id := request.From(r.Context()).ID
	var known *oauth.Error
	if !errors.As(err, &known) {
		p.c.Slog.ErrorContext(r.Context(), "page", "request", id, "path", r.URL.Path, "error", err)
		known = oauth.ServerError()
	}
	page, title := problem{Error: known, RequestID: id, Waits: known.Reason == "client_waits"}, "This did not work"
	if page.Waits {
		title = "This program waits to be admitted"
	}
	if ret != nil {
		page.Client, page.Back = ret.Client.DisplayName(), split(ret.To)
	}
	if known.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	if err := p.show(w, known.HTTPStatus(), "problem", view{Title: title, Page: page}); err != nil {
		p.c.Slog.ErrorContext(r.Context(), "page", "request", id, "path", r.URL.Path, "error", err)
	}
}

func split(to string) *back {
	u, err := url.Parse(to)
	if err != nil {
		return nil
	}
	fields := u.Query()
	u.RawQuery = ""
	return &back{template.URL(u.String()), place(u), fields}
}

// place is where an address leads, as a person reads it: the host of a web page, and else the scheme alone, which chooses the
// program whatever host stands behind it.
func place(u *url.URL) string {
	if u.Scheme == "https" || u.Scheme == "http" {
		return u.Host
	}
	return u.Scheme + ":"
}

func (p *Pages) crossOrigin(_ http.ResponseWriter, r *http.Request) error {
	info := request.From(r.Context())
	if _, err := p.c.Log.Refused(r.Context(), audit.Record{Code: audit.RequestRefused, Now: info.Now, Request: info.ID, Client: info.Client, Reason: "cross_origin"}); err != nil {
		return err
	}
	return &oauth.Error{Status: 403, Code: "access_denied", Reason: "cross_origin", Description: "this form was sent from another site; go back to the program that sent you here and connect again"}
}
