package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/token"
)

// consentForm is what a person must see to decide: who asks and how that is known, where the code will go, what for.
type consentForm struct {
	Pending    string
	Client     string
	ID         string // the host of a metadata document; empty for others
	Known      string // whose program people know by that host, or by the one that the code goes to; never by its name
	Verified   string // how the client is known, in words
	Unverified bool   // it says so itself, and nobody else does
	Goes       string // where the code goes: a host, or the scheme of a program; empty: to a device
	Loopback   bool
	Choose     bool // the person picks one of Resources
	Resources  []consentResource
	Own        []consentScope // what is asked of the authorization server itself
	Task       *token.Task    // nil: nothing narrower
	Device     *consentDevice // nil: the code goes to a redirect address
}

// consentDevice is what the person compares with the device.
type consentDevice struct{ Code, From, Ago string }

type consentResource struct {
	oauth.Resource
	Title  string
	Scopes []consentScope
}

type consentScope struct {
	oauth.ScopeText
	New bool // not agreed to before, when something else was
}

// ownScopes are the scopes of the authorization server itself, in words.
var ownScopes = []oauth.ScopeText{
	{Name: "openid", Sentence: "Know that it is you, and recognise you when you come back"},
	{Name: "profile", Sentence: "Know your user name and your groups"},
	{Name: oauth.OfflineAccess, Sentence: "Stay connected while you are away"},
}

// asked is the pending request of a consent page, if the person who is signed in is the one whom it is for.
func (p *Pages) asked(r *http.Request) (authserver.Pending, login.Session, error) {
	pending, err := p.c.Authserver.Pending(r)
	if err != nil {
		return pending, login.Session{}, err
	}
	s, err := p.c.Login.Current(r)
	if err != nil {
		return pending, s, err
	}
	if pending.SignedIn == nil { // or somebody else is, which Authserver.Pending has seen to
		return pending, s, p.c.Authserver.Refused(r, pending.Client, &oauth.Error{Status: 403, Code: "access_denied", Reason: "other_person",
			Description: "this browser is not signed in any more as the person who began; go back to the program that sent you here and connect again"})
	}
	return pending, s, nil
}

func (p *Pages) showConsent(w http.ResponseWriter, r *http.Request) error {
	pending, s, err := p.asked(r)
	if err != nil {
		return err
	}
	form, err := p.consentForm(r, pending)
	if err != nil {
		return err
	}
	return p.show(w, http.StatusOK, "consent", view{Title: "Allow access?", Session: s, Page: form})
}

// consent takes the decision. Anything but decision=allow is no consent.
func (p *Pages) consent(w http.ResponseWriter, r *http.Request) error {
	pending, _, err := p.asked(r)
	if err != nil {
		return err
	}
	switch r.PostFormValue("decision") {
	case "allow":
		return p.c.Authserver.Allow(w, r, pending, r.PostFormValue("resource"))
	case "deny":
		return p.c.Authserver.Decline(w, r, pending)
	}
	return p.c.Authserver.Refused(r, pending.Client, oauth.InvalidRequest("no_decision", "the form was sent without a decision; go back and press one of its buttons"))
}

func (p *Pages) consentForm(r *http.Request, pending authserver.Pending) (consentForm, error) {
	c, err := p.c.Client(r, pending.Client)
	if err != nil {
		return consentForm{}, err
	}
	f := consentForm{Pending: pending.ID, Client: c.DisplayName(), Task: pending.Task, Choose: len(pending.Choices) > 0}
	f.know(c)
	f.goes(pending, request.From(r.Context()).Now)
	if f.Known, _ = registration.KnownHost(f.ID); f.Known == "" && f.ID == "" {
		f.Known, _ = registration.KnownHost(f.Goes)
	}
	before := oauth.Scopes{} // of any of the resources
	for _, uri := range slices.Concat(pending.Resources, pending.Choices) {
		res, had, err := p.consentResource(r, pending, c, uri)
		if err != nil {
			return f, err
		}
		before = before.Union(had)
		f.Resources = append(f.Resources, res)
	}
	for _, s := range ownScopes {
		shown := slices.ContainsFunc(f.Resources, func(r consentResource) bool { return r.ScopeNames().Contains(s.Name) })
		if pending.Scopes.Contains(s.Name) && !shown {
			f.Own = append(f.Own, consentScope{s, len(before) > 0 && !before.Contains(s.Name)})
		}
	}
	return f, nil
}

// know fills in who the client is, and how that is known.
func (f *consentForm) know(c oauth.Client) {
	switch c.Source {
	case oauth.Listed:
		f.Verified = "The operator of this server listed it."
	case oauth.Document:
		if u, err := url.Parse(c.ID); err == nil {
			f.ID = u.Host
		}
		f.Verified = "Its description is published at this address."
	default:
		f.Unverified, f.Verified = true, "It registered itself. Nobody has verified its name."
	}
}

// goes fills in where the access goes: to an address, or to a device that shows a code.
func (f *consentForm) goes(pending authserver.Pending, now time.Time) {
	if d := pending.Device; d != nil {
		f.Device = &consentDevice{Code: d.Shown(), From: d.From.String(), Ago: ago(now.Sub(d.Began))}
		return
	}
	f.Loopback = oauth.LoopbackRedirect(pending.Redirect)
	if u, err := url.Parse(pending.Redirect); err == nil {
		f.Goes = place(u)
	}
}

// ago is how long something took, in words.
func ago(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "a few seconds"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " seconds"
	}
	return strconv.Itoa(int(d/time.Minute)) + " minutes"
}

// consentResource is what is asked for at one server, and what the person agreed to there before.
func (p *Pages) consentResource(r *http.Request, pending authserver.Pending, c oauth.Client, uri string) (res consentResource, before oauth.Scopes, err error) {
	before, err = p.c.Authserver.Remembered(r.Context(), request.From(r.Context()).Now, pending, c, uri)
	if err != nil {
		return consentResource{}, nil, err
	}
	resource, _ := p.c.Authserver.Resource(uri)
	res = consentResource{Resource: resource, Title: resource.Name}
	if res.Title == "" {
		res.Title = uri
	}
	offered := pending.Resources
	if len(pending.Choices) > 0 {
		offered = []string{uri}
	}
	scopes := p.c.Authserver.OfferedAt(pending, offered, uri)
	for _, s := range resource.AllScopes() {
		if scopes.Contains(s.Name) {
			res.Scopes = append(res.Scopes, consentScope{s, len(before) > 0 && !before.Contains(s.Name)})
		}
	}
	return res, before, nil
}
