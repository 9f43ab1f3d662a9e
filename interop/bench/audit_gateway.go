package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/doorward-mcp/doorward/interop/person"
)

// logged compares the CPU of a call with the log and without. Rounds alternate.
func logged(ctx context.Context, o options, dir string) error {
	h := &house{dir: dir}
	defer h.close()
	var err error
	if h.self, err = os.Executable(); err != nil {
		return err
	}
	if h.upstream, err = h.start("upstream"); err != nil {
		return err
	}
	var doors []*door
	for _, log := range []string{"off", "on"} {
		d, err := h.embed(ctx, o, log)
		if err != nil {
			return fmt.Errorf("the gateway with the log %s: %w", log, err)
		}
		doors = append(doors, d)
	}
	taken := make([][]figures, len(doors))
	for round := range 1 + 2*o.rounds {
		for i, d := range doors {
			f, err := load(d.process, o.connections, o.each, func(c *http.Client, _ int) error {
				_, err := d.call(c)
				return err
			})
			if err != nil {
				return err
			}
			if round > 0 {
				taken[i] = append(taken[i], f)
			}
		}
	}
	off, on := median(taken[0]), median(taken[1])
	fmt.Printf("%-22s %10s %8s %8s %12s %10s\n", "512-byte call", "req/s", "p50 us", "p99 us", "CPU ms/1000", "CPU ratio")
	fmt.Printf("%-22s %10.0f %8.0f %8.0f %12.1f %10.2f\n", "the log off", off.perSecond, off.p50, off.p99, off.cpu, 1.0)
	fmt.Printf("%-22s %10.0f %8.0f %8.0f %12.1f %10.2f   the aim: %.1f\n\n", "the log on", on.perSecond, on.p50, on.p99, on.cpu, on.cpu/off.cpu, mostLogged)
	return nil
}

// embed starts testdata/bench/door and connects a client.
func (h *house) embed(ctx context.Context, o options, log string) (*door, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(h.dir, log)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p, err := run(o.door, address, "http://"+h.upstream+"/mcp", dir, log)
	if err != nil {
		return nil, err
	}
	h.processes = append(h.processes, p)
	d := &door{process: p}
	if err := decode(p.out, d); err != nil {
		return nil, errors.Join(errors.New("reading what it says"), err)
	}
	if err := d.connect(ctx, person.New(d.Username, d.Password)); err != nil {
		return nil, err
	}
	_, err = d.call(http.DefaultClient)
	return d, err
}
