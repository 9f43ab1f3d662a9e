package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/config"
)

// A file that changes once more after it was read, and before anybody looks at it again, is read again.
func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	write("one")
	began := config.Config{PublicURL: "one"}
	last := make(chan string, 10)
	read := func() (config.Config, error) {
		b, err := os.ReadFile(path)
		if string(b) == "two" {
			write("three")
		}
		return config.Config{PublicURL: string(b)}, err
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &watcher{path: path, read: read, log: slog.New(slog.DiscardHandler)}
	go w.watch(ctx, began, func(_ context.Context, c config.Config) error {
		last <- c.PublicURL
		return nil
	})
	time.Sleep(100 * time.Millisecond) // it has looked once
	write("two")
	late := time.After(5 * glance)
	for {
		select {
		case got := <-last:
			if got == "three" {
				return
			}
		case <-late:
			t.Fatal("it goes on with what is not in the file")
		}
	}
}
