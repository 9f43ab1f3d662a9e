package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// What docs/performance.md holds the audit log to.
const (
	leastDurable  = 20_000.0    // records a second
	mostDelay     = 25.0        // ms, p99 of a call's two records
	leastOfHashed = 0.5         // of an append that also hashes
	leastOfOther  = 3.0         // of Tessera's POSIX driver
	leastVerified = 1_000_000.0 // records a minute
	mostLogged    = 1.1         // CPU of a request with the log, of one without
	manyRecords   = 300_000     // that are verified
)

// audits measures the audit log: how fast it becomes durable beside other logs on the same disk, how fast it is verified, and
// what it costs the gateway.
func audits(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := durables(ctx, o, dir); err != nil {
		return err
	}
	return logged(ctx, o, filepath.Join(dir, "gateway"))
}

// durables compares logs under the same load: callers that hand in the two records of a call, one after the other, and wait for
// each to be durable. Rounds alternate.
func durables(ctx context.Context, o options, dir string) (err error) {
	p, err := startPostgres()
	if err != nil {
		return err
	}
	defer p.end()
	files, err := newTrail(ctx, filepath.Join(dir, "files"), "sqlite:"+filepath.Join(dir, "files.db"))
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			err = errors.Join(err, files.end())
		}
	}()
	address, err := p.make("audit")
	if err != nil {
		return err
	}
	tables, err := newTrail(ctx, "", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tables.end()) }()
	pair, err := files.sample(ctx)
	if err != nil {
		return err
	}
	for _, callers := range []int{64, 256} {
		if err := compareLogs(ctx, o, filepath.Join(dir, fmt.Sprint(callers)), callers, pair, files, tables); err != nil {
			return err
		}
	}
	if err := files.fill(o); err != nil {
		return err
	}
	keys, err := files.keys.Verifiers(ctx)
	ended = true
	if err := errors.Join(err, files.end()); err != nil {
		return err
	}
	return verified(o, filepath.Join(dir, "files"), keys[:1])
}

// appending is a log under load. ask hands in a call's two records.
type appending struct {
	name    string
	ask     func() error
	end     func() error
	figures []figures
}

// compareLogs loads each log in turn and prints the medians.
func compareLogs(ctx context.Context, o options, dir string, callers int, pair [2][]byte, files, tables *trail) error {
	all := []*appending{{name: "doorward, files", ask: files.call}, {name: "doorward, PostgreSQL", ask: tables.call}}
	defer func() {
		for _, a := range all {
			if a.end != nil {
				_ = a.end()
			}
		}
	}()
	raw, err := newBare(filepath.Join(dir, "raw"), pair, false)
	if err != nil {
		return err
	}
	all = append(all, raw)
	hashed, err := newBare(filepath.Join(dir, "hashed"), pair, true)
	if err != nil {
		return err
	}
	all = append(all, hashed)
	other, err := newTessera(ctx, filepath.Join(dir, "tessera"), pair, callers)
	if err != nil {
		return err
	}
	all = append(all, other)
	for round := range 1 + o.rounds {
		for _, a := range all {
			f, err := load(nil, callers, o.each, func(*http.Client, int) error { return a.ask() })
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			if round > 0 { // files grow and caches fill in the first
				a.figures = append(a.figures, f)
			}
		}
	}
	fmt.Printf("%-32s %12s %12s %12s %12s\n", fmt.Sprintf("%d callers, %d and %d bytes", callers, len(pair[0]), len(pair[1])), "records/s", "p50 ms", "p99 ms", "files' rate x")
	own := 2 * median(all[0].figures).perSecond
	for _, a := range all {
		f := median(a.figures)
		fmt.Printf("%-32s %12.0f %12.2f %12.2f %12.2f\n", a.name, 2*f.perSecond, f.p50/1000, f.p99/1000, own/(2*f.perSecond))
	}
	fmt.Printf("The aims: %.0f records/s with p99 under %.0f ms; %.1f of the append that hashes; %.0f times Tessera.\n\n", leastDurable, mostDelay, leastOfHashed, leastOfOther)
	return nil
}

// verified measures how fast an outsider reads a whole log.
func verified(o options, dir string, keys []string) error {
	var all []figures
	var size int64
	for range o.rounds {
		begun := time.Now()
		report, err := verify.Directory(os.DirFS(dir), verify.Options{Keys: keys})
		if err != nil {
			return err
		}
		if len(report.Findings) > 0 {
			return fmt.Errorf("verifying: %+v", report.Findings[0])
		}
		size = report.Size
		all = append(all, figures{perSecond: float64(size) / time.Since(begun).Seconds()})
	}
	fmt.Printf("verifying %d records: %.1f million a minute; the aim: %.0f million\n\n", size, median(all).perSecond*60/1e6, leastVerified/1e6)
	return nil
}
