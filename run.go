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
	all.Wait()
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

// Close ends what Open began, last first: processes, then the database, then the log.
func (i *Installation) Close() error {
	errs := []error{i.endAll()}
	for _, end := range slices.Backward(i.closing) {
		errs = append(errs, end())
	}
	i.closing = nil
	return errors.Join(errs...)
}
