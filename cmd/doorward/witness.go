package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit/export"
)

type witnessCmd struct {
	Key   witnessKeyCmd   `cmd:"" help:"Make the key of a witness."`
	Serve witnessServeCmd `cmd:"" help:"Be a witness of audit logs, on another machine than theirs."`
}

// witnessKey is the file of a witness's key in its data directory.
const witnessKey = "witness.key"

type witnessKeyCmd struct {
	Name string `arg:"" help:"Name of the witness, such as witness.example.com/w1."`
	Data string `required:"" placeholder:"DIR" help:"Data directory of the witness."`
}

// Run makes a key, keeps what signs and prints what verifies, for the witness policy of those who ask this witness.
func (c *witnessKeyCmd) Run(io streams) error {
	k, err := export.NewWitnessKey(rand.Reader, c.Name)
	if err != nil {
		return usage("%w", err)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return usage("%w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.Data, witnessKey), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return usage("%w", err)
	}
	_, err = f.WriteString(k.Private() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return usage("%w", err)
	}
	_, err = fmt.Fprintln(io.out, k.Public())
	return err
}

type witnessServeCmd struct {
	Listen string   `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Address to listen on. What comes and goes is signed, so that it may be plain HTTP; for more than that, put a proxy before it."`
	Data   string   `required:"" placeholder:"DIR" help:"Data directory, in which doorward witness key has put the key."`
	Log    []string `required:"" sep:"none" placeholder:"VKEY" help:"Verifier key of a log that is witnessed. May be repeated."`
}

// Run serves until it is told to end.
func (c *witnessServeCmd) Run(ctx context.Context, io streams) error {
	text, err := os.ReadFile(filepath.Join(c.Data, witnessKey))
	if err != nil {
		return usage("%w: doorward witness key makes it", err)
	}
	key, err := export.ReadWitnessKey(string(text))
	if err != nil {
		return usage("%s: %w", filepath.Join(c.Data, witnessKey), err)
	}
	if err := checkClock(time.Now()); err != nil {
		return err
	}
	var logs []note.Verifier
	for _, vkey := range c.Log {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return usage("--log %s: it is no verifier key, which has the form NAME+ID+BASE64", vkey)
		}
		logs = append(logs, v)
	}
	w, err := export.OpenWitness(export.WitnessConfig{Dir: c.Data, Key: key, Logs: logs, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.err, nil))})
	if err != nil {
		return usage("%w", err)
	}
	return errors.Join(c.serve(ctx, io, w, key), w.Close())
}

func (c *witnessServeCmd) serve(ctx context.Context, io streams, w *export.Witness, key export.WitnessKey) error {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return usage("listening on %s: %w", c.Listen, err)
	}
	server := &http.Server{Handler: w, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ending) // what does not end in time is cut off when the process ends
	})
	defer stop()
	_, _ = fmt.Fprintf(io.out, "%s witnesses at http://%s\n", key.Public(), l.Addr())
	if err := server.Serve(pacedListener{l}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended // a checkpoint that is being kept is waited for
	return nil
}
