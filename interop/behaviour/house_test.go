//go:build conformance

package behaviour

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// file is the installation's: three servers, of which the vault wants bound tokens and proofs with nonces, and clients of
// each kind, some of which may have less scope than the server wants.
const file = `public_url: http://$ADDRESS
listen: $ADDRESS
data: data
policy: scopes-only
registration:
  mode: listed
servers:
  crm:
    path: /crm
    demo: true
    scopes:
      - {name: mcp, sentence: Use the server}
      - {name: "crm:read", sentence: Read the CRM}
  files:
    path: /files
    demo: true
  vault:
    path: /vault
    demo: true
    dpop:
      required: true
      nonce: true
clients:
  listed:
    - client_id: native
      client_name: Native app
      redirect_uris: ["http://127.0.0.1:1/callback"]
    - client_id: nightly
      grant_types: [client_credentials]
      jwks_file: nightly.jwks.json
      reaches: [crm, files, vault]
    - client_id: batch
      grant_types: [client_credentials]
      secret: ${env:INTEROP_SECRET}
      reaches: [crm]
      scope: crm:read
    - client_id: desk
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
      secret: ${env:INTEROP_SECRET}
      reaches: [crm, files]
    - client_id: pool
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
      secret: ${env:INTEROP_SECRET}
      reaches: [crm]
    - client_id: deploy
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
      reaches: [crm, files]
      workload:
        issuer: $KEYS/platform
        subject: deploy
    - client_id: reader
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
      reaches: [crm]
      scope: crm:read
      workload:
        issuer: $KEYS/platform
        subject: reader
assertion_issuers:
  - issuer: $KEYS/platform
    kind: workload
    jwks_uri: $KEYS/platform/keys
  - issuer: $KEYS/idp
    kind: identity
`

const callback = "http://127.0.0.1:1/callback" // never called: the person reads the answer from the redirect

// A house is a running installation, and those whose word it takes.
type house struct {
	installation.Installation
	secret                 string
	nightly, platform, idp *key
	keys                   string // the origin of platform and idp
}

func (h *house) at(path string) string { return h.Issuer + path }

func open(t *testing.T) *house {
	t.Helper()
	h := &house{secret: rand.Text(), nightly: newKey(t), platform: newKey(t), idp: newKey(t)}
	mux := http.NewServeMux()
	outside := httptest.NewServer(mux)
	t.Cleanup(outside.Close)
	h.keys = outside.URL
	mux.HandleFunc("GET /platform/keys", answers(keySet(h.platform)))
	provide(mux, h.keys+"/idp", h.idp)

	dir, address := t.TempDir(), installation.FreeAddress(t)
	keys, err := json.Marshal(keySet(h.nightly))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nightly.jwks.json"), string(keys))
	write(t, filepath.Join(dir, "doorward.yaml"), strings.NewReplacer("$ADDRESS", address, "$KEYS", h.keys).Replace(file))
	t.Setenv("INTEROP_SECRET", h.secret)
	program := installation.Built(t, "DOORWARD", "doorward", "make build")
	h.Log = filepath.Join(t.TempDir(), "log")
	lines := bufio.NewReader(installation.Start(t, h.Log, program, "serve", "--output", "json", "--config", filepath.Join(dir, "doorward.yaml")))
	line, err := lines.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &h.Installation)
	}
	if err != nil {
		t.Fatalf("reading the line of doorward protect: %v", err)
	}
	go io.Copy(io.Discard, lines)
	return h
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func keySet(k *key) any { return map[string]any{"keys": []any{k.public()}} }

func answers(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}
