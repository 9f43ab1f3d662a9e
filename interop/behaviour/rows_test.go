//go:build conformance

package behaviour

import (
	"net/url"
	"strings"
	"testing"
)

// A row is one thing that a client does wrong, all else being as in the test's good client, and what it must be told.
type row struct {
	name   string
	do     func(t *testing.T) answer
	status int
	code   string
	why    string // words of the description; empty: the code says it
}

func refuses(t *testing.T, rows ...row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			a := r.do(t)
			a.refused(t, r.status, r.code)
			if !strings.Contains(a.description(), r.why) {
				t.Errorf("it was told %q, want %q in it", a.description(), r.why)
			}
		})
	}
}

// asked is a row's request at the token endpoint; header are pairs.
func asked(f found, form url.Values, header ...string) func(t *testing.T) answer {
	return func(t *testing.T) answer { return post(t, f.Token, form, header...) }
}

// plus are parameters besides or instead; an empty one is left out.
func plus(form url.Values, more ...string) url.Values {
	all := url.Values{}
	for name, values := range form {
		all[name] = values
	}
	for i := 0; i+1 < len(more); i += 2 {
		if all.Set(more[i], more[i+1]); more[i+1] == "" {
			all.Del(more[i])
		}
	}
	return all
}

// fallback are the rows of a client whose own grant was refused just now and that tries the others: it is registered for
// none of them, and is nobody else. identified are the parameters that say who it is, or nothing if its grant says so.
func fallback(f found, h *house, identified func() []string, header ...string) []row {
	as := func(more ...string) func(t *testing.T) answer {
		return func(t *testing.T) answer {
			return post(t, f.Token, plus(url.Values{"resource": {f.Resource}}, append(identified(), more...)...), header...)
		}
	}
	without := func(more ...string) func(t *testing.T) answer {
		return asked(f, plus(url.Values{"resource": {f.Resource}}, more...))
	}
	return []row{
		{"falls back to a code", as("grant_type", "authorization_code", "code", "guessed", "code_verifier", verifier, "redirect_uri", callback), 400, "unauthorized_client", ""},
		{"falls back to a refresh token", as("grant_type", "refresh_token", "refresh_token", "guessed"), 400, "unauthorized_client", ""},
		{"falls back to an exchange", as("grant_type", exchanging, "subject_token", "guessed", "subject_token_type", idToken), 400, "unauthorized_client", ""},
		{"falls back to the person's password", as("grant_type", "password", "username", h.Username, "password", h.Password), 400, "unsupported_grant_type", ""},
		{"falls back to a public client's id", without("grant_type", "client_credentials", "client_id", "native"), 400, "unauthorized_client", ""},
		{"falls back to another client's id", without("grant_type", "client_credentials", "client_id", "batch"), 401, "invalid_client", ""},
		{"falls back to another client's id and a guess", without("grant_type", "client_credentials", "client_id", "batch", "client_secret", "guessed"), 401, "invalid_client", ""},
	}
}
