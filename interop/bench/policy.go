package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// policies measures decisions within this process, one after another. The targets take turns, as those of the gateway do.
func policies(ctx context.Context, o options) error {
	var fewest, most float64
	for _, mix := range []struct {
		name  string
		rules []ruled
	}{
		{"10 rules, all about the call", spread(10)}, {"1,000 rules", spread(1000)}, {"10,000 rules", spread(10_000)},
		{"1,000 rules about one tool, by 1,000 groups", byGroups()}, {"1,000 rules about one tool and everybody", aboutEverybody()},
	} {
		own, err := policyMix(ctx, o, mix.name, mix.rules)
		if err != nil {
			return fmt.Errorf("%s: %w", mix.name, err)
		}
		switch len(mix.rules) {
		case 10:
			fewest = own.p50
		case 10_000:
			most = own.p50
		}
	}
	fmt.Printf("doorward with 10,000 rules takes %.2f of what it takes with 10 (p50)\n\n", most/fewest)
	return nil
}

// policyMix compares deciders over one set of rules, and returns our own figures.
func policyMix(ctx context.Context, o options, name string, rules []ruled) (own figures, err error) {
	all, e, err := deciders(ctx, rules)
	if err != nil {
		return own, err
	}
	var asks []func() error
	for _, d := range all {
		ask, err := d.settle()
		if err != nil {
			return own, fmt.Errorf("%s: %w", d.name, err)
		}
		asks = append(asks, ask)
	}
	all = append(all, &decider{name: "doorward, list of 100 tools"})
	asks = append(asks, listing(ctx, e))
	for range o.rounds {
		for i, d := range all {
			f, err := repeat(o.each/5, asks[i])
			if err != nil {
				return own, fmt.Errorf("%s: %w", d.name, err)
			}
			d.figures = append(d.figures, f)
		}
	}
	fmt.Printf("%-46s %10s %10s %10s %12s\n", name, "p50 us", "p99 us", "CPU us", "x doorward")
	own = median(all[0].figures)
	for _, d := range all {
		f := median(d.figures)
		fmt.Printf("%-46s %10.2f %10.2f %10.2f %12.2f\n", d.name, f.p50, f.p99, f.cpu, f.p50/own.p50)
	}
	fmt.Println()
	return own, nil
}

// settle sees that what is measured decides: that it allows the call, and would not with another discount.
func (d *decider) settle() (func() error, error) {
	for discount, want := range map[string]bool{"0.15": true, "0.75": false} {
		ask, err := d.ready(discount)
		if err != nil {
			return nil, err
		}
		if got, err := ask(); err != nil || got != want {
			return nil, fmt.Errorf("a discount of %s is allowed: %t (%v)", discount, got, err)
		}
	}
	ask, err := d.ready("0.15")
	return func() error {
		if allowed, err := ask(); err != nil || !allowed {
			return errors.Join(err, errors.New("the call is refused"))
		}
		return nil
	}, err
}

// listing asks which of a hundred tools the caller may see.
func listing(ctx context.Context, e *cedar.Engine) func() error {
	r := request("0.15")
	items := []mcp.Item{{Kind: mcp.ItemTool, Name: "order"}}
	for i := 1; i < 100; i++ {
		items = append(items, mcp.Item{Kind: mcp.ItemTool, Name: fmt.Sprintf("t%d", i)})
	}
	return func() error {
		if seen := e.Visible(ctx, r, items); !seen[0] || seen[99] {
			return errors.New("the list is wrong")
		}
		return nil
	}
}

// repeat does one thing again and again for a while. Looking at the clock is in its times; CPU is this process's own account for
// each, with that of the collector.
func repeat(each time.Duration, do func() error) (f figures, err error) {
	times := make([]time.Duration, 0, 1<<20)
	before, begun := ownCPU(), time.Now()
	for time.Since(begun) < each && len(times) < cap(times) {
		at := time.Now()
		if err := do(); err != nil {
			return f, err
		}
		times = append(times, time.Since(at))
	}
	f.perSecond = float64(len(times)) / time.Since(begun).Seconds()
	f.cpu = micros(ownCPU()-before) / float64(len(times))
	slices.Sort(times)
	f.p50, f.p99 = micros(times[len(times)/2]), micros(times[len(times)*99/100])
	return f, nil
}
