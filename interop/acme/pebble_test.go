//go:build conformance

package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/installation"
)

const host = "mcp.doorward.test"

// RFC 8555, RFC 8737: with `tls.acme` the certificate comes from the authority that the operator named, for the public name and
// no other; what is kept of it is sealed; a restart asks for no other.
func TestACertificateFromAnAuthority(t *testing.T) {
	module := moduleOf(t, "github.com/letsencrypt/pebble/v2")
	listen, dns, directory, management := installation.FreeAddress(t), installation.FreeAddress(t), installation.FreeAddress(t), installation.FreeAddress(t)
	dir := t.TempDir()
	tool(t, dir, nil, "pebble-challtestsrv", "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-dnsserver", dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", installation.FreeAddress(t))
	config := write(t, dir, "pebble.json", fmt.Sprintf(`{"pebble":{"listenAddress":%q,"managementListenAddress":%q,"certificate":%q,"privateKey":%q,"httpPort":1,"tlsPort":%s,
		"profiles":{"default":{"description":"default","validityPeriod":7776000}}}}`, directory, management, filepath.Join(module, "test/certs/localhost/cert.pem"), filepath.Join(module, "test/certs/localhost/key.pem"), port(listen)))
	tool(t, dir, []string{"PEBBLE_VA_NOSLEEP=1"}, "pebble", "-config", config, "-dnsserver", dns, "-strict")
	authority := filepath.Join(module, "test/certs/pebble.minica.pem")
	roots := rootsOf(t, authority, "https://"+management+"/roots/0")

	file := write(t, dir, "doorward.yaml", fmt.Sprintf("public_url: https://%s\nlisten: %s\ndata: data\npolicy: scopes-only\nregistration: {mode: open}\ntls:\n  acme: {terms_accepted: true, directory: 'https://localhost:%s/dir', authority: %s, email: ops@doorward.test}\nservers:\n  mcp: {path: /mcp, demo: true}\n",
		host, listen, port(directory), authority))
	program := installation.Built(t, "DOORWARD", "doorward", "make build")
	t.Run("the first start", func(t *testing.T) {
		installation.Start(t, filepath.Join(dir, "log1"), program, "serve", "--config", file)
		first := shown(t, listen, host, roots)
		if err := first.VerifyHostname(host); err != nil {
			t.Error(err)
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host}, DialContext: (&to{listen}).dial}}
		res, err := client.Get("https://" + host + "/.well-known/oauth-protected-resource/mcp")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var doc struct{ Resource string }
		if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || doc.Resource != "https://"+host+"/mcp" {
			t.Errorf("%v %+v", err, doc)
		}
		// A name that is not ours makes nobody ask the authority for anything.
		if _, err := tls.Dial("tcp", listen, &tls.Config{ServerName: "other.doorward.test", InsecureSkipVerify: true}); err == nil {
			t.Error("a certificate for another name")
		}
		kept, err := filepath.Glob(filepath.Join(dir, "data/acme/*"))
		if err != nil || len(kept) == 0 {
			t.Fatalf("nothing is kept: %v", err)
		}
		for _, path := range kept {
			if b, err := os.ReadFile(path); err != nil || strings.Contains(string(b), "PRIVATE KEY") {
				t.Errorf("%s holds a key in the clear (%v)", path, err)
			}
		}
	})
	t.Run("another start", func(t *testing.T) {
		before := orders(t, filepath.Join(dir, "pebble.log"))
		installation.Start(t, filepath.Join(dir, "log2"), program, "serve", "--config", file)
		shown(t, listen, host, roots)
		if after := orders(t, filepath.Join(dir, "pebble.log")); after != before {
			t.Errorf("%d orders before, %d after", before, after)
		}
	})
}

// shown is the certificate at an address, once it is there.
func shown(t *testing.T, address, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	var last error
	for range 60 {
		c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
		if err == nil {
			defer c.Close()
			return c.ConnectionState().PeerCertificates[0]
		}
		last = err
		time.Sleep(500 * time.Millisecond)
	}
	t.Fatalf("no certificate for %s: %v", name, last)
	return nil
}

func orders(t *testing.T, log string) int {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "Added order")
}

// tool runs a program of this module's go.mod until the test ends. What it says is in NAME.log.
func tool(t *testing.T, dir string, environment []string, name string, args ...string) {
	t.Helper()
	program := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-o", program, "github.com/letsencrypt/pebble/v2/cmd/"+name).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	f, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), environment...), f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		f.Close()
		if t.Failed() {
			said, _ := os.ReadFile(f.Name())
			t.Logf("%s wrote:\n%s", name, said)
		}
	})
}

func moduleOf(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// rootsOf are the roots under which the authority signs, as its management says.
func rootsOf(t *testing.T, authority, address string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	own := x509.NewCertPool()
	own.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own}}}
	for range 100 {
		res, err := client.Get(strings.Replace(address, "127.0.0.1", "localhost", 1))
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(b) {
			t.Fatalf("no root in %s", b)
		}
		return roots
	}
	t.Fatal("the authority does not answer")
	return nil
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// to dials one address whatever is asked for.
type to struct{ address string }

func (d *to) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, d.address)
}
