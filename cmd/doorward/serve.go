package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// drain is how long requests under way may take when the program is asked to end.
const drain = 5 * time.Second

// growth is how many percent the heap may grow between two collections. What lives long is a few MB, so that at Go's own 100
// a server that signs tokens collects all the time; docs/performance.md has the figures.
const growth = 400

// serve opens an installation, serves it until ctx ends, and closes it.
func serve(ctx context.Context, io streams, c config.Config) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	release, err := openData(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	listeners, err := listen(c)
	if err != nil {
		return err
	}
	in, log, err := open(ctx, io, c)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer func() { err = errors.Join(err, in.Close(), log.Close()) }()
	socket, err := admin.Listen(c.Data)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer func() { err = errors.Join(err, socket.Close()) }()
	go func() { _ = in.Admin.Serve(socket) }()
	return serveHTTP(ctx, io, c, in, listeners)
}

// open makes the installation of what the data directory holds.
func open(ctx context.Context, io streams, c config.Config) (*doorward.Installation, *os.File, error) {
	if err := checkClock(time.Now()); err != nil {
		return nil, nil, err
	}
	box, err := seal.OpenKeyFile(filepath.Join(c.Data, "key"))
	if err != nil {
		return nil, nil, failed{exitUsage, err}
	}
	authority, err := loopbackAuthority(c)
	if err != nil {
		return nil, nil, err
	}
	fetcher := func(f *fetch.Client) *fetch.Client {
		f.Proxy, f.RootCAs, f.InsecureLoopback = environmentProxy, authority, authority != nil
		return f
	}
	// Until the audit log has a format of its own, its records are JSON lines in a file that is only added to.
	log, err := os.OpenFile(filepath.Join(c.Data, "audit.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, usage("opening the audit log: %w", err)
	}
	in, err := doorward.Open(ctx, c, doorward.Environment{
		Box: box, Audit: audit.Slog(slog.NewJSONHandler(log, nil)), Lookup: lookup,
		Documents: fetcher(&fetch.Client{JSON: true, MaxBytes: registration.MaxDocument}), Keys: fetcher(&fetch.Client{}), Named: fetcher(&fetch.Client{Hosts: c.Named()}),
		Slog: slog.New(slog.NewTextHandler(io.err, nil)),
	})
	switch {
	case errors.Is(err, store.ErrHeld): // it says by whom
		err = failed{exitUsage, err}
	case errors.Is(err, store.ErrUnreachable):
		err = failed{exitUnreachable, err}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // what the configuration names is not there
		err = failed{exitUsage, err}
	case errors.Is(err, doorward.ErrOtherURL), errors.Is(err, store.ErrUnreadable), errors.Is(err, seal.ErrWrongKey), errors.Is(err, seal.ErrTampered):
		err = failed{exitUsage, fmt.Errorf("%s: %w", c.Data, err)}
	case err != nil:
		err = fmt.Errorf("%s: %w", c.Data, err)
	}
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return in, log, nil
}

// checkClock refuses to begin with a clock that cannot be right: tokens would be born expired, or outlive everybody.
func checkClock(now time.Time) error {
	if now.Year() < 2026 || now.Year() > 2100 {
		return usage("the clock of this machine says %s, which cannot be right: tokens carry times. Set it (timedatectl set-ntp true)", now.Format(time.DateTime))
	}
	return nil
}

func environmentProxy(u *url.URL) (*url.URL, error) {
	return http.ProxyFromEnvironment(&http.Request{URL: u})
}

// loopbackAuthority is the authority under which documents are read from loopback too; nil: none is.
func loopbackAuthority(c config.Config) (*x509.CertPool, error) {
	if c.InsecureLoopbackDocuments == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.InsecureLoopbackDocuments)
	if err != nil {
		return nil, usage("reading the authority for loopback documents: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usage("%s holds no certificate", c.InsecureLoopbackDocuments)
	}
	return pool, nil
}

// listen takes the address. 127.0.0.1 and [::1] are taken together where both exist: on a machine where localhost means
// the other one, somebody else could answer there in our name.
func listen(c config.Config) ([]net.Listener, error) {
	var wrap func(net.Listener) net.Listener = func(l net.Listener) net.Listener { return l }
	if c.TLS != nil {
		pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return nil, usage("reading the certificate: %w", err)
		}
		wrap = func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
		}
	}
	var all []net.Listener
	for _, address := range addresses(c.Listen) {
		l, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			all = append(all, wrap(l))
		case errors.Is(err, syscall.EADDRINUSE):
			closeAll(all)
			return nil, usage("%s is taken by another program: end that one, or give --listen another port", address)
		case len(all) == 0:
			return nil, usage("listening on %s: %w", address, err)
		}
	}
	return all, nil
}

// addresses are where a listener listens: the twin of a loopback address is tried too, and need not exist.
func addresses(listen string) []string {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err == nil && host == "127.0.0.1":
		return []string{listen, "[::1]:" + port}
	case err == nil && host == "::1":
		return []string{listen, "127.0.0.1:" + port}
	case err == nil && host == "localhost":
		return []string{"127.0.0.1:" + port, "[::1]:" + port}
	}
	return []string{listen}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

func serveHTTP(ctx context.Context, io streams, c config.Config, in *doorward.Installation, listeners []net.Listener) error {
	server := &http.Server{
		Handler: in.Handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.err, nil), slog.LevelDebug),
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	go in.Run(running)
	w, err := in.Welcome(ctx)
	if err == nil {
		err = welcome(ctx, io, c, w)
	}
	if err == nil {
		select {
		case err = <-ended:
		case <-in.Lost():
			err = usage("another process has taken the database: this one ends, because what both keep in memory would be half of the truth")
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close() // streams do not end by themselves
	}
	return err
}
