package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/interop/person"
)

// issuerFile is the configuration: two servers, a client for each grant, and limits that nobody reaches.
const issuerFile = `public_url: http://$ADDRESS
listen: $ADDRESS
data: $DATA
database: "$DATABASE"
policy: scopes-only
trusted_proxies: [127.0.0.1/32]
limits: {address_minute: 1000000000, client_minute: 1000000000}
lifetimes: {access_token: 1h, code: 10m}
registration:
  mode: open
  limits: {unused_clients: 1000000000, unused_clients_address: 1000000000, registrations_minute: 1000000000}
servers:
  crm: {path: /crm, demo: true}
  files: {path: /files, demo: true}
clients:
  listed:
    - client_id: batch
      grant_types: [client_credentials]
      secret: ${env:BENCH_SECRET}
      reaches: [crm]
    - client_id: native
      client_name: Native app
      redirect_uris: ["https://app.example/cb"]
    - client_id: agent
      client_name: CRM agent
      redirect_uris: ["https://app.example/cb"]
      grant_types: [authorization_code, "urn:ietf:params:oauth:grant-type:token-exchange"]
      secret: ${env:BENCH_SECRET}
      serves: [crm]
      reaches: [files]
`

const (
	redirect   = "https://app.example/cb" // never called; consent to a fixed address is remembered
	exchanging = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// issuer is a running doorward with issuerFile, as an authorization server.
type issuer struct {
	*process
	Issuer, Username, Password string
	SignInLink                 string `json:"sign_in_link"`

	who     *person.Person
	secret  string
	subject string     // an access token of the person's for crm
	codes   [][]string // :: connection → codes that nobody redeemed
	refresh []string   // :: connection → the newest refresh token
}

// openIssuer starts one in a directory with a database, and has its person consent to its clients.
func openIssuer(ctx context.Context, o options, dir, database string) (*issuer, error) {
	i := &issuer{secret: rand.Text()}
	if err := i.start(o, dir, database); err != nil {
		return nil, err
	}
	i.who = person.New(i.Username, i.Password)
	if err := i.who.Open(ctx, i.SignInLink); err != nil {
		i.end()
		return nil, err
	}
	return i, nil
}

// start runs the program at a fresh address the first time, at the same one again.
func (i *issuer) start(o options, dir, database string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := dir + "/doorward.yaml"
	if _, err := os.Stat(file); err != nil {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		text := strings.NewReplacer("$ADDRESS", address, "$DATABASE", database, "$DATA", dir+"/data").Replace(issuerFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.Setenv("BENCH_SECRET", i.secret); err != nil {
		return err
	}
	p, err := run(o.program, "--output", "json", "serve", "--config", file)
	if err != nil {
		return err
	}
	i.process = p
	if err := decode(p.out, i); err != nil {
		return fmt.Errorf("reading the line of doorward protect: %w", err)
	}
	return nil
}

// warm gets the tokens that the operations begin with.
func (i *issuer) warm(ctx context.Context, connections int) error {
	i.codes, i.refresh = make([][]string, connections), make([]string, connections)
	for n := range i.refresh {
		t, err := i.redeemed(ctx, http.DefaultClient)
		if err != nil {
			return err
		}
		i.subject, i.refresh[n] = t.Access, t.Refresh
	}
	_, err := i.authorize(ctx, "agent", "/files")
	return err
}

// authorize has the person consent, and gives the code.
func (i *issuer) authorize(ctx context.Context, client, path string) (string, error) {
	sum := sha256.Sum256([]byte(verifier))
	back, err := i.who.Authorize(ctx, i.Issuer+"/authorize?"+url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "resource": {i.Issuer + path},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}.Encode())
	if err != nil {
		return "", err
	}
	if code := back.Query().Get("code"); code != "" {
		return code, nil
	}
	return "", fmt.Errorf("the answer of /authorize is %s", back)
}

func (i *issuer) redeem(c *http.Client, code string) (answer, error) {
	return form(c, i.Issuer+"/token", "", "", url.Values{"grant_type": {"authorization_code"}, "client_id": {"native"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
}

func (i *issuer) redeemed(ctx context.Context, c *http.Client) (answer, error) {
	code, err := i.authorize(ctx, "native", "/crm")
	if err != nil {
		return answer{}, err
	}
	return i.redeem(c, code)
}

// stock makes codes for a round; making them is not measured.
func (i *issuer) stock(o options) error {
	each := o.codes/grants + 1
	_, err := load(nil, grants, time.Hour, func(_ *http.Client, n int) error {
		if len(i.codes[n]) >= each {
			return errDone
		}
		code, err := i.authorize(context.Background(), "native", "/crm")
		i.codes[n] = append(i.codes[n], code)
		return err
	})
	return err
}

// answer is what the endpoints answer, as far as it is looked at.
type answer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Client  string `json:"client_id"`
	Active  bool   `json:"active"`
}

// form sends a form as a client with a secret; an empty id sends no credentials.
func form(c *http.Client, address, id, secret string, v url.Values) (a answer, err error) {
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(v.Encode()))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		r.SetBasicAuth(id, secret)
	}
	return answered(c.Do(r))
}

func answered(res *http.Response, err error) (a answer, _ error) {
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return a, fmt.Errorf("%s: %s: %s", res.Request.URL, res.Status, said)
	}
	return a, decode(res.Body, &a)
}

// gave turns an answer without a token into an error.
func gave(a answer, err error) error {
	if err == nil && a.Access == "" {
		err = errors.New("the answer has no token")
	}
	return err
}
