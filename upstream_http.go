package doorward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// behind is what stands behind a server, and what it gets instead of the caller's token.
type behind struct {
	upstream   gateway.Upstream
	credential gateway.Credential
	renew      gateway.Renew
}

// overHTTP is the pool of a server's upstreams. One whose configuration and files are the same is the same pool after a
// reload, with its connections and with what it knows of who is well.
func (g *generation) overHTTP(name string, s config.Server) (*gateway.Pool, error) {
	files, err := readTLS(s.TLS)
	if err != nil {
		return nil, err
	}
	return keep(g, "http/"+name, []any{s.Addresses(), s.Balance, s.Health, files}, func() (*gateway.Pool, func() error, error) {
		t := gateway.Transport()
		if t.TLSClientConfig, err = files.config(); err != nil {
			return nil, nil, err
		}
		c := gateway.PoolConfig{Balance: s.Balance, Health: s.Health, Base: t, Slog: g.e.Slog.With("server", name), Now: g.e.Now}
		for _, address := range s.Addresses() {
			to, err := url.Parse(address)
			if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
				return nil, nil, fmt.Errorf("%q is not an http or https address", address)
			}
			c.To = append(c.To, to)
		}
		pool, err := gateway.NewPool(c)
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		go pool.Watch(ctx)
		return pool, func() error {
			cancel()
			t.CloseIdleConnections()
			return nil
		}, nil
	})
}

// audience is whom the caller header is meant for: the upstream by its address, or a pool of them by the server's name.
func audience(name string, s config.Server) string {
	if s.URL != "" {
		return s.URL
	}
	return "doorward:pool:" + name
}

// tokens is the token that a server's upstream gets; nil: none.
func (g *generation) tokens(s config.Server) (*gateway.Tokens, error) {
	switch c := s.Credential; {
	case c.ClientCredentials != nil:
		e, err := g.tokenEndpoint(*c.ClientCredentials)
		return gateway.NewTokens(gateway.ClientCredentials(e, c.ClientCredentials.Wanted()), true, g.e.Slog), err
	case c.Exchange != nil:
		e, err := g.tokenEndpoint(c.Exchange.TokenEndpoint)
		return gateway.NewTokens(gateway.Exchange(g.exchange(e, *c.Exchange)), false, g.e.Slog), err
	}
	return nil, nil
}

func (g *generation) exchange(e provider.Endpoint, x config.TokenExchange) gateway.ExchangeConfig {
	c := gateway.ExchangeConfig{Endpoint: e, Wanted: x.Wanted(), Ring: g.as.Ring, Audience: x.AssertionAudience, Kind: x.SubjectTokenType,
		Bearer: x.Grant == config.GrantJWTBearer, Issuer: x.Issuer}
	if c.Audience == "" {
		c.Audience = x.URL
	}
	if c.Issuer == "" {
		c.Issuer = g.c.PublicURL
	}
	return c
}

func (g *generation) tokenEndpoint(t config.TokenEndpoint) (provider.Endpoint, error) {
	e := provider.Endpoint{URL: t.URL, ClientID: t.ClientID, Method: t.Method}
	if t.Secret != "" {
		secret, err := t.Secret.Reveal(g.e.Lookup)
		if err != nil {
			return e, fmt.Errorf("upstream credential: %w", err)
		}
		e.Secret = token.NewSecret(secret)
	}
	files, err := readTLS(&config.UpstreamTLS{CA: t.CA})
	if err != nil {
		return e, fmt.Errorf("upstream credential: %w", err)
	}
	transport := gateway.Transport()
	transport.MaxIdleConnsPerHost = 8
	transport.TLSClientConfig, err = files.config()
	e.HTTP = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	return e, err
}

// tlsFiles are the contents of what config.UpstreamTLS names: they, and not their names, say whether anything changed.
type tlsFiles struct {
	ca, certificate, key []byte
	name, path           string
}

func readTLS(c *config.UpstreamTLS) (f tlsFiles, err error) {
	if c == nil {
		return f, nil
	}
	f.name, f.path = c.ServerName, c.CA
	for _, file := range []struct {
		into *[]byte
		path string
	}{{&f.ca, c.CA}, {&f.certificate, c.Certificate}, {&f.key, c.Key}} {
		if file.path == "" {
			continue
		}
		if *file.into, err = os.ReadFile(file.path); err != nil {
			return f, fmt.Errorf("reading a file for TLS: %w", err)
		}
	}
	return f, nil
}

// config is a client's side of TLS. RFC 9325 §3.1.1: nothing older than 1.2.
func (f tlsFiles) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.name}
	if f.ca != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(f.ca) {
			return nil, fmt.Errorf("%s holds no certificate of an authority", f.path)
		}
	}
	if f.certificate != nil || f.key != nil {
		own, err := tls.X509KeyPair(f.certificate, f.key)
		if err != nil {
			return nil, fmt.Errorf("our certificate for the upstream: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}
