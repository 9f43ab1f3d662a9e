package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/token"
)

// Vault keeps what the audit log only commits to: who a pseudonym is, the keys of commitments, clear values. Each subject has a
// key of its own, and nothing of a subject can be read without the subject's row: to delete the row is to erase them.
//
// Rows are found by an HMAC of issuer and subject under a key of the installation that is sealed itself, so that a stolen
// database does not even say of whom it knows something.
type Vault struct {
	db    *DB
	cache subjects

	mu     sync.Mutex // guards lookup
	lookup []byte     // key by which rows are found; nil: not read yet
}

var _ audit.Vault = (*Vault)(nil)

// Vault is this database as the vault of an audit log. There is one in a process: it remembers what was asked, and Erase
// makes it forget. Follow must run where other processes use the database too.
func (db *DB) Vault() *Vault { return db.vault }

// lookupKey is the row of the key by which subjects are found.
const lookupKey = "lookup"

// Subject is audit.Vault's. Whom it knows it answers for from memory.
func (v *Vault) Subject(ctx context.Context, p token.Principal) (audit.Subject, error) {
	if s, ok := v.cache.find(p); ok {
		return s, nil
	}
	if p.Subject == "" {
		return audit.Subject{}, errors.New("a pseudonym is somebody's")
	}
	epoch := v.cache.epoch()
	row, err := v.row(ctx, p)
	if err != nil {
		return audit.Subject{}, err
	}
	s, err := v.read(ctx, row)
	if errors.Is(err, audit.ErrErased) {
		s, err = v.make(ctx, row, p)
	}
	if err == nil {
		v.cache.keep(epoch, p, s)
	}
	return s, err
}

// Pseudonym is a principal's pseudonym. It makes none: the error is audit.ErrErased for whom the log does not know, or knows no longer.
func (v *Vault) Pseudonym(ctx context.Context, p token.Principal) (string, error) {
	row, err := v.row(ctx, p)
	if err != nil {
		return "", err
	}
	var pseudonym string
	err = v.db.row(ctx, "SELECT pseudonym FROM audit_subjects WHERE lookup = $1", row).Scan(&pseudonym)
	return pseudonym, none(err, audit.ErrErased)
}

// Who is whose a pseudonym is. That is clear personal data, so that the reading has a record. The error is audit.ErrErased
// when nobody knows any more.
func (v *Vault) Who(ctx context.Context, in audit.Intent, pseudonym string) (p token.Principal, err error) {
	in.Now()
	return v.who(v.db.row(ctx, "SELECT principal FROM audit_subjects WHERE pseudonym = $1", pseudonym), pseudonym)
}

func (v *Vault) who(row interface{ Scan(...any) error }, pseudonym string) (p token.Principal, err error) {
	var sealed []byte
	if err := row.Scan(&sealed); err != nil {
		return p, none(err, audit.ErrErased)
	}
	clear, err := v.db.box.Open(sealed, sealedFor("audit/principal", pseudonym))
	if err != nil {
		return p, fmt.Errorf("opening who %s is: %w", pseudonym, err)
	}
	err = json.Unmarshal(clear, &p)
	return p, err
}

// row is by what a principal's row is found.
func (v *Vault) row(ctx context.Context, p token.Principal) ([]byte, error) {
	key, err := v.installation(ctx)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	_, _ = io.WriteString(m, p.Issuer+"\x00"+p.Subject) // an issuer is an address, which has no zero byte
	return m.Sum(nil), nil
}

// installation is the key by which rows are found. Of several processes that start together, all get the same one.
func (v *Vault) installation(ctx context.Context) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lookup != nil {
		return v.lookup, nil
	}
	where := sealedFor("audit/key", lookupKey)
	sealed, err := v.db.box.Seal(random(), where)
	if err != nil {
		return nil, err
	}
	const find = "SELECT sealed FROM audit_keys WHERE name = $1"
	if err := v.db.row(ctx, find, lookupKey).Scan(&sealed); none(err, nil) != nil {
		return nil, err
	} else if err != nil {
		err = v.db.change(ctx, func(tx tx) error {
			if _, err := tx.Exec("INSERT INTO audit_keys (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", lookupKey, sealed); err != nil {
				return err
			}
			return tx.QueryRow(find, lookupKey).Scan(&sealed)
		})
		if err != nil {
			return nil, err
		}
	}
	key, err := v.db.box.Open(sealed, where)
	if err != nil {
		return nil, fmt.Errorf("opening the key of the vault: %w", err)
	}
	v.lookup = key
	return key, nil
}

