package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/time/rate"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/seal"
)

// certificates are what a listener shows: files, read again whenever the configuration is, or an authority's.
type certificates struct {
	files   config.TLS
	now     atomic.Pointer[tls.Certificate]
	manager *autocert.Manager // nil: the certificate comes from files
	log     *slog.Logger
	said    *rate.Limiter // of what is logged: everybody can ask
}

// openCertificates reads the files, or prepares to ask the authority; nil: the listener speaks plain HTTP.
func openCertificates(c config.Config, box *seal.Box, log *slog.Logger) (*certificates, error) {
	if c.TLS == nil {
		return nil, nil
	}
	all := &certificates{files: *c.TLS, log: log, said: rate.NewLimiter(rate.Every(10*time.Second), 1)}
	if c.TLS.ACME == nil {
		next, err := all.read()
		all.now.Store(next)
		return all, err
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil, usage("reading public_url: %w", err)
	}
	client, err := authorityClient(*c.TLS.ACME)
	if err != nil {
		return nil, err
	}
	all.manager = &autocert.Manager{Prompt: func(string) bool { return c.TLS.ACME.Terms }, Email: c.TLS.ACME.Email, Client: client,
		HostPolicy: autocert.HostWhitelist(public.Hostname()), Cache: sealedCache{autocert.DirCache(filepath.Join(c.Data, "acme")), box}}
	return all, nil
}

// authorityClient speaks to an authority; its directory may have a certificate of its operator's own.
func authorityClient(a config.ACME) (*acme.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: "doorward", HTTPClient: &http.Client{Timeout: time.Minute, Transport: &orders{base: transport, places: map[string]string{}}}}
	if a.Authority == "" {
		return client, nil
	}
	pool, err := authorities("tls.acme.authority", a.Authority)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return client, nil
}

// authorities are the certificates in a file that a member of the configuration names.
func authorities(member, path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("reading %s: %w", member, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usage("%s: %s holds no certificate", member, path)
	}
	return pool, nil
}

// read is the certificate in the files.
func (c *certificates) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.files.Certificate, c.files.Key)
	if err != nil {
		return nil, usage("reading the certificate: %w", err)
	}
	return &pair, nil
}

func (c *certificates) config() *tls.Config {
	if c.manager != nil {
		t := c.manager.TLSConfig()
		t.MinVersion = tls.VersionTLS12
		t.GetCertificate = c.asked
		return t
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil }}
}

// asked is the authority's certificate. Why there is none is said: whoever asks learns nothing of it.
func (c *certificates) asked(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate, err := c.manager.GetCertificate(hello)
	if err != nil && c.manager.HostPolicy(hello.Context(), hello.ServerName) == nil && c.said.Allow() {
		c.log.Warn("there is no certificate yet", "name", hello.ServerName, "error", err)
	}
	return certificate, err
}

// reload makes reload take new certificate files with it, or none of both.
func (c *certificates) reload(reload func(context.Context, config.Config) error) func(context.Context, config.Config) error {
	if c == nil || c.manager != nil {
		return reload
	}
	return func(ctx context.Context, next config.Config) error {
		pair, err := c.read()
		if err != nil {
			return err
		}
		if err := reload(ctx, next); err != nil {
			return err
		}
		c.now.Store(pair)
		return nil
	}
}

// sealedCache keeps what an authority gave out. The keys of the account and of the certificate are among it.
type sealedCache struct {
	autocert.Cache
	box *seal.Box
}

// Get is an autocert.Cache's.
func (s sealedCache) Get(ctx context.Context, name string) ([]byte, error) {
	sealed, err := s.Cache.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	plain, err := s.box.Open(sealed, []byte("acme/"+name))
	if errors.Is(err, seal.ErrTampered) { // a new one is to be had
		return nil, autocert.ErrCacheMiss
	}
	return plain, err
}

// Put is an autocert.Cache's.
func (s sealedCache) Put(ctx context.Context, name string, plain []byte) error {
	sealed, err := s.box.Seal(plain, []byte("acme/"+name))
	if err != nil {
		return err
	}
	return s.Cache.Put(ctx, name, sealed)
}

// orders says where an order lies when it is finalized, as the client library wants it said. RFC 8555 §7.4 shows that header
// and does not require it, and not every authority sends it.
type orders struct {
	base http.RoundTripper

	mu     sync.Mutex
	places map[string]string // :: finalize address → the order's
}

// RoundTrip is an http.RoundTripper's.
func (o *orders) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := o.base.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost || res.StatusCode >= 300 {
		return res, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if place, ok := o.places[r.URL.String()]; ok {
		if res.Header.Get("Location") == "" {
			res.Header.Set("Location", place)
		}
		return res, nil
	}
	if place := res.Header.Get("Location"); place != "" {
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		var order struct{ Finalize string }
		if json.Unmarshal(body, &order) == nil && order.Finalize != "" {
			o.places[order.Finalize] = place
		}
	}
	return res, nil
}
