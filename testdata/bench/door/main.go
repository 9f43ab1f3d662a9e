// Command door is Doorward as a library before one upstream, with its audit log or with a sink that keeps nothing: what make bench
// compares to know what the log costs a call. It prints who may sign in, as doorward protect does.
//
//	door ADDRESS UPSTREAM DIR on|off
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: door ADDRESS UPSTREAM DIR on|off")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4] == "on"); err != nil && ctx.Err() == nil {
		log.Fatal("door: ", err)
	}
}

func serve(ctx context.Context, address, upstream, dir string, logs bool) (err error) {
	debug.SetGCPercent(400) // as the program has it
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	e := doorward.Environment{Box: box, Slog: slog.New(slog.DiscardHandler)}
	if !logs {
		e.Audit = func(context.Context, audit.Entry) error { return nil }
	}
	origin := "http://" + address
	in, err := doorward.Open(ctx, config.Config{PublicURL: origin, Listen: address, Data: dir, Policy: config.Policy{Word: config.ScopesOnly},
		Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}}, Servers: map[string]config.Server{"mcp": {Path: "/mcp", URL: upstream}}}, e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	go in.Run(ctx)
	w, err := in.Welcome(ctx)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: in.Handler}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	said := struct{ Resource, Issuer, Username, Password string }{origin + "/mcp", origin, w.Name, w.Password.Reveal()}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		return err
	}
	return s.Serve(l)
}
