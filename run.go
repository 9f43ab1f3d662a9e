package doorward

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/token"
)

// firstPerson is the name of the account that the first start makes.
const firstPerson = "admin"

// Welcome is how the first person signs in. Password is empty after the first start: only its hash is kept.
type Welcome struct {
	Name     string
	Password token.Secret
	Link     string // works once
}

// Welcome makes the first account if there is none, and a fresh sign-in link for it.
func (i *Installation) Welcome(ctx context.Context) (w Welcome, err error) {
	w.Name = firstPerson
	_, w.Password, err = i.live.Load().people.Add(ctx, i.e.Now(), firstPerson)
	if err != nil && !errors.Is(err, login.ErrTaken) {
		return w, err
	}
	if err != nil {
		w.Password = token.Secret{}
	}
	secret, err := i.live.Load().people.MakeLink(ctx, i.e.Now(), firstPerson)
	w.Link = i.live.Load().c.PublicURL + "/link/" + secret.Reveal()
	return w, err
}

// Run does what an installation does by itself, until ctx ends: it follows revocations, renews keys and sweeps.
func (i *Installation) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() {
		i.db.Revocations().Follow(ctx, func(err error) { i.e.Slog.ErrorContext(ctx, "reading revocations", "error", err) })
	})
	all.Go(func() {
		every(ctx, time.Minute, func() {
			if err := i.live.Load().as.LoadKeys(ctx, i.e.Now()); err != nil {
				i.e.Slog.ErrorContext(ctx, "renewing keys", "error", err)
			}
		})
	})
	all.Go(func() {
		i.sweep(ctx) // an installation that never runs for long is swept too
		every(ctx, 10*time.Minute, func() { i.sweep(ctx) })
	})
	if i.trail != nil {
		i.keepTrail(ctx, &all)
	}
	all.Wait()
}

// keepTrail runs what the audit log does by itself.
func (i *Installation) keepTrail(ctx context.Context, all *sync.WaitGroup) {
	failed := func(err error) { i.e.Slog.ErrorContext(ctx, "audit log", "error", err) }
	all.Go(func() { i.trail.follow(ctx, failed) })
	all.Go(func() { i.db.Vault().Follow(ctx, failed) })
	i.tell(ctx, all.Go)
	all.Go(func() {
		every(ctx, 10*time.Second, func() {
			if err := i.applied(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		})
	})
	all.Go(func() {
		every(ctx, time.Hour, func() {
			if err := i.retain(ctx, i.live.Load().c.Audit); err != nil && ctx.Err() == nil {
				failed(err)
			}
		})
	})
}

func (i *Installation) sweep(ctx context.Context) {
	if err := i.db.Sweep(ctx, i.e.Now()); err != nil && ctx.Err() == nil {
		i.e.Slog.ErrorContext(ctx, "sweeping", "error", err)
	}
}

func every(ctx context.Context, d time.Duration, act func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			act()
		}
	}
}

// Close ends what Open began, last first: processes, then the log, then the database, which keeps the log's vault.
func (i *Installation) Close() error {
	errs := []error{i.endAll()}
	if i.trail != nil && i.live.Load() != nil && i.db.Sequencer() == nil { // or the next start could not tell an older copy of the log
		errs = append(errs, i.applied(context.Background()))
	}
	for _, end := range slices.Backward(i.closing) {
		errs = append(errs, end())
	}
	i.closing = nil
	return errors.Join(errs...)
}
