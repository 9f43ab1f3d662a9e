package authserver

import (
	"slices"
	"strconv"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// prompts are the values of prompt that are known. OpenID Connect Core §3.1.2.1.
var prompts = []string{"none", "login", "consent", "select_account"}

var loginRequired = &oauth.Error{Status: 403, Code: "login_required", Reason: "prompt_none", Description: "the client wants no page to be shown, but nobody is signed in"}

// unattended is the error of a request with prompt=none for which a page would have to be shown. OpenID Connect Core §3.1.2.6.
func unattended(step string) *oauth.Error {
	if step == signInStep {
		return loginRequired
	}
	return &oauth.Error{Status: 403, Code: "consent_required", Reason: "prompt_none", Description: "the client wants no page to be shown, but it must be asked for consent"}
}

// fillPerson judges what a request says about who signs in, and how.
func (s *Server) fillPerson(p *Pending, q oauth.Params) error {
	for _, word := range strings.Fields(q.Get("prompt")) {
		if !slices.Contains(prompts, word) {
			return oauth.InvalidRequest("prompt", "prompt can be "+strings.Join(prompts, ", "))
		}
		p.Prompt = append(p.Prompt, word)
	}
	if len(p.Prompt) > 1 && slices.Contains(p.Prompt, "none") {
		return oauth.InvalidRequest("prompt", "prompt=none stands alone")
	}
	if text := q.Get("max_age"); text != "" {
		age, err := strconv.Atoi(text)
		if err != nil || age < 0 {
			return oauth.InvalidRequest("max_age", "max_age is not a number of seconds")
		}
		p.MaxAge = &age
	}
	p.LoginHint = hint(q)
	// RFC 9470 §4: what is asked for is not silently replaced by something weaker.
	wanted := strings.Fields(q.Get("acr_values"))
	if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(acr string) bool { return slices.Contains(s.c.ACR, acr) }) {
		return &oauth.Error{Status: 400, Code: "unmet_authentication_requirements", Reason: "acr", Description: "people cannot sign in that way here; what there is stands in acr_values_supported"}
	}
	return nil
}

// hint is the name that a client thinks the person signs in with; one that is too long to be a name is none.
func hint(q oauth.Params) string {
	if h := q.Get("login_hint"); len(h) <= 128 {
		return h
	}
	return ""
}
