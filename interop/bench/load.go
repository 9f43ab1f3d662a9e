package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward-mcp/doorward/interop/person"
)

// client is an http.Client for so many connections.
func client(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}}
}

// figures are of one round.
type figures struct {
	perSecond, p50, p99 float64 // requests; microseconds
	cpu                 float64 // milliseconds of the target for a thousand requests
}

// errDone says that a connection has nothing more to ask.
var errDone = errors.New("done")

// load asks again and again on so many connections, for a while or until all of them are done.
func load(p *process, connections int, each time.Duration, ask func(*http.Client, int) error) (f figures, err error) {
	c := client(connections)
	defer c.CloseIdleConnections()
	taken := make([][]time.Duration, connections)
	errs := make([]error, connections)
	before := time.Duration(0)
	if p != nil {
		if before, err = p.cpu(); err != nil {
			return f, err
		}
	}
	begun := time.Now()
	var all sync.WaitGroup
	for n := range connections {
		all.Go(func() {
			for time.Since(begun) < each {
				at := time.Now()
				if err := ask(c, n); err != nil {
					if err != errDone {
						errs[n] = err
					}
					return
				}
				taken[n] = append(taken[n], time.Since(at))
			}
		})
	}
	all.Wait()
	spent := time.Since(begun)
	if err := errors.Join(errs...); err != nil {
		return f, err
	}
	times := slices.Concat(taken...)
	if len(times) == 0 {
		return f, errors.New("nothing was asked")
	}
	slices.Sort(times)
	f.perSecond = float64(len(times)) / spent.Seconds()
	f.p50, f.p99 = micros(times[len(times)/2]), micros(times[len(times)*99/100])
	if p != nil {
		after, err := p.cpu()
		if err != nil {
			return f, err
		}
		f.cpu = ms(after-before) / float64(len(times)) * 1000
	}
	return f, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// median is of each figure by itself.
func median(all []figures) figures {
	of := func(get func(figures) float64) float64 {
		var v []float64
		for _, f := range all {
			v = append(v, get(f))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return figures{of(func(f figures) float64 { return f.perSecond }), of(func(f figures) float64 { return f.p50 }), of(func(f figures) float64 { return f.p99 }), of(func(f figures) float64 { return f.cpu })}
}

// loaded is what is loaded, and what came of it.
type loaded struct {
	name, address string
	p             *process
	figures       []figures
	cut           atomic.Int64 // answers that were not whole
}

// calls compares the gateway with the upstream itself and with plain reverse proxies: small calls, large ones, and streams.
func (h *house) calls(_ context.Context, o options) error {
	for _, c := range []struct {
		title, path string
		d           *door
		body        []byte
	}{{"512-byte call", "/mcp", h.doorward, callBody(512)}, {"64-KB call", "/mcp", h.doorward, callBody(64 << 10)}, {"SSE answer", "/sse", h.streaming, callBody(512)}} {
		if err := h.compare(o, c.title, c.path, c.d, c.body); err != nil {
			return err
		}
	}
	return nil
}

// compare loads Doorward, the upstream behind it and the baselines before that with the same call.
func (h *house) compare(o options, title, path string, d *door, body []byte) error {
	targets := []*loaded{{name: "direct", address: "http://" + h.upstream + path}}
	for _, kind := range []string{"stock", "raised", "tuned"} {
		address, err := h.start("proxy", "http://"+h.upstream+path, kind)
		if err != nil {
			return err
		}
		targets = append(targets, &loaded{name: "ReverseProxy, " + kind, address: "http://" + address + "/", p: h.processes[len(h.processes)-1]})
	}
	others, err := h.others(path, d)
	if err != nil {
		return err
	}
	targets = append(targets, others...)
	targets = append(targets, &loaded{name: "doorward", address: d.Resource, p: d.process})
	for range o.rounds {
		for _, t := range targets {
			f, err := load(t.p, o.connections, o.each, func(c *http.Client, _ int) error {
				_, err := call(c, t.address, d.access, body)
				if err != nil && t.p != d.process { // some baselines cut answers under load: that is said, and no reason to stop
					t.cut.Add(1)
					return nil
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			t.figures = append(t.figures, f)
		}
	}
	fmt.Printf("%-22s %10s %8s %8s %12s %10s %10s\n", title, "req/s", "p50 us", "p99 us", "CPU ms/1000", "x direct", "CPU ratio")
	direct, raised := median(targets[0].figures), median(targets[2].figures)
	for _, t := range targets {
		f := median(t.figures)
		ratio := "-"
		if t.p != nil {
			ratio = fmt.Sprintf("%.2f", f.cpu/raised.cpu)
		}
		if n := t.cut.Load(); n > 0 {
			ratio += fmt.Sprintf("   (%d answers cut)", n)
		}
		fmt.Printf("%-22s %10.0f %8.0f %8.0f %12.1f %10.2f %10s\n", t.name, f.perSecond, f.p50, f.p99, f.cpu, f.perSecond/direct.perSecond, ratio)
	}
	fmt.Println()
	return nil
}

// tokens measures /token: sixteen grants refresh side by side, each rotation durable before it is answered.
func (h *house) tokens(ctx context.Context, o options) error {
	const grants = 16
	doors := make([]*door, grants)
	for n := range doors {
		d := *h.doorward
		if err := d.authorize(ctx, person.New(d.Username, d.Password)); err != nil {
			return err
		}
		doors[n] = &d
	}
	f, err := load(h.doorward.process, grants, o.each, func(c *http.Client, n int) (err error) {
		_, doors[n].refresh, err = doors[n].token(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {doors[n].refresh}})
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("/token, refresh with rotation %8.0f /s   p50 %.0f us, p99 %.0f us, CPU %.3f ms each\n\n", f.perSecond, f.p50, f.p99, f.cpu/1000)
	return nil
}

// streams counts SSE answers that do not end with their response. The upstream flushes before it has read the request.
func (h *house) streams(_ context.Context, o options) error {
	c := client(o.connections)
	var asked, cut atomic.Int64
	var first atomic.Pointer[string]
	begun := time.Now()
	var all sync.WaitGroup
	for range o.connections {
		all.Go(func() {
			for asked.Add(1) <= int64(o.streams) {
				b, err := h.streaming.call(c)
				if err != nil || !bytes.Contains(b, []byte(`"result"`)) || !bytes.HasSuffix(b, []byte("\n\n")) {
					cut.Add(1)
					said := fmt.Sprintf("%v: %.200s", err, b)
					first.CompareAndSwap(nil, &said)
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("SSE answers                   %8d     cut: %d   (%.0f /s)\n", o.streams, cut.Load(), float64(o.streams)/time.Since(begun).Seconds())
	if cut.Load() > 0 {
		return fmt.Errorf("%d of %d answers were cut, the first: %s", cut.Load(), o.streams, *first.Load())
	}
	return nil
}
