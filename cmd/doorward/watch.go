package main

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// glance is how often the files are looked at. Their bytes are compared: a volume that swaps links, as Kubernetes mounts
// them, tells nobody which of its files has changed.
const glance = 2 * time.Second

// watcher reloads a configuration when its file, or one that it refers to, has changed, and when it is told to.
type watcher struct {
	path string
	read func() (config.Config, error)
	log  *slog.Logger
}

// watch goes on until ctx ends. What cannot be used is said, and everything stays as it was.
func (w *watcher) watch(ctx context.Context, now config.Config, reload func(context.Context, config.Config) error) {
	told := make(chan os.Signal, 1)
	notifyReload(told)
	defer signal.Stop(told)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	seen := w.sum(now)
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-told:
			asked = true
		case <-tick.C:
		}
		sum := w.sum(now)
		if !asked && sum == seen {
			continue
		}
		seen = sum // what is half written will have changed again at the next glance
		next, err := w.read()
		if err == nil {
			err = reload(ctx, next)
		}
		if err != nil {
			w.log.ErrorContext(ctx, "the configuration stays as it was", "file", w.path, "error", err)
			continue
		}
		if !slices.Equal(now.Files(), next.Files()) { // what was looked at before it was read were other files
			seen = w.settled(next)
		}
		now = next
		w.log.InfoContext(ctx, "the configuration is in use", "file", w.path, "digest", next.Digest())
	}
}

// settled is the sum of what c was read from; the zero sum, which nothing has, if that has changed since.
func (w *watcher) settled(c config.Config) (sum [sha256.Size]byte) {
	sum = w.sum(c)
	if again, err := w.read(); err != nil || again.Digest() != c.Digest() {
		return [sha256.Size]byte{}
	}
	return sum
}

// sum is over the file and those that it refers to. One that cannot be read counts as empty: reading it says why.
func (w *watcher) sum(c config.Config) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, path := range append([]string{w.path}, c.Files()...) {
		part := sha256.Sum256(contents(path))
		h.Write(part[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// contents are those of a file, or what names those of the policy bundle that a directory is; nil: it cannot be read.
func contents(path string) []byte {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		return b
	}
	files, err := cedar.ReadFiles(os.DirFS(path))
	if err != nil {
		return nil
	}
	b, err := files.Archive()
	if err != nil {
		return nil
	}
	return b
}
