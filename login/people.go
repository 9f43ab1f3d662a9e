package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// Add makes a local account with a password to hand out.
func (l *Login) Add(ctx context.Context, now time.Time, name string, groups ...string) (Person, token.Secret, error) {
	return l.add(ctx, now, name, groups)
}

// add is Add. Groups that nobody can type are roles.
func (l *Login) add(ctx context.Context, now time.Time, name string, groups []string, roles ...string) (Person, token.Secret, error) {
	for _, n := range slices.Concat([]string{name}, groups) {
		if err := checkName(n); err != nil {
			return Person{}, token.Secret{}, err
		}
	}
	switch _, err := l.c.People.Person(ctx, now, name); {
	case err == nil: // before a hash is made for nothing
		return Person{}, token.Secret{}, fmt.Errorf("adding person %s: %w", name, ErrTaken)
	case !errors.Is(err, ErrNotFound):
		return Person{}, token.Secret{}, fmt.Errorf("finding person %s: %w", name, err)
	}
	pw := NewPassword()
	p := Person{Principal: token.Principal{Issuer: l.c.Issuer, Subject: rand.Text()}, Name: name, Groups: unique(slices.Concat(groups, roles)), Password: HashPassword(pw)}
	_, err := l.c.Log.Do(ctx, audit.Record{Code: audit.PersonAdded, Now: now, Name: name, Subject: p.Principal}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, l.c.People.Add(ctx, in, p)
	})
	if err != nil {
		return Person{}, token.Secret{}, fmt.Errorf("adding person %s: %w", name, err)
	}
	return p, pw, nil
}

// SetGroups puts a person into these groups and no others; an auditor stays one. What the person has allowed before is taken back when a group is:
// it was allowed with the power of that group.
func (l *Login) SetGroups(ctx context.Context, now time.Time, name string, groups ...string) error {
	for _, n := range groups {
		if err := checkName(n); err != nil {
			return err
		}
	}
	p, err := l.c.People.Person(ctx, now, name)
	if err != nil {
		return fmt.Errorf("finding person %s: %w", name, err)
	}
	if slices.Contains(p.Groups, Auditors) {
		groups = append(slices.Clone(groups), Auditors)
	}
	return l.put(ctx, now, p, groups)
}

// unique are names sorted, each once; never nil, so that they are kept as an empty list.
func unique(names []string) []string {
	all := append([]string{}, names...)
	slices.Sort(all)
	return slices.Compact(all)
}

// MakeLink is the secret of a link that signs name in once.
func (l *Login) MakeLink(ctx context.Context, now time.Time, name string) (token.Secret, error) {
	p, err := l.c.People.Person(ctx, now, name)
	if err != nil {
		return token.Secret{}, fmt.Errorf("finding person %s: %w", name, err)
	}
	secret := rand.Text()
	_, err = l.c.Log.Do(ctx, audit.Record{Code: audit.LinkMade, Now: now, Name: name, Subject: p.Principal}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, l.c.Links.Make(ctx, in, sha256.Sum256([]byte(secret)), p.Subject, now.Add(l.c.Lifetimes.Link))
	})
	if err != nil {
		return token.Secret{}, fmt.Errorf("making a sign-in link for %s: %w", name, err)
	}
	return token.NewSecret(secret), nil
}

// maxName is how long a name may be, in bytes.
const maxName = 64

// checkName keeps names to what can be typed and cannot be taken for another.
func checkName(name string) error {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@+", r))
	}
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%w: %q; a name is 1 to 64 of a-z, 0-9 and . _ - @ +", ErrName, name)
	}
	return nil
}
