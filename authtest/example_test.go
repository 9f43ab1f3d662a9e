package authtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/doorward-mcp/doorward/authtest"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// In a test of one's own: the server under test, the authorization server, and every kind of token at once.
func ExampleNew() {
	test := func(t *testing.T) {
		mux := http.NewServeMux()
		mine := httptest.NewServer(mux)
		defer mine.Close()
		as := authtest.New(t, mine.URL+"/mcp")
		g, err := guard.New(guard.Config{Resource: oauth.Resource{URI: mine.URL + "/mcp"}, Servers: []string{as.Issuer}, Issuers: []token.Issuer{as.At(mine.URL + "/mcp")}})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/mcp", g.Protect(http.NotFoundHandler())) // yours
		for raw, want := range map[string]int{as.Good(): 200, as.Weak(): 403, as.Stale(): 401, as.Stolen(): 401, as.Foreign(): 401, as.Forged(): 401, as.Elsewhere(): 401} {
			r, err := http.NewRequest("POST", mine.URL+"/mcp", nil) // with a message
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+raw)
			res, err := http.DefaultClient.Do(r)
			if err != nil || res.StatusCode != want {
				t.Errorf("%v %v, want %d", res, err, want)
			}
		}
	}
	_ = test // go test runs it as TestMine
}
