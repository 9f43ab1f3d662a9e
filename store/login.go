package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/token"
)

// People, Sessions and Links are what package login keeps.
type (
	People   struct{ db *DB }
	Sessions struct{ db *DB }
	Links    struct{ db *DB }
)

var (
	_ login.People   = People{}
	_ login.Sessions = Sessions{}
	_ login.Links    = Links{}
)

const personColumns = "people.issuer, people.subject, people.name, people.password, people.groups_, people.disabled"

// Person is login.People's.
func (s People) Person(ctx context.Context, _ time.Time, name string) (login.Person, error) {
	return scanPerson(s.db.row(ctx, "SELECT "+personColumns+" FROM people WHERE name = $1", name))
}

// Name is what a person is called. The error is login.ErrNotFound for somebody who has no account here.
func (s People) Name(ctx context.Context, p token.Principal) (name string, err error) {
	err = s.db.row(ctx, "SELECT name FROM people WHERE issuer = $1 AND subject = $2", p.Issuer, p.Subject).Scan(&name)
	return name, none(err, login.ErrNotFound)
}

func scanPerson(row *sql.Row) (p login.Person, err error) {
	var groups string
	var disabled int64
	if err := row.Scan(&p.Issuer, &p.Subject, &p.Name, &p.Password, &groups, &disabled); err != nil {
		return p, none(err, login.ErrNotFound)
	}
	p.Disabled = disabled != 0
	err = json.Unmarshal([]byte(groups), &p.Groups)
	return p, err
}

// Add is login.People's.
func (s People) Add(ctx context.Context, in audit.Intent, p login.Person) error {
	return s.db.act(ctx, in, func(tx tx, now time.Time) error {
		added, err := changed(tx.Exec("INSERT INTO people (issuer, subject, name, password, groups_, disabled, created) VALUES ($1,$2,$3,$4,$5,0,$6) ON CONFLICT (name) DO NOTHING",
			p.Issuer, p.Subject, p.Name, p.Password, text(p.Groups), millis(now)))
		if err == nil && !added {
			return login.ErrTaken
		}
		return err
	})
}

// SetGroups is login.People's.
func (s People) SetGroups(ctx context.Context, in audit.Intent, p token.Principal, groups []string, end bool) error {
	err := s.db.act(ctx, in, func(tx tx, now time.Time) error {
		if _, err := tx.Exec("UPDATE people SET groups_ = $1 WHERE issuer = $2 AND subject = $3", text(groups), p.Issuer, p.Subject); err != nil || !end {
			return err
		}
		if _, err := tx.Exec("UPDATE grants SET revoked = $1 WHERE issuer = $2 AND subject = $3 AND revoked = 0", millis(now), p.Issuer, p.Subject); err != nil {
			return err
		}
		return addRevocation(tx, token.Revocation{Subject: p, NotBefore: now.Add(time.Second), Until: now.Add(longest)})
	})
	if err != nil {
		return err
	}
	return s.db.revoked.load(ctx)
}

// Start is login.Sessions'.
func (s Sessions) Start(ctx context.Context, in audit.Intent, hash [32]byte, x login.Session, idle, most time.Duration) error {
	return s.db.act(ctx, in, func(tx tx, now time.Time) error {
		_, err := tx.Exec("INSERT INTO sessions (hash, issuer, subject, at_, acr, idle, idle_until, until_) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
			hash[:], x.Issuer, x.Subject, millis(x.At), x.ACR, idle.Milliseconds(), millis(now.Add(idle)), millis(now.Add(most)))
		return err
	})
}

// Session is login.Sessions'. The idle time is moved on in steps of a tenth, so that most requests write nothing.
func (s Sessions) Session(ctx context.Context, now time.Time, hash [32]byte) (x login.Session, err error) {
	var at, idle, idleUntil int64
	var groups string
	err = s.db.row(ctx, `SELECT people.issuer, people.subject, people.name, people.groups_, sessions.at_, sessions.acr, sessions.idle, sessions.idle_until
		FROM sessions JOIN people ON people.issuer = sessions.issuer AND people.subject = sessions.subject
		WHERE sessions.hash = $1 AND sessions.idle_until > $2 AND sessions.until_ > $2 AND people.disabled = 0`, hash[:], millis(now)).
		Scan(&x.Issuer, &x.Subject, &x.Name, &groups, &at, &x.ACR, &idle, &idleUntil)
	if err != nil {
		return x, none(err, login.ErrNotFound)
	}
	x.At = fromMillis(at)
	if err := json.Unmarshal([]byte(groups), &x.Groups); err != nil {
		return x, err
	}
	if millis(now)+idle-idleUntil < idle/10 {
		return x, nil
	}
	return x, s.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("UPDATE sessions SET idle_until = $1 WHERE hash = $2", millis(now)+idle, hash[:])
		return err
	})
}

// End is login.Sessions'.
func (s Sessions) End(ctx context.Context, in audit.Intent, hash [32]byte) error {
	return s.db.act(ctx, in, func(tx tx, _ time.Time) error {
		_, err := tx.Exec("DELETE FROM sessions WHERE hash = $1", hash[:])
		return err
	})
}

// Make is login.Links'.
func (s Links) Make(ctx context.Context, in audit.Intent, hash [32]byte, subject string, until time.Time) error {
	return s.db.act(ctx, in, func(tx tx, _ time.Time) error {
		_, err := tx.Exec("INSERT INTO links (hash, subject, until_) VALUES ($1,$2,$3)", hash[:], subject, millis(until))
		return err
	})
}

const linkQuery = "SELECT " + personColumns + " FROM links JOIN people ON people.subject = links.subject WHERE links.hash = $1 AND links.until_ > $2 AND people.disabled = 0"

// Link is login.Links'.
func (s Links) Link(ctx context.Context, now time.Time, hash [32]byte) (login.Person, error) {
	return scanPerson(s.db.row(ctx, linkQuery, hash[:], millis(now)))
}

// Use is login.Links'. Whoever deletes the row has used the link.
func (s Links) Use(ctx context.Context, in audit.Intent, hash [32]byte) (p login.Person, err error) {
	err = s.db.act(ctx, in, func(tx tx, now time.Time) error {
		if p, err = scanPerson(tx.QueryRow(linkQuery, hash[:], millis(now))); err != nil {
			return err
		}
		used, err := changed(tx.Exec("DELETE FROM links WHERE hash = $1", hash[:]))
		if err == nil && !used {
			return login.ErrNotFound
		}
		return err
	})
	return p, err
}