func (v *Vault) read(ctx context.Context, row []byte) (s audit.Subject, err error) {
	return v.scan(v.db.row(ctx, "SELECT pseudonym, sealed FROM audit_subjects WHERE lookup = $1", row))
}

func (v *Vault) scan(row interface{ Scan(...any) error }) (s audit.Subject, err error) {
	var sealed []byte
	if err := row.Scan(&s.Pseudonym, &sealed); err != nil {
		return s, none(err, audit.ErrErased)
	}
	key, err := v.db.box.Open(sealed, sealedFor("audit/subject", s.Pseudonym))
	if err != nil {
		return audit.Subject{}, fmt.Errorf("opening the key of %s: %w", s.Pseudonym, err)
	}
	copy(s.Key[:], key)
	return s, nil
}

// make writes a row, or reads the one that somebody else has written meanwhile. Somebody who was erased lately has no row: what of
// theirs was under way then ends under a pseudonym that nobody keeps.
func (v *Vault) make(ctx context.Context, row []byte, p token.Principal) (s audit.Subject, err error) {
	pseudonym := "p_" + rand.Text()
	clear, err := json.Marshal(p)
	if err != nil {
		return s, err
	}
	principal, err := v.db.box.Seal(clear, sealedFor("audit/principal", pseudonym))
	if err != nil {
		return s, err
	}
	key, err := v.db.box.Seal(random(), sealedFor("audit/subject", pseudonym))
	if err != nil {
		return s, err
	}
	err = v.db.change(ctx, func(tx tx) error {
		var erased int
		if err := tx.QueryRow("SELECT count(*) FROM audit_erased WHERE lookup = $1", row).Scan(&erased); err != nil {
			return err
		}
		if erased > 0 {
			s = audit.Subject{Pseudonym: pseudonym, Key: [32]byte(random())}
			return nil
		}
		if _, err := tx.Exec("INSERT INTO audit_subjects (lookup, pseudonym, principal, sealed) VALUES ($1, $2, $3, $4) ON CONFLICT (lookup) DO NOTHING", row, pseudonym, principal, key); err != nil {
			return err
		}
		s, err = v.scan(tx.QueryRow("SELECT pseudonym, sealed FROM audit_subjects WHERE lookup = $1", row))
		return err
	})
	return s, err
}

// keptDays is how long the key of a day is there: as long as it is, whether an address was here that day can be asked.
const keptDays = 8

// Day is audit.Vault's. Days are UTC's.
func (v *Vault) Day(ctx context.Context, day time.Time) (key [32]byte, err error) {
	n := day.Unix() / (24 * 60 * 60)
	where := sealedFor("audit/day", fmt.Sprint(n))
	fresh, err := v.db.box.Seal(random(), where)
	if err != nil {
		return key, err
	}
	var sealed []byte
	const find = "SELECT sealed FROM audit_days WHERE day = $1"
	err = v.db.row(ctx, find, n).Scan(&sealed)
	if none(err, nil) == nil && err != nil {
		err = v.db.change(ctx, func(tx tx) error {
			if _, err := tx.Exec("INSERT INTO audit_days (day, sealed) VALUES ($1, $2) ON CONFLICT (day) DO NOTHING", n, fresh); err != nil {
				return err
			}
			if _, err := tx.Exec("DELETE FROM audit_days WHERE day < $1", n-keptDays); err != nil {
				return err
			}
			return tx.QueryRow(find, n).Scan(&sealed)
		})
	}
	if err != nil {
		return key, err
	}
	clear, err := v.db.box.Open(sealed, where)
	if err != nil {
		return key, fmt.Errorf("opening the key of a day: %w", err)
	}
	copy(key[:], clear)
	return key, nil
}

// random is a fresh key.
func random() []byte {
	key := make([]byte, seal.KeySize)
	_, _ = rand.Read(key) // never an error: crypto/rand
	return key
}
