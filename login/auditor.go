package login

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// Auditors is the group of those who may read the audit log with its clear values. No name of a group that anybody types can be
// equal: it has a colon.
const Auditors = "doorward:auditors"

// AddAuditor is Add for somebody who is an auditor.
func (l *Login) AddAuditor(ctx context.Context, now time.Time, name string, groups ...string) (Person, token.Secret, error) {
	return l.add(ctx, now, name, groups, Auditors)
}

// SetAuditor makes a person an auditor, or takes that away with all that the person has allowed.
func (l *Login) SetAuditor(ctx context.Context, now time.Time, name string, is bool) error {
	p, err := l.c.People.Person(ctx, now, name)
	if err != nil {
		return fmt.Errorf("finding person %s: %w", name, err)
	}
	left := slices.DeleteFunc(slices.Clone(p.Groups), func(g string) bool { return g == Auditors })
	if is {
		left = append(left, Auditors)
	}
	return l.put(ctx, now, p, left)
}

// put puts a person into these groups and no others.
func (l *Login) put(ctx context.Context, now time.Time, p Person, groups []string) error {
	left := unique(groups)
	taken := slices.ContainsFunc(p.Groups, func(g string) bool { return !slices.Contains(left, g) })
	_, err := l.c.Log.Do(ctx, audit.Record{Code: audit.PersonChanged, Now: now, Name: p.Name, Subject: p.Principal}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, l.c.People.SetGroups(ctx, in, p.Principal, left, taken)
	})
	if err != nil {
		return fmt.Errorf("changing the groups of %s: %w", p.Name, err)
	}
	return nil
}
