package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// grants is how many connections load an authorization server: clients side by side.
const grants = 16

// operation is one kind of request. ready prepares a round and is not measured; nil: there is nothing to prepare.
type operation struct {
	ready func() error
	ask   func(*http.Client, int) error
}

// operations are those of doorward, by name.
func (i *issuer) operations(o options) map[string]operation {
	token := i.Issuer + "/token"
	return map[string]operation{
		"client credentials": {ask: func(c *http.Client, _ int) error {
			return gave(form(c, token, "batch", i.secret, url.Values{"grant_type": {"client_credentials"}, "resource": {i.Issuer + "/crm"}}))
		}},
		"code": {ready: func() error { return i.stock(o) }, ask: func(c *http.Client, n int) error {
			if len(i.codes[n]) == 0 {
				return errDone
			}
			code := i.codes[n][0]
			i.codes[n] = i.codes[n][1:]
			return gave(i.redeem(c, code))
		}},
		"refresh": {ask: func(c *http.Client, n int) error {
			a, err := form(c, token, "", "", url.Values{"grant_type": {"refresh_token"}, "client_id": {"native"}, "refresh_token": {i.refresh[n]}})
			i.refresh[n] = a.Refresh
			return gave(a, err)
		}},
		"exchange": {ask: func(c *http.Client, _ int) error {
			return gave(form(c, token, "agent", i.secret, url.Values{"grant_type": {exchanging}, "subject_token": {i.subject},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "resource": {i.Issuer + "/files"}}))
		}},
		"registration":  registering(o, i.Issuer+"/register"),
		"introspection": {ask: introspecting(i.Issuer+"/introspect", "agent", i.secret, &i.subject)},
	}
}

// introspecting asks about one token again and again.
func introspecting(address, id, secret string, token *string) func(*http.Client, int) error {
	return func(c *http.Client, _ int) error {
		a, err := form(c, address, id, secret, url.Values{"token": {*token}})
		if err == nil && !a.Active {
			err = errors.New("the token is not active")
		}
		return err
	}
}

// registering registers clients of which no two are alike, so that none is answered with another's id, and so many in a round
// that all rounds stay below the quota that an installation has by default.
func registering(o options, address string) operation {
	left := make([]int, grants)
	var grown atomic.Int64
	return operation{
		ready: func() error {
			for n := range left {
				left[n] = o.codes / grants
			}
			return nil
		},
		ask: func(c *http.Client, n int) error {
			if left[n]--; left[n] < 0 {
				return errDone
			}
			app := grown.Add(1)
			a, err := answered(c.Post(address, "application/json", strings.NewReader(fmt.Sprintf(
				`{"client_name":"bench %d","redirect_uris":["https://app%d.example/cb"],"token_endpoint_auth_method":"none"}`, app, app))))
			if err == nil && a.Client == "" {
				err = errors.New("the answer has no client_id")
			}
			return err
		},
	}
}
