package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/seal"
)

// certificates are what a listener shows: files, read again whenever the configuration is, or an authority's.
type certificates struct {
	files   config.TLS
	now     atomic.Pointer[tls.Certificate]
	manager *autocert.Manager // nil: the certificate comes from files
}

// openCertificates reads the files, or prepares to ask the authority; nil: the listener speaks plain HTTP.
func openCertificates(c config.Config, box *seal.Box) (*certificates, error) {
	if c.TLS == nil {
		return nil, nil
	}
	all := &certificates{files: *c.TLS}
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
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: "doorward"}
	if a.Authority == "" {
		return client, nil
	}
	pem, err := os.ReadFile(a.Authority)
	if err != nil {
		return nil, usage("reading tls.acme.authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usage("%s holds no certificate", a.Authority)
	}
	client.HTTPClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return client, nil
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
		return t
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil }}
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
