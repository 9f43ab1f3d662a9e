//go:build conformance

package oauth

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// grace is how long a refresh token may be sent once more. It is short here, so that a replay need not be waited for.
const grace = time.Second

// file is the installation's: two servers, of which one wants proofs with nonces, and a client for each grant.
const file = `public_url: http://$ADDRESS
listen: $ADDRESS
data: data
policy: scopes-only
registration:
  mode: open
lifetimes:
  refresh_grace: 1s
servers:
  plain:
    path: /plain
    demo: true
    device_authorization: true
  bound:
    path: /bound
    demo: true
    dpop:
      required: true
      nonce: true
clients:
  listed:
    - client_id: machine
      grant_types: [client_credentials]
      jwks_file: machine.jwks.json
      reaches: [plain, bound]
    - client_id: batch
      grant_types: [client_credentials]
      secret: ${env:INTEROP_SECRET}
      reaches: [plain]
    - client_id: tv
      client_name: Television
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
    - client_id: plain-server
      secret: ${env:INTEROP_SECRET}
      serves: [plain]
    - client_id: relying
      client_name: Relying party
      token_endpoint_auth_method: client_secret_post
      secret: ${env:INTEROP_SECRET}
      redirect_uris: ["http://127.0.0.1:1/callback"]
      post_logout_redirect_uris: ["http://127.0.0.1:1/bye"]
    - client_id: native
      client_name: Native app
      redirect_uris: ["http://127.0.0.1:1/callback"]
`

const (
	callback = "http://127.0.0.1:1/callback" // never called: the person reads the answer from the redirect
	bye      = "http://127.0.0.1:1/bye"
)

// A house is a running installation, and what its clients know. Its JSON is what the programs of testdata/oauth are given.
type house struct {
	installation.Installation `json:"-"`
	Issuer                    string            `json:"issuer"`
	Plain                     string            `json:"plain"`
	Bound                     string            `json:"bound"`
	Username                  string            `json:"username"`
	Secret                    string            `json:"secret"`
	MachineKey                map[string]string `json:"machine_key"`
	Bye                       string            `json:"bye"`
	Grace                     int               `json:"grace_ms"` // after which a refresh token is a replay
}

func open(t *testing.T) house {
	t.Helper()
	dir, address := t.TempDir(), installation.FreeAddress(t)
	h := house{Secret: rand.Text(), Bye: bye, Grace: int((grace + 500*time.Millisecond) / time.Millisecond)}
	h.MachineKey = newKey(t)
	public := map[string]string{}
	for name, value := range h.MachineKey {
		if name != "d" {
			public[name] = value
		}
	}
	keys, err := json.Marshal(map[string]any{"keys": []any{public}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "machine.jwks.json"), string(keys))
	write(t, filepath.Join(dir, "doorward.yaml"), strings.ReplaceAll(file, "$ADDRESS", address))

	t.Setenv("INTEROP_SECRET", h.Secret)
	program := installation.Built(t, "DOORWARD", "doorward", "make build")
	h.Log = filepath.Join(t.TempDir(), "log")
	out := installation.Start(t, h.Log, program, "serve", "--output", "json", "--config", filepath.Join(dir, "doorward.yaml"))
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &h.Installation)
	}
	if err != nil {
		t.Fatalf("reading the line of doorward protect: %v", err)
	}
	go io.Copy(io.Discard, lines)
	h.Issuer, h.Username = h.Installation.Issuer, h.Installation.Username
	h.Plain, h.Bound = h.Issuer+"/plain", h.Issuer+"/bound"
	return h
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newKey is a private key on P-256 as RFC 7517 has it.
func newKey(t *testing.T) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "machine-1", "x": text(point[1:33]), "y": text(point[33:]), "d": text(d)}
}
