package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What a token may cost at most in CPU, in bare signatures, and what an introspection may in microseconds.
const (
	mostInMemory      = 3.5
	mostDurable       = 6.0
	mostIntrospection = 60.0
)

// measured is a target with its operations and what they took.
type measured struct {
	name string
	*process
	operations map[string]operation
	figures    map[string][]figures // :: operation → rounds
	warm       map[string]bool      // :: operation → a round was run, which does not count: runtimes compile, caches fill
	most       float64              // signatures that a token may cost; 0: no matter
}

func target(name string, p *process, operations map[string]operation, most float64) *measured {
	return &measured{name, p, operations, map[string][]figures{}, map[string]bool{}, most}
}

// round runs an operation once.
func (m *measured) round(o options, name string) error {
	op, ok := m.operations[name]
	if !ok {
		return nil
	}
	if op.ready != nil {
		if err := op.ready(); err != nil {
			return fmt.Errorf("%s, before %s: %w", m.name, name, err)
		}
	}
	f, err := load(m.process, grants, o.each, op.ask)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", m.name, name, err)
	}
	if m.warm[name] {
		m.figures[name] = append(m.figures[name], f)
	}
	m.warm[name] = true
	return nil
}

// issuers compares what an authorization server does on each database with a bare signature and with npm oidc-provider.
func issuers(ctx context.Context, o options) error {
	all, end, err := openIssuers(ctx, o)
	defer end()
	if err != nil {
		return err
	}
	names := slices.DeleteFunc([]string{"client credentials", "code", "refresh", "exchange", "registration", "introspection"}, func(name string) bool { return !strings.HasPrefix(name, o.only) })
	var signed []figures
	for range 1 + o.rounds {
		f, err := signature(o.each / 2)
		if err != nil {
			return err
		}
		signed = append(signed, f)
		for _, name := range names {
			for _, m := range all {
				if err := m.round(o, name); err != nil {
					return err
				}
			}
		}
	}
	sign := median(signed)
	fmt.Printf("%-20s %-22s %9s %8s %8s %9s %8s\n", "authorization server", "", "/s", "p50 us", "p99 us", "CPU us", "x ES256")
	fmt.Printf("%-20s %-22s %9.0f %8.0f %8s %9.1f %8.2f\n", "ES256 signature", "bare, one thread", sign.perSecond, sign.p50, "-", sign.cpu, 1.0)
	for _, name := range names {
		for _, m := range all {
			if len(m.figures[name]) > 0 {
				f := median(m.figures[name])
				fmt.Printf("%-20s %-22s %9.0f %8.0f %8.0f %9.1f %8.2f%s\n", name, m.name, f.perSecond, f.p50, f.p99, f.cpu, f.cpu/sign.cpu, beyond(m, name, f, sign))
			}
		}
	}
	fmt.Println()
	return nil
}

// beyond says where a figure lies beyond the aim of issue 3; nothing if it does not, or has none.
func beyond(m *measured, name string, f, sign figures) string {
	switch {
	case m.most == 0 || name == "registration":
		return ""
	case name == "introspection" && f.cpu > mostIntrospection:
		return fmt.Sprintf("   beyond %.0f us", mostIntrospection)
	case name != "introspection" && f.cpu > m.most*sign.cpu:
		return fmt.Sprintf("   beyond %.1f x", m.most)
	}
	return ""
}

// openIssuers starts doorward on each database, and oidc-provider. In memory means SQLite and the audit log on tmpfs: there
// is no store in memory, so the row has all of the work and none of the disk.
func openIssuers(ctx context.Context, o options) (all []*measured, end func(), err error) {
	var ends []func()
	end = func() {
		for n := len(ends) - 1; n >= 0; n-- {
			ends[n]()
		}
	}
	open := func(name, parent string, database func(dir string) (string, error), most float64) error {
		dir, err := os.MkdirTemp(parent, "bench")
		if err != nil {
			return err
		}
		ends = append(ends, func() { _ = os.RemoveAll(dir) })
		address, err := database(dir)
		if err != nil {
			return err
		}
		i, err := openIssuer(ctx, o, dir, address)
		if err != nil {
			return err
		}
		ends = append(ends, i.end)
		if err := i.warm(ctx, grants); err != nil {
			return err
		}
		all = append(all, target(name, i.process, i.operations(o), most))
		return nil
	}
	sqlite := func(dir string) (string, error) { return "sqlite:" + dir + "/doorward.db", nil }
	p, err := startPostgres()
	if err != nil {
		return nil, end, err
	}
	ends = append(ends, p.end)
	postgres := func(string) (string, error) { return p.make("bench") }
	err = errors.Join(open("doorward, memory", o.memory, sqlite, mostInMemory), open("doorward, SQLite", "", sqlite, mostDurable), open("doorward, PostgreSQL", "", postgres, 0))
	if err != nil {
		return nil, end, err
	}
	peer, err := openPeer(o)
	if err == nil {
		ends = append(ends, peer.end)
		all = append(all, peer)
	}
	return all, end, err
}

// openPeer starts npm oidc-provider, whose store is in memory.
func openPeer(o options) (*measured, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	at, err := url.Parse("http://" + address)
	if err != nil {
		return nil, err
	}
	secret := rand.Text()
	p, err := run(o.node, filepath.Join(o.testdata, "bench/provider.js"), at.Port(), secret)
	if err != nil {
		return nil, fmt.Errorf("%w: make deps installs it", err)
	}
	if err := awaitPort(address); err != nil {
		p.end()
		return nil, err
	}
	var opaque string
	asked := func() error { // its store holds a thousand things, and a round of registrations drives this one out
		a, err := form(http.DefaultClient, at.String()+"/token", "batch", secret, url.Values{"grant_type": {"client_credentials"}})
		opaque = a.Access
		return err
	}
	return target("oidc-provider, memory", p, map[string]operation{
		"client credentials": {ask: func(c *http.Client, _ int) error {
			return gave(form(c, at.String()+"/token", "batch", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp"}, "resource": {at.String() + "/crm"}}))
		}},
		"registration":  registering(o, at.String()+"/reg"),
		"introspection": {ready: asked, ask: introspecting(at.String()+"/token/introspection", "batch", secret, &opaque)},
	}, 0), nil
}
