package registration_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
)

// AS-CIMD-NO-SECRET, AS-CIMD-PKJWT-ENFORCE: how a document's client authenticates, when it offers more than one way.
func TestNegotiation(t *testing.T) {
	jwks := string(newSigner(t, "k").jwks)
	const both = `"token_endpoint_auth_methods_supported":["private_key_jwt","none"]`
	for name, c := range map[string]struct{ members, method string }{
		"nothing said":                     {`"x":1`, "none"},
		"none":                             {`"token_endpoint_auth_method":"none"`, "none"},
		"keys":                             {`"token_endpoint_auth_method":"private_key_jwt","jwks":` + jwks, "private_key_jwt"},
		"the address of keys":              {`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://keys.example/jwks"`, "private_key_jwt"},
		"keys, and none too":               {`"token_endpoint_auth_method":"private_key_jwt","jwks":` + jwks + `,` + both, "private_key_jwt"},
		"keys or none, the choice is ours": {both + `,"jwks":` + jwks, "private_key_jwt"},
		"none, and keys too":               {`"token_endpoint_auth_method":"none","jwks":` + jwks + `,` + both, "none"},
		"private_key_jwt without keys, and none too":     {`"token_endpoint_auth_method":"private_key_jwt",` + both, "none"},
		"private_key_jwt without keys":                   {`"token_endpoint_auth_method":"private_key_jwt"`, ""},
		"private_key_jwt with an empty set":              {`"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}`, ""},
		"private_key_jwt with bad keys, and none too":    {`"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]},` + both, ""},
		"private_key_jwt with two sources of keys":       {`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://keys.example/jwks","jwks":` + jwks, ""},
		"private_key_jwt with keys that are not https":   {`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"http://keys.example/jwks"`, ""},
		"private_key_jwt with HS256":                     {`"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"HS256","jwks":` + jwks, ""},
		"a certificate":                                  {`"token_endpoint_auth_method":"tls_client_auth"`, ""},
		"a certificate, and none too":                    {`"token_endpoint_auth_method":"tls_client_auth","token_endpoint_auth_methods_supported":["tls_client_auth","none"]`, "none"},
		"a secret, and none too":                         {`"token_endpoint_auth_method":"client_secret_basic","token_endpoint_auth_methods_supported":["none"]`, ""},
		"a secret among what it could do":                {`"token_endpoint_auth_methods_supported":["client_secret_basic","none"]`, "none"},
		"a secret and nothing else among what it can do": {`"token_endpoint_auth_methods_supported":["client_secret_basic"]`, ""},
		"another response type":                          {`"response_types":["token"]`, ""},
		"more response types than we have":               {`"response_types":["token","code"]`, "none"},
	} {
		f := registry(t, nil)
		f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ","+c.members), time.Time{}, nil }
		got, err := f.Client(f.from("192.0.2.1:1"), document)
		if (err == nil) != (c.method != "") || got.TokenAuthMethod != c.method {
			t.Errorf("%s: %q, %v", name, got.TokenAuthMethod, err)
		}
		if signs := len(got.JWKS) > 0 || got.JWKSURI != ""; err == nil && signs != (c.method == "private_key_jwt") {
			t.Errorf("%s: keys %v", name, signs)
		}
	}
}

// Grants of a document are cut down to those that it may have; a device is for documents whose host the operator named.
func TestGrantsOfADocument(t *testing.T) {
	const device, jwt = "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"
	all := `,"grant_types":["authorization_code","refresh_token","client_credentials","` + device + `","` + jwt + `","urn:ietf:params:oauth:grant-type:token-exchange"]`
	keys := `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://keys.example/jwks"`
	for name, c := range map[string]struct {
		members string
		hosts   []string
		want    string
	}{
		"a stranger's": {all, nil, "[authorization_code refresh_token]"}, "a stranger's with keys": {all + keys, nil, "[authorization_code refresh_token " + jwt + "]"},
		"from a host that the operator named": {all, []string{"app.example"}, "[authorization_code refresh_token " + device + "]"}, "nothing said": {"", nil, "[authorization_code refresh_token]"},
		"one": {`,"grant_types":["authorization_code"]`, nil, "[authorization_code]"},
	} {
		f := registry(t, policy(registration.Policy{Mode: registration.ModeOpen, DocumentHosts: c.hosts}))
		f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, c.members), time.Time{}, nil }
		got, err := f.Client(f.from("192.0.2.1:1"), document)
		if err != nil || fmt.Sprint(got.GrantTypes) != c.want {
			t.Errorf("%s: %v, %v", name, got.GrantTypes, err)
		}
	}
}

// AS-CIMD-URL-VALIDATE, CL-CIMD-URL-STRICT: what cannot be the address of a document is never read.
func TestAddressesThatAreNoDocuments(t *testing.T) {
	f := registry(t, nil)
	for _, id := range []string{"http://app.example/x", "https://app.example", "https://app.example/", "https://u@app.example/x", "https://u:p@app.example/x", "https://app.example/a/../x", "https://app.example/./x", "https://app.example/%2e%2e/x", "https://app.example/x#f", "ftp://app.example/x", "https:///x", "https://app.example/x y", "://x"} {
		_, err := f.Client(f.from("192.0.2.1:1"), id)
		var e *oauth.Error
		if !errors.As(err, &e) || e.Code != "invalid_client" || f.fetched.Load() != 0 {
			t.Errorf("%s: %v, read %d times", id, err, f.fetched.Load())
		}
	}
}

