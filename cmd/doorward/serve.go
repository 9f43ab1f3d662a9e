package main

import (
	"context"
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
	"strings"
	"time"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// drain is how long requests under way may take when the program is asked to end.
const drain = 5 * time.Second

// growth is how many percent the heap may grow between two collections. What lives long is a few MB, so that at Go's own 100
// a server that signs tokens collects all the time; docs/performance.md has the figures.
const growth = 400

type serveCmd struct {
	Config string `required:"" placeholder:"FILE" help:"Configuration file: docs/configuration.md."`
}

// Run serves what the file says, and goes on with what it says when it changes.
func (s *serveCmd) Run(ctx context.Context, io streams) error {
	read := func() (config.Config, error) {
		c, err := readConfig(io, s.Config)
		if err == nil && c.Data == "" {
			c.Data, err = dataDir("", c.Listen)
		}
		return c, err
	}
	c, err := read()
	if err != nil {
		return err
	}
	return serve(ctx, io, c, &watcher{path: s.Config, read: read})
}

// serve opens an installation, serves it until ctx ends, and closes it. changes says when its configuration is another one; nil: never.
func serve(ctx context.Context, io streams, c config.Config, changes *watcher) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	release, err := openData(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := openBundle(c); err != nil {
		return err
	}
	box, err := seal.OpenKeyFile(filepath.Join(c.Data, "key"))
	if err != nil {
		return failed{exitUsage, err}
	}
	shown, err := openCertificates(c, box, slog.New(slog.NewTextHandler(io.err, nil)))
	if err != nil {
		return err
	}
	listeners, err := listen(c, shown)
	if err != nil {
		return err
	}
	in, end, err := open(ctx, io, c, box)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	socket, err := admin.Listen(c.Data)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer func() { err = errors.Join(err, socket.Close()) }()
	go func() { _ = admin.Serve(socket, in.Admin) }()
	operations, err := serveOperations(c, in)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer func() { err = errors.Join(err, operations()) }()
	if changes != nil {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		changes.log = slog.New(slog.NewTextHandler(io.err, nil))
		go changes.watch(watching, c, shown.reload(in.Reload))
	}
	return serveHTTP(ctx, io, c, in, listeners)
}

// serveOperations serves who runs the installation, where the configuration says.
func serveOperations(c config.Config, in *doorward.Installation) (stop func() error, err error) {
	if c.Operations.Listen == "" {
		return func() error { return nil }, nil
	}
	l, err := net.Listen("tcp", c.Operations.Listen)
	if err != nil {
		return nil, usage("listening for operations: %w", err)
	}
	server := &http.Server{Handler: in.Operations(), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go func() { _ = server.Serve(l) }()
	return server.Close, nil
}

// open makes the installation of what the data directory holds.
func open(ctx context.Context, io streams, c config.Config, box *seal.Box) (in *doorward.Installation, end func() error, err error) {
	if err := checkClock(time.Now()); err != nil {
		return nil, nil, err
	}
	authority, err := loopbackAuthority(c)
	if err != nil {
		return nil, nil, err
	}
	fetcher := func(f *fetch.Client) *fetch.Client {
		f.Proxy, f.RootCAs, f.InsecureLoopback = environmentProxy, authority, authority != nil
		return f
	}
	version, _ := built()
	tracer, untrace, err := openTracer(ctx, c, version)
	if err != nil {
		return nil, nil, err
	}
	in, err = doorward.Open(ctx, c, doorward.Environment{
		Box: box, Lookup: lookup,
		Documents: fetcher(&fetch.Client{JSON: true, MaxBytes: registration.MaxDocument}), Keys: fetcher(&fetch.Client{}),
		Named: func(hosts []string) *fetch.Client { return fetcher(&fetch.Client{Hosts: hosts}) },
		Slog:  slog.New(slog.NewTextHandler(io.err, nil)), Tracer: tracer, Version: version,
	})
	switch {
	case errors.Is(err, store.ErrHeld): // it says by whom
		err = failed{exitUsage, err}
	case errors.Is(err, store.ErrUnreachable):
		err = failed{exitUnreachable, err}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // what the configuration names is not there
		err = failed{exitUsage, err}
	case errors.As(err, new(*cedar.Error)), errors.Is(err, cedar.ErrUnsigned), errors.Is(err, cedar.ErrNoBundle): // it says where
		err = failed{exitUsage, err}
	case errors.Is(err, doorward.ErrOtherURL), errors.Is(err, store.ErrUnreadable), errors.Is(err, seal.ErrWrongKey), errors.Is(err, seal.ErrTampered), errors.Is(err, audit.ErrDamaged):
		err = failed{exitUsage, fmt.Errorf("%s: %w", c.Data, err)}
	case err != nil:
		err = fmt.Errorf("%s: %w", c.Data, err)
	}
	if err != nil {
		return nil, nil, errors.Join(err, untrace())
	}
	return in, func() error { return errors.Join(in.Close(), untrace()) }, nil
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
	return authorities("insecure_loopback_documents", c.InsecureLoopbackDocuments)
}

// look says what an outsider would get wrong.
func look(ctx context.Context, log *slog.Logger, in *doorward.Installation) {
	found, err := in.Look(ctx)
	for _, f := range found {
		log.WarnContext(ctx, "seen from outside", "at", f.At, "wrong", f.Wrong, "mend", f.Mend)
	}
	if err != nil && ctx.Err() == nil {
		log.InfoContext(ctx, "the public address cannot be reached from here, so it was not looked at", "error", err)
	}
	if err == nil && len(found) == 0 {
		log.InfoContext(ctx, "seen from outside, everything is right")
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
	if strings.HasPrefix(c.PublicURL, "https:") { // over http nothing stands between: the listener is the public address
		go look(running, slog.New(slog.NewTextHandler(io.err, nil)), in)
	}
	w, err := in.Welcome(ctx)
	debug.FreeOSMemory() // what the first password took, and what the start left behind: at rest nothing would give it back
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
