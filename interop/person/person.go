// Package person signs in and consents where a test has no person: it follows redirects, keeps cookies, and answers the
// forms of Doorward's pages by the names of their fields, as issue and pages promise them. It runs no JavaScript, so it
// also proves that the pages need none. It does not look at what a page says: the browser tests do.
package person

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// A Person has an account at an installation and decides at its consent page. The zero Decision allows.
type Person struct {
	Username, Password string

	// Decision is the value of the button that is pressed at the consent page: allow or deny; empty means allow.
	Decision string

	client *http.Client
}

// New gives a person with no cookies.
func New(username, password string) *Person {
	jar, _ := cookiejar.New(nil) // it has no error to give
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Person{Username: username, Password: password, client: &http.Client{Jar: jar, CheckRedirect: never}}
}

// steps is more than any sign-in takes; a page that comes back to itself ends there.
const steps = 12

// ErrNowhere says that the pages ended without a redirect that leaves the installation.
var ErrNowhere = errors.New("the pages did not lead back to the client")

// Authorize opens an authorization address, answers each page, and gives the address of the client's callback without
// calling it.
func (p *Person) Authorize(ctx context.Context, address string) (*url.URL, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	home := at.Host
	next, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	for range steps {
		if err != nil {
			return nil, err
		}
		var away *url.URL
		if next, away, err = p.step(ctx, next, home); away != nil {
			return away, nil
		}
	}
	return nil, errors.Join(ErrNowhere, err)
}

// Open opens a page, such as a sign-in link, answers what it asks, and stops at the first page that asks nothing.
func (p *Person) Open(ctx context.Context, address string) error {
	next, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	for range steps {
		if err != nil {
			return err
		}
		if next, _, err = p.step(ctx, next, next.URL.Host); errors.Is(err, errNoForm) {
			return nil
		}
	}
	return fmt.Errorf("opening %s: it asks without end", address)
}

var errNoForm = errors.New("the page has no form to answer")

// step sends one request and gives the next one, or the address outside of home that the answer leads to.
func (p *Person) step(ctx context.Context, r *http.Request, home string) (next *http.Request, away *url.URL, err error) {
	res, err := p.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode/100 == 3 {
		to, err := res.Location()
		if err != nil {
			return nil, nil, fmt.Errorf("%s %s: %d: %w", r.Method, r.URL, res.StatusCode, err)
		}
		if to.Host != home {
			return nil, to, nil
		}
		next, err = http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
		return next, nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, nil, fmt.Errorf("%s %s: %d %s", r.Method, r.URL.Path, res.StatusCode, body)
	}
	form, err := p.answer(res.Request.URL, string(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	next, err = form.request(ctx)
	if err == nil {
		// A browser says where a form was: servers refuse a form that came from elsewhere.
		next.Header.Set("Origin", res.Request.URL.Scheme+"://"+res.Request.URL.Host)
		next.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return next, nil, err
}

type form struct {
	method string
	action *url.URL
	values url.Values
}

func (f form) request(ctx context.Context) (*http.Request, error) {
	if f.method != http.MethodPost {
		to := *f.action
		to.RawQuery = f.values.Encode()
		return http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.action.String(), strings.NewReader(f.values.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, err
}

// answer fills in the first form of a page: the account where it is asked for, the decision where there is one to take.
func (p *Person) answer(at *url.URL, page string) (form, error) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return form{}, err
	}
	var found *html.Node
	inMain := false
	for n := range doc.Descendants() {
		// The form that a page is about stands in its main part; the header has one for signing out.
		inMain = inMain || n.Type == html.ElementNode && n.Data == "main"
		if inMain && n.Type == html.ElementNode && n.Data == "form" {
			found = n
			break
		}
	}
	if found == nil {
		return form{}, errNoForm
	}
	action, err := at.Parse(attribute(found, "action"))
	if err != nil {
		return form{}, err
	}
	f := form{method: strings.ToUpper(attribute(found, "method")), action: action, values: url.Values{}}
	for n := range found.Descendants() {
		p.fill(f.values, n)
	}
	return f, nil
}

func (p *Person) fill(values url.Values, n *html.Node) {
	name, value := attribute(n, "name"), attribute(n, "value")
	if n.Type != html.ElementNode || name == "" {
		return
	}
	switch {
	case name == "username" && n.Data == "input":
		values.Set(name, p.Username)
	case name == "password" && n.Data == "input":
		values.Set(name, p.Password)
	case name == "decision":
		values.Set(name, p.decision())
	case n.Data == "input" && (attribute(n, "type") == "checkbox" || attribute(n, "type") == "radio"):
		if has(n, "checked") {
			values.Add(name, value)
		}
	case n.Data == "input" && attribute(n, "type") != "submit":
		values.Add(name, value)
	case !values.Has(name):
		values.Set(name, value) // a button: the first of its name is pressed
	}
}

func (p *Person) decision() string {
	if p.Decision == "" {
		return "allow"
	}
	return p.Decision
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
