//go:build conformance

package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/person"
)

// signedIn gives a person who came by the sign-in link, as the one who started the installation does.
func signedIn(t *testing.T, i installation) *person.Person {
	t.Helper()
	p := person.New(i.Username, i.Password)
	if err := p.Open(t.Context(), i.SignInLink); err != nil {
		t.Fatalf("opening the sign-in link: %v", err)
	}
	return p
}

// register registers a public client by RFC 7591 and gives its id.
func register(t *testing.T, i installation, redirect string) string {
	t.Helper()
	var metadata struct {
		Endpoint string `json:"registration_endpoint"`
	}
	getJSON(t, i.Issuer+"/.well-known/oauth-authorization-server", &metadata)
	body, _ := json.Marshal(map[string]any{
		"client_name":                "official suite",
		"redirect_uris":              []string{redirect},
		"token_endpoint_auth_method": "none",
		"grant_types":                []string{"authorization_code", "refresh_token"},
	})
	res, err := http.Post(metadata.Endpoint, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(res.Body)
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(said, &client); err != nil || res.StatusCode != http.StatusCreated || client.ID == "" {
		t.Fatalf("registering: %d %s", res.StatusCode, said)
	}
	return client.ID
}

func getJSON(t *testing.T, address string, into any) {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %v", address, res.StatusCode, err)
	}
}

// tokens hands out a good access token for as long as a run takes: it refreshes before the token ends.
type tokens struct {
	endpoint, client string

	mu      sync.Mutex // guards the rest
	access  string
	refresh string
	until   time.Time
}

// authorize runs the code flow for the installation's resource.
func authorize(t *testing.T, i installation) *tokens {
	t.Helper()
	var metadata struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
	}
	getJSON(t, i.Issuer+"/.well-known/oauth-authorization-server", &metadata)
	redirect := "http://127.0.0.1:1/callback" // never called: the person reads the code from the redirect
	k := &tokens{endpoint: metadata.Token, client: register(t, i, redirect)}
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	state := rand.Text()
	back, err := signedIn(t, i).Authorize(t.Context(), metadata.Authorize+"?"+url.Values{
		"response_type":         {"code"},
		"client_id":             {k.client},
		"redirect_uri":          {redirect},
		"resource":              {i.Resource},
		"state":                 {state},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if q := back.Query(); q.Get("state") != state || q.Get("iss") != i.Issuer || q.Get("code") == "" {
		t.Fatalf("the answer was %s", back)
	}
	err = k.ask(t.Context(), url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {back.Query().Get("code")},
		"redirect_uri":  {redirect},
		"code_verifier": {verifier},
		"client_id":     {k.client},
		"resource":      {i.Resource},
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// get gives an access token that lives for another minute at least.
func (k *tokens) get(ctx context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Until(k.until) < time.Minute {
		err := k.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.refresh}, "client_id": {k.client}})
		if err != nil {
			return "", err
		}
	}
	return k.access, nil
}

func (k *tokens) ask(ctx context.Context, form url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.endpoint, bytes.NewBufferString(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires int    `json:"expires_in"`
	}
	if err := json.Unmarshal(said, &answer); err != nil || res.StatusCode != http.StatusOK || answer.Access == "" {
		return fmt.Errorf("asking for a token by %s: %d %s", form.Get("grant_type"), res.StatusCode, said)
	}
	k.access, k.refresh = answer.Access, answer.Refresh
	k.until = time.Now().Add(time.Duration(answer.Expires) * time.Second)
	return nil
}
