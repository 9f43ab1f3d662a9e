package guard_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// RFC 8414 §3.3 and rule 10: keys are those that the issuer's own metadata names, and an address that a document names leads
// nowhere that the developer did not mean.
func TestKeysOfAnIssuer(t *testing.T) {
	for name, c := range map[string]struct {
		metadata string // ISSUER stands for the issuer's address
		want     error
	}{
		"its own":                {`{"issuer":"ISSUER","jwks_uri":"ISSUER/keys"}`, token.ErrNoKey},
		"of another issuer":      {`{"issuer":"https://another.example","jwks_uri":"ISSUER/keys"}`, token.ErrUnavailable},
		"without keys":           {`{"issuer":"ISSUER"}`, token.ErrUnavailable},
		"credentials of a cloud": {`{"issuer":"ISSUER","jwks_uri":"http://169.254.169.254/keys"}`, token.ErrUnavailable},
		"a private network":      {`{"issuer":"ISSUER","jwks_uri":"http://10.0.0.1/keys"}`, token.ErrUnavailable},
		"a file":                 {`{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`, token.ErrUnavailable},
		"no JSON":                {`<html>`, token.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			issuer := httptest.NewServer(mux)
			t.Cleanup(issuer.Close)
			mux.HandleFunc("/.well-known/", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprint(w, strings.ReplaceAll(c.metadata, "ISSUER", issuer.URL))
			})
			mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"keys":[]}`) })
			if _, err := guard.Keys(issuer.URL)(t.Context(), time.Now(), "k"); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	// What is typed may be on loopback; plain http elsewhere is no issuer, and what is no address is none.
	for _, address := range []string{"http://issuer.example", "http://10.0.0.1", "http://169.254.169.254", "ftp://127.0.0.1", "127.0.0.1", ""} {
		if _, err := guard.Keys(address)(t.Context(), time.Now(), "k"); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// An issuer that nobody gave an audience takes no token: New says so.
func TestAnIssuerWithoutAudience(t *testing.T) {
	_, err := guard.New(guard.Config{Resource: oauth.Resource{URI: resource}, Issuers: []token.Issuer{guard.Issuer(issuer)}})
	if err == nil {
		t.Error("it is taken")
	}
}
