package authserver

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// The pages of the device flow.
const (
	DevicePage     = "/device"
	DeviceDonePage = "/device/done"
)

const (
	pollInterval = 5 * time.Second
	// SlowDown is what an interval grows by when a device asks too soon. RFC 8628 §3.5.
	SlowDown = 5 * time.Second
	// userLetters make no words and cannot be taken for digits: eight of them are 34 bits. RFC 8628 §6.1.
	userLetters  = "BCDFGHJKLMNPQRSTVWXZ"
	maxUserCodes = 10 // that one source may try a minute
)

// Device is a device's request that waits for a person. RFC 8628 §3.2.
type Device struct {
	CodeHash [32]byte // SHA-256 of the device code
	UserCode string   // as it is kept: letters only
	Client   string
	Resource string
	Scopes   oauth.Scopes
	Limit    oauth.Scopes // Pending's
	Task     *token.Task
	From     netip.Addr // where the device asked from; the person sees it
	Began    time.Time

	Interval time.Duration
	Until    time.Time
	Declined bool
}

// Shown is the user code as people read it.
func (d Device) Shown() string { return d.UserCode[:4] + "-" + d.UserCode[4:] }

// deviceAnswer is what a device shows and keeps. RFC 8628 §3.2.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Expires    int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// devices reports whether any server takes the device flow.
func (s *Server) devices() bool {
	return slices.ContainsFunc(s.c.Resources, func(r oauth.Resource) bool { return r.Devices })
}

// serveDevice begins a device's request. Whoever begins one can send its link to somebody else and hope, so it is only for
// clients that the operator knows, at servers that turned it on. RFC 8628 §5.4.
func (s *Server) serveDevice(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return s.Refused(r, p.Get("client_id"), err)
	}
	d, err := s.device(r, p)
	if err != nil {
		return s.Refused(r, p.Get("client_id"), err)
	}
	code := "dwd_" + rand.Text()
	d.CodeHash, d.UserCode = sha256.Sum256([]byte(code)), userCode()
	if err := s.c.Store.Devices.Begin(r.Context(), d.Began, d); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, "no-store", deviceAnswer{
		DeviceCode: code, UserCode: d.Shown(), URI: s.c.Issuer + DevicePage, Complete: s.c.Issuer + DevicePage + "?" + url.Values{"user_code": {d.Shown()}}.Encode(),
		Expires: int(s.c.Lifetimes.Device / time.Second), Interval: int(pollInterval / time.Second),
	})
}

func (s *Server) device(r *http.Request, p oauth.Params) (d Device, err error) {
	info := request.From(r.Context())
	if !s.rate.Allow(info, "device", maxPending) {
		return d, tooMany()
	}
	if s.unread(r, p) { // no person comes first whose sign-in could be waited for
		if _, err := s.c.Client(r.Context(), p.Get("client_id")); err != nil {
			return d, err
		}
	}
	c, err := s.client(r, p)
	if err != nil {
		return d, err
	}
	if c.Source != oauth.Listed && c.Source != oauth.Document || !c.May(deviceGrant) {
		return d, unauthorizedClient(deviceGrant)
	}
	d = Device{Client: c.ID, Limit: limit(c), From: info.Client, Began: info.Now, Interval: pollInterval, Until: info.Now.Add(s.c.Lifetimes.Device)}
	target, err := s.deviceTarget(p)
	if err != nil {
		return d, err
	}
	d.Resource = target.URI
	if d.Scopes, err = oauth.ParseScopes(p.Get("scope")); err != nil {
		return d, err
	}
	d.Task, err = token.ParseTask(p.Get("authorization_details"))
	return d, err
}

// deviceTarget is the one server that a device asks for: the one that takes the device flow, if it names none.
func (s *Server) deviceTarget(p oauth.Params) (oauth.Resource, error) {
	r, err := s.oneResource(p)
	if err != nil {
		return r, err
	}
	if r.URI != "" {
		if !r.Devices {
			return r, oauth.InvalidTarget("no_devices", "that server does not take the device flow")
		}
		return r, nil
	}
	for _, other := range s.c.Resources {
		if other.Devices && r.URI != "" {
			return r, oauth.InvalidTarget("no_resource", "the request must name the server with the resource parameter")
		}
		if other.Devices {
			r = other
		}
	}
	return r, nil
}

func userCode() string {
	b := make([]byte, 0, 8)
	for len(b) < cap(b) {
		var random [1]byte
		rand.Read(random[:])
		if n := int(random[0]); n < 256-256%len(userLetters) {
			b = append(b, userLetters[n%len(userLetters)])
		}
	}
	return string(b)
}

// EnterUserCode begins the sign-in of the person who typed a user code, and sends the browser on. Guessing is bounded: RFC 8628
// §5.1.
func (s *Server) EnterUserCode(w http.ResponseWriter, r *http.Request, typed string) error {
	info := request.From(r.Context())
	if !s.rate.Allow(info, "user code", maxUserCodes) {
		return s.Refused(r, "", tooMany())
	}
	kept := strings.Map(func(c rune) rune {
		if strings.ContainsRune(userLetters, c) {
			return c
		}
		return -1
	}, strings.ToUpper(typed))
	d, err := s.c.Store.Devices.Find(r.Context(), info.Now, kept)
	if errors.Is(err, ErrNotFound) {
		return s.Refused(r, "", &oauth.Error{Status: 400, Code: "invalid_request", Reason: "user_code", Description: "no device waits with that code: it is mistyped, too old, or used; look at the device again"})
	}
	if err != nil {
		return err
	}
	person, err := s.person(r)
	if err != nil {
		return err
	}
	return s.begin(w, r, Pending{Client: d.Client, Resources: []string{d.Resource}, Scopes: d.Scopes, Limit: d.Limit, Task: d.Task, Device: &d}, person)
}
