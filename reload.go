package doorward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
)

// ErrFixed is the error of a configuration that changes what only a restart can change.
var ErrFixed = errors.New("only a restart changes it")

// Reload goes on with another configuration, whole or, with an error, not at all. What began before ends as it began: requests,
// streams, and processes whose server has not changed. What in memory counts attempts begins anew.
func (i *Installation) Reload(ctx context.Context, c config.Config) (err error) {
	defer func() {
		taken := "taken"
		if err != nil {
			taken = "refused"
		}
		i.metrics.reloads.WithLabelValues(taken).Inc()
	}()
	i.reloading.Lock()
	defer i.reloading.Unlock()
	before := i.live.Load()
	if name := fixed(before.c, c); name != "" {
		return fmt.Errorf("%s: %w", name, ErrFixed)
	}
	next, err := i.generate(ctx, c, before)
	if err != nil {
		return err
	}
	if err := next.keepRules(ctx); err != nil {
		return errors.Join(err, next.end())
	}
	// The change is recorded before it counts: a log that is full keeps the old configuration.
	_, err = i.log.Do(ctx, audit.Record{Code: audit.Configured, Now: i.e.Now(), About: c.Digest()}, func(context.Context, audit.Intent) (audit.Outcome, error) {
		i.live.Store(next)
		i.log.SetLevels(c.Audit.Levels)
		return audit.Outcome{}, nil
	})
	if err != nil {
		// Only the outcome may be what could not be written: then requests have begun in it.
		i.live.Store(before)
		i.log.SetLevels(before.c.Audit.Levels)
		next.use.retire(func() { i.report(next.end()) })
		return err
	}
	before.use.retire(func() { i.report(before.end()) })
	return nil
}

// fixed names what differs and cannot be changed while the installation runs; empty: nothing does.
func fixed(a, b config.Config) string {
	for _, m := range []struct {
		name string
		same bool
	}{{"public_url", a.PublicURL == b.PublicURL}, {"listen", a.Listener() == b.Listener()}, {"operations", a.Operations == b.Operations}, {"tracing", reflect.DeepEqual(a.Tracing, b.Tracing)}, {"audit", reflect.DeepEqual(fixedAudit(a), fixedAudit(b))}, {"tls", reflect.DeepEqual(a.TLS, b.TLS)}, {"data", a.Data == b.Data},
		{"database", a.Database == b.Database}, {"insecure_loopback_documents", a.InsecureLoopbackDocuments == b.InsecureLoopbackDocuments}} {
		if !m.same {
			return m.name
		}
	}
	return ""
}

// fixedAudit is what of the audit log cannot be changed.
func fixedAudit(c config.Config) config.Audit {
	a := c.Audit
	a.Levels, a.Retention, a.Values = nil, 0, 0
	return a
}

// generations are all that have not ended.
func (i *Installation) generations() []*generation {
	i.keeping.Lock()
	defer i.keeping.Unlock()
	return slices.Clone(i.all)
}

func (i *Installation) report(err error) {
	if err != nil {
		i.e.Slog.Error("ending what an earlier configuration began", "error", err)
	}
}

// serve answers with the generation that is live when the request comes.
func (i *Installation) serve(w http.ResponseWriter, r *http.Request) {
	g := i.enter()
	defer g.use.end()
	g.handler.ServeHTTP(w, r)
}

func (i *Installation) enter() *generation {
	for {
		g := i.live.Load()
		g.use.begin()
		if i.live.Load() == g {
			return g
		}
		g.use.end() // it was retired meanwhile, perhaps before it was seen to be in use
	}
}

// use counts the requests of a generation, so that it ends with the last of them.
type use struct {
	active  atomic.Int64
	retired atomic.Pointer[func()]
	once    sync.Once
}

func (u *use) begin() { u.active.Add(1) }

func (u *use) end() {
	if u.active.Add(-1) == 0 {
		u.finish()
	}
}

// retire has last run when no request is left; at once if there is none.
func (u *use) retire(last func()) {
	u.retired.Store(&last)
	if u.active.Load() == 0 {
		u.finish()
	}
}

func (u *use) finish() {
	if last := u.retired.Load(); last != nil {
		u.once.Do(*last)
	}
}

// kept is something that lives as long as a generation has it: a pool of processes, of connections.
type kept struct {
	of    any // what it was made of: the same again is the same thing
	value any
	close func() error
	users int
}

// keep is a thing by its name: that of the generation before if it was made of the same, else what open makes.
func keep[T any](g *generation, name string, of any, open func() (T, func() error, error)) (T, error) {
	g.keeping.Lock()
	defer g.keeping.Unlock()
	if k := g.before[name]; k != nil && k.users > 0 && reflect.DeepEqual(k.of, of) {
		if v, ok := k.value.(T); ok {
			k.users++
			g.kept[name] = k
			return v, nil
		}
	}
	v, end, err := open()
	if err == nil {
		g.kept[name] = &kept{of, v, end, 1}
	}
	return v, err
}

// end lets go what the generation has. It does so once.
func (g *generation) end() error {
	g.keeping.Lock()
	defer g.keeping.Unlock()
	var errs []error
	for name, k := range g.kept {
		if k.users--; k.users == 0 {
			errs = append(errs, k.close())
		}
		delete(g.kept, name)
	}
	g.all = slices.DeleteFunc(g.all, func(other *generation) bool { return other == g })
	return errors.Join(errs...)
}

// endAll ends every generation, also those that requests still hold.
func (i *Installation) endAll() error {
	var errs []error
	for _, g := range i.generations() {
		errs = append(errs, g.end())
	}
	return errors.Join(errs...)
}
