package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// started is a server with arguments of the test's own.
func started(t testing.TB, listen string, args ...string) *server {
	t.Helper()
	s := &server{t: t, args: append([]string{"--output", "json", "protect", "--listen", listen, "--data", filepath.Join(t.TempDir(), "data")}, args...)}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// A tunnel, or TLS in front: the listener is on loopback, the address that everybody knows is another one.
func TestPublicURL(t *testing.T) {
	listen := "127.0.0.1:" + freePort(t)
	s := started(t, listen, "--public-url", "https://mcp.example.com/")
	const public = "https://mcp.example.com"
	if s.ready.Resource != public+"/mcp" || s.ready.Issuer != public || !strings.HasPrefix(s.ready.Link, public+"/link/") {
		t.Fatalf("%+v", s.ready)
	}
	ask := func(method, path, host string, header ...string) answer {
		r := request(t, method, "http://"+listen+path, "", header...)
		r.Host = host
		c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		return do(t, c, r)
	}
	_, port, _ := strings.Cut(listen, ":")
	for _, host := range []string{"mcp.example.com", listen, "localhost:" + port, "[::1]:" + port} {
		ask("GET", "/.well-known/oauth-protected-resource/mcp", host).sees(t, "resource", public+"/mcp")
		ask("GET", "/.well-known/oauth-authorization-server", host).sees(t, "issuer", public)
		if c := ask("POST", "/mcp", host).Header.Get("WWW-Authenticate"); !strings.Contains(c, `"`+public+`/.well-known/oauth-protected-resource/mcp"`) {
			t.Errorf("%s is challenged with %s", host, c)
		}
	}
	for _, host := range []string{"example.com", "mcp.example.com:8443", "www.mcp.example.com", "localhost"} {
		ask("GET", "/.well-known/oauth-protected-resource/mcp", host).wants(t, 421, "invalid_request")
	}
	as(t, s, "origins", func(t *testing.T) {
		for origin, want := range map[string]int{public: 401, "http://localhost:6274": 403, "https://mcp.example.com:8443": 403, "http://mcp.example.com": 403} {
			if a := ask("POST", "/mcp", "mcp.example.com", "Origin", origin); a.StatusCode != want {
				t.Errorf("from %s: %s, want %d", origin, a.Status, want)
			}
		}
	})
	as(t, s, "cookies", func(t *testing.T) {
		cookies := append(ask("POST", strings.TrimPrefix(s.ready.Link, public), "mcp.example.com", "Origin", public, "Sec-Fetch-Site", "same-origin").Cookies(),
			ask("GET", s.authorization(t, listen), "mcp.example.com").Cookies()...)
		wantCookies(t, cookies, `^__Host-doorward-[a-z0-9]{8}-(session|browser)$`, true)
	})
}

// authorization is the path of a good request of a client that it registers at listen.
func (s *server) authorization(t testing.TB, listen string) string {
	t.Helper()
	id := do(t, http.DefaultClient, request(t, "POST", "http://"+listen+"/register", `{"redirect_uris":["`+callback+`"]}`, "Content-Type", "application/json")).json(t)["client_id"].(string)
	a := &app{t: t, server: s, ID: id, Redirect: callback, Verifier: strings.Repeat("v", 43), State: "s"}
	return strings.TrimPrefix(a.authorizeURL(), s.ready.Issuer)
}

func wantCookies(t *testing.T, cookies []*http.Cookie, name string, secure bool) {
	t.Helper()
	if len(cookies) != 2 {
		t.Fatalf("%d cookies: %v", len(cookies), cookies)
	}
	for _, c := range cookies {
		if !regexp.MustCompile(name).MatchString(c.Name) || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s", c)
		}
	}
}

// Ports of 127.0.0.1 share cookies: two servers side by side must not take each other's.
func TestCookiesOnLoopback(t *testing.T) {
	names := map[string]bool{}
	for range 2 {
		s := protect(t)
		b := s.browser()
		cookies := b.post(strings.TrimPrefix(s.ready.Link, s.ready.Issuer), nil).Cookies()
		cookies = append(cookies, b.get(s.app().authorizeURL()).Cookies()...)
		wantCookies(t, cookies, `^doorward-[a-z0-9]{8}-(session|browser)$`, false)
		for _, c := range cookies {
			names[c.Name] = true
		}
		s.restart()
		if page := b.get("/"); !strings.Contains(page.body, "Sign out") {
			t.Error("a second start signed the person out")
		}
	}
	if len(names) != 4 {
		t.Errorf("two servers share their cookies: %v", names)
	}
}

// certificate writes a certificate for localhost and its key, and gives their files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

// A listener that other machines reach: with certificate and public address it serves TLS, from the first call on.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	port := freePort(t)
	public := "https://localhost:" + port
	s := started(t, "0.0.0.0:"+port, "--public-url", public, "--tls-cert", cert, "--tls-key", key)
	if s.ready.Resource != public+"/mcp" {
		t.Fatalf("%+v", s.ready)
	}
	as(t, s, "a first call", func(t *testing.T) {
		dir := t.TempDir()
		asked := filepath.Join(dir, "asked")
		person := exec.Command("person", asked, s.ready.Username, *s.ready.Password)
		person.Env = append(os.Environ(), "SSL_CERT_FILE="+cert, "GORACE=atexit_sleep_ms=0")
		if err := person.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := person.Wait(); err != nil {
				t.Errorf("the person: %v", err)
			}
		}()
		call := exec.Command("tofile", filepath.Join(dir, "out"), asked, "doorward", "call", "--no-browser", "--no-keychain", "--tokens", filepath.Join(dir, "tokens"), "--ca-file", cert, s.ready.Resource, "whoami")
		call.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		err := call.Run()
		out, _ := os.ReadFile(filepath.Join(dir, "out"))
		if said, _ := os.ReadFile(asked); err != nil || !strings.Contains(string(out), "issuer: "+public) {
			t.Errorf("%v\n%s\n%s", err, out, said)
		}
	})
	as(t, s, "plain HTTP gets nothing", func(t *testing.T) {
		res, err := http.Get("http://localhost:" + port + "/.well-known/oauth-protected-resource")
		if err == nil {
			if _ = res.Body.Close(); res.StatusCode != 400 {
				t.Error(res.Status)
			}
		}
	})
	as(t, s, "old TLS gets nothing", func(t *testing.T) {
		c, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			_ = c.Close()
			t.Error("TLS 1.1 is spoken")
		}
	})
	as(t, s, "other names of it get nothing", func(t *testing.T) {
		trusts := x509.NewCertPool()
		text, err := os.ReadFile(cert)
		if err != nil || !trusts.AppendCertsFromPEM(text) {
			t.Fatal(err)
		}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusts}}}
		do(t, c, request(t, "GET", "https://127.0.0.1:"+port+"/.well-known/oauth-protected-resource", "")).wants(t, 421, "invalid_request")
		do(t, c, request(t, "GET", public+"/.well-known/oauth-protected-resource", "")).sees(t, "resource", public+"/mcp")
	})
	as(t, s, "on loopback the listener's own address will do", func(t *testing.T) {
		listen := "127.0.0.1:" + freePort(t)
		if own := started(t, listen, "--tls-cert", cert, "--tls-key", key); own.ready.Resource != "https://"+listen+"/mcp" {
			t.Errorf("%+v", own.ready)
		}
	})
}