// reader is a registry in a bubble of its own, whose reading of documents the test ends.
type reader struct {
	*registration.Registry
	f       fixture
	mu      sync.Mutex // guards begun
	begun   int
	release chan error
}

func newReader(t *testing.T) *reader {
	r := &reader{release: make(chan error), f: fixture{t: t, now: noon}}
	r.Registry = registration.New(registration.Config{Policy: registration.Policy{Mode: registration.ModeOpen}, Limits: registration.Limits{Documents: 3}, Slog: slog.New(slog.DiscardHandler),
		Fetch: func(ctx context.Context, id string) ([]byte, time.Time, error) {
			r.mu.Lock()
			r.begun++
			r.mu.Unlock()
			select {
			case err := <-r.release:
				return text(id, ""), time.Time{}, err
			case <-ctx.Done():
				return nil, time.Time{}, ctx.Err()
			}
		}})
	return r
}

// AS-CIMD-FETCH: one reading at a time for each address, whoever waits for it; it goes on when the first of them leaves.
func TestOneReadingForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t)
		errs := make(chan error, 20)
		ctx, leave := context.WithCancel(r.f.from("192.0.2.1:1"))
		ask := func(ctx context.Context) {
			_, err := r.Client(ctx, document)
			errs <- err
		}
		go ask(ctx)
		synctest.Wait()
		for range 19 {
			go ask(r.f.from("192.0.2.1:1")) // far more than the quota of readings
		}
		synctest.Wait()
		if _, ok := r.Known(r.f.from("192.0.2.1:1"), document); ok || len(errs) != 0 {
			t.Errorf("before it is read: known %v, %d answers", ok, len(errs))
		}
		leave()
		synctest.Wait()
		if err := <-errs; err == nil {
			t.Error("who left got an answer")
		}
		r.release <- nil
		for range 19 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if _, ok := r.Known(r.f.from("192.0.2.1:1"), document); !ok || r.begun != 1 {
			t.Errorf("known %v, read %d times", ok, r.begun)
		}
	})
}

// AS-CIMD-NO-CACHE-ERRORS: who waited for a reading that failed hears of it, and the next one reads again.
func TestAReadingThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t)
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := r.Client(r.f.from("192.0.2.1:1"), document)
				errs <- err
			}()
		}
		synctest.Wait()
		r.release <- fetch.ErrTimeout
		for range 2 {
			var e *oauth.Error
			if err := <-errs; !errors.As(err, &e) || e.Code != "temporarily_unavailable" {
				t.Errorf("%v", err)
			}
		}
		go func() {
			_, err := r.Client(r.f.from("192.0.2.1:1"), document)
			errs <- err
		}()
		r.release <- nil
		if err := <-errs; err != nil || r.begun != 2 {
			t.Errorf("%v, read %d times", err, r.begun)
		}
	})
}

// A publisher that never ends its answer holds nobody for ever, whatever reads it.
func TestAReadingWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t)
		begun := time.Now()
		_, err := r.Client(r.f.from("192.0.2.1:1"), document)
		var e *oauth.Error
		if !errors.As(err, &e) || e.Code != "temporarily_unavailable" || time.Since(begun) > time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// AS-CIMD-CACHE: a document past its freshness is read again before it is used, and a redirect that its publisher
// withdrew is not honoured, also when reading it again fails.
func TestAWithdrawnRedirect(t *testing.T) {
	f := registry(t, nil)
	ctx := func() context.Context { return f.from("192.0.2.1:1") }
	f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ""), time.Time{}, nil }
	if c, err := f.Client(ctx(), document); err != nil || !oauth.MatchRedirect(c.RedirectURIs, "https://app.example/cb") {
		t.Fatal(c, err)
	}
	f.now = f.now.Add(6 * time.Minute)
	if _, ok := f.Known(ctx(), document); ok {
		t.Error("a stale document is known")
	}
	f.fetch = func(string) ([]byte, time.Time, error) { return nil, time.Time{}, fetch.ErrTimeout }
	if c, err := f.Client(ctx(), document); err == nil {
		t.Errorf("unreadable, and yet %+v", c)
	}
	f.fetch = func(id string) ([]byte, time.Time, error) {
		return fmt.Appendf(nil, `{"client_id":%q,"client_name":"App","redirect_uris":["https://app.example/new"]}`, id), time.Time{}, nil
	}
	if c, err := f.Client(ctx(), document); err != nil || oauth.MatchRedirect(c.RedirectURIs, "https://app.example/cb") {
		t.Errorf("withdrawn, and yet %+v, %v", c, err)
	}
}

// AS-CIMD-SECCONS: how often one host is read is bounded, from however many addresses the wish comes.
func TestOneHostIsNotReadWithoutEnd(t *testing.T) {
	hits := 0
	client := &fetch.Client{PerHost: 7} // loopback is refused, and what counts is how often it is tried
	f := registry(t, func(c *registration.Config) {
		c.Fetch = func(ctx context.Context, id string) ([]byte, time.Time, error) {
			body, fresh, err := client.Get(ctx, id)
			if !errors.Is(err, fetch.ErrBusy) {
				hits++
			}
			return body, fresh, err
		}
	})
	for n := range 40 {
		_, err := f.Client(f.from(fmt.Sprintf("192.0.2.%d:1", n)), fmt.Sprintf("https://127.0.0.1:1/%d", n))
		if err == nil {
			t.Fatal("a document of nobody's")
		}
	}
	if hits != 7 {
		t.Errorf("tried %d times", hits)
	}
}
