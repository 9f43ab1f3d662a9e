package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// Vault is what the audit log knows of people. ErrErased of package audit is its error for whom it does not know.
type Vault interface {
	Pseudonym(ctx context.Context, p token.Principal) (string, error)
	Erase(ctx context.Context, in audit.Intent, p token.Principal) (pseudonyms []string, err error)
}

// Erase erases a person: what they were given ends, the account is gone, and nobody can tell any more whose pseudonym the log has. It
// gives that pseudonym; empty: the log has none. The error is ErrNotFound for a name that nobody has.
//
// The record names the pseudonym and nobody else: after the act there is nobody left whom it could be about.
func (l *Login) Erase(ctx context.Context, now time.Time, name string) (pseudonym string, err error) {
	p, err := l.c.People.Person(ctx, now, name)
	if err != nil {
		return "", fmt.Errorf("finding person %s: %w", name, err)
	}
	return l.EraseSubject(ctx, now, p.Principal)
}

// EraseSubject is Erase for somebody whom another issuer knows. It is no error if nothing is known of them.
func (l *Login) EraseSubject(ctx context.Context, now time.Time, p token.Principal) (pseudonym string, err error) {
	pseudonym, err = l.c.Vault.Pseudonym(ctx, p)
	if err != nil && !errors.Is(err, audit.ErrErased) {
		return "", fmt.Errorf("finding a pseudonym: %w", err)
	}
	_, err = l.c.Log.Do(ctx, audit.Record{Code: audit.PersonErased, Now: now, About: pseudonym}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		// The account first: who signs in while the vault forgets them would be in it again, as somebody new.
		if err := l.c.People.Erase(ctx, in, p); err != nil {
			return audit.Outcome{}, err
		}
		_, err := l.c.Vault.Erase(ctx, in, p)
		return audit.Outcome{}, err
	})
	if err != nil {
		return "", fmt.Errorf("erasing a person: %w", err)
	}
	return pseudonym, nil
}
