package doorward

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/store"
)

// rules are what decides in a generation besides the token's scopes. The zero rules decide nothing: the scopes are all.
type rules struct {
	next    policy.Decider // nil: scopes only
	engine  *cedar.Engine  // nil: no rules of our own
	archive []byte         // of the bundle that the engine was loaded from
	facts   *facts
}

// decider is what decides at a server.
func (r rules) decider(s config.Server) policy.Decider {
	if r.next == nil {
		return policy.ScopesOnly{Scopes: s.Needed()}
	}
	next := r.next
	if r.facts != nil {
		next = policy.Informed{Facts: r.facts.of, Next: next}
	}
	return policy.Scoped{Scopes: s.Needed(), Next: next}
}

// openRules loads what the configuration names: whole, or with an error not at all.
func (g *generation) openRules(ctx context.Context) (err error) {
	p := g.c.Policy
	switch {
	case p.Bundle != "":
		err = g.openBundle(ctx)
	case p.AuthZEN != nil:
		g.rules.next, err = g.authZEN(*p.AuthZEN)
	case p.Word != config.ScopesOnly: // deny is the zero value: nothing decides by itself that scopes are enough
		err = errors.New("the configuration names no policy")
	}
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

func (g *generation) openBundle(ctx context.Context) error {
	files, err := g.bundle(ctx)
	if err != nil {
		return err
	}
	if g.rules.engine, err = g.load(ctx, files); err != nil {
		return err
	}
	if g.rules.archive, err = files.Archive(); err != nil {
		return err
	}
	g.rules.next = g.rules.engine
	engines := []*cedar.Engine{g.rules.engine}
	if dir := g.c.Policy.Shadow; dir != "" {
		candidate, err := g.readBundle(dir)
		if err != nil {
			return fmt.Errorf("shadow: %w", err)
		}
		shadow, err := g.load(ctx, candidate)
		if err != nil {
			return fmt.Errorf("shadow: %w", err)
		}
		g.rules.next = policy.Shadowed{Live: g.rules.engine, Candidate: shadow}
		engines = append(engines, shadow)
	}
	g.rules.facts, err = g.openFacts(engines)
	return err
}

// bundle is what is in the directory that the configuration names; or, where an administrator set that aside, what decided before.
func (g *generation) bundle(ctx context.Context) (cedar.Files, error) {
	files, err := g.readBundle(g.c.Policy.Bundle)
	if err != nil {
		return nil, err
	}
	kept, err := g.db.Bundles(ctx)
	if err != nil || kept.Aside.Digest != files.Digest() {
		return files, err
	}
	g.e.Slog.WarnContext(ctx, "the policy bundle was set aside: the one before it decides until the directory changes", "directory", g.c.Policy.Bundle, "aside", kept.Aside.Digest, "live", kept.Live.Digest)
	return g.openArchive(kept.Live.Archive)
}

// readBundle reads a directory, and holds it against the signature that the configuration asks for.
func (g *generation) readBundle(dir string) (cedar.Files, error) {
	files, err := readWhole(dir)
	if err == nil {
		err = g.verify(files)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return files, nil
}

// readWhole reads a bundle twice: one that is being exchanged could otherwise be read half as it was and half as it will be.
func readWhole(dir string) (cedar.Files, error) {
	files, err := cedar.ReadFiles(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	again, err := cedar.ReadFiles(os.DirFS(dir))
	if err == nil && again.Digest() != files.Digest() {
		err = errors.New("the bundle changes while it is read")
	}
	return again, err
}

// openArchive is a bundle that was kept. It too needs the signature that the configuration asks for: a key that is trusted no more
// has signed nothing, and who can write to the database makes no rules.
func (g *generation) openArchive(archive []byte) (cedar.Files, error) {
	files, err := cedar.OpenArchive(archive)
	if err != nil {
		return nil, err
	}
	return files, g.verify(files)
}

// verify is an error unless one of the keys signed the bundle that the configuration names, if it names any.
func (g *generation) verify(files cedar.Files) error {
	if keys := g.c.Policy.SignedBy; len(keys) > 0 {
		return files.Verify(keys)
	}
	return nil
}

func (g *generation) load(ctx context.Context, files cedar.Files) (*cedar.Engine, error) {
	engine, err := cedar.Load(files, PolicyOptions(g.c))
	if err != nil {
		return nil, err
	}
	for _, w := range engine.Warnings() {
		g.e.Slog.WarnContext(ctx, "policy", "warning", w.String())
	}
	return engine, nil
}

// PolicyOptions is what the policy bundle of a configuration is held against.
func PolicyOptions(c config.Config) cedar.Options {
	o := cedar.Options{Issuer: c.PublicURL, Servers: map[string]cedar.Server{}}
	for name, s := range c.Servers {
		o.Servers[name] = cedar.Server{Resource: c.Resource(s).URI, Scopes: s.ScopeNames()}
	}
	return o
}

// keepRules records that a bundle begins to decide, unless it did before, keeps the one before it, and forgets what waited for it.
func (g *generation) keepRules(ctx context.Context) error {
	if g.rules.engine == nil {
		return nil
	}
	kept, err := g.db.Bundles(ctx)
	if err != nil {
		return err
	}
	if digest := g.rules.engine.Digest(); kept.Live.Digest != digest {
		if err := g.keepBundle(ctx, store.Bundle{Digest: digest, Archive: g.rules.archive}, false); err != nil {
			return err
		}
	}
	return g.acceptDefinitions(ctx)
}

func (g *generation) keepBundle(ctx context.Context, b store.Bundle, aside bool) error {
	_, err := g.log.Do(ctx, audit.Record{Code: audit.PolicyLoaded, Now: g.e.Now(), About: b.Digest}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, g.db.KeepBundle(ctx, in, b, aside)
	})
	return err
}

// ErrNoPredecessor is the error of a way back that there is none.
var ErrNoPredecessor = errors.New("there is no bundle before this one")

// rollback sets the bundle that decides aside, and has the one before it decide.
func (i *Installation) rollback(ctx context.Context) (digest string, err error) {
	g := i.live.Load()
	if g.rules.engine == nil {
		return "", errors.New("no bundle of rules decides here")
	}
	kept, err := i.db.Bundles(ctx)
	if err != nil {
		return "", err
	}
	if kept.Previous.Digest == "" {
		return "", ErrNoPredecessor
	}
	before, err := g.openArchive(kept.Previous.Archive)
	if err != nil {
		return "", err
	}
	if _, err := g.load(ctx, before); err != nil { // what can be loaded no more would stop the next start
		return "", fmt.Errorf("the bundle before this one cannot be loaded any more: %w", err)
	}
	if err := g.keepBundle(ctx, kept.Previous, true); err != nil {
		return "", err
	}
	return kept.Previous.Digest, i.Reload(ctx, g.c)
}
