package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/token"
)

// Keep is audit.Vault's. What belongs to a pseudonym that was erased meanwhile is not kept, which is no error.
func (v *Vault) Keep(ctx context.Context, all []audit.Clear) error {
	return v.db.change(ctx, func(tx tx) error {
		for _, c := range all {
			s, err := v.scan(tx.QueryRow("SELECT pseudonym, sealed FROM audit_subjects WHERE pseudonym = $1", c.Pseudonym))
			if errors.Is(err, audit.ErrErased) {
				continue
			}
			if err != nil {
				return err
			}
			sealed, err := sealValue(s.Key, c)
			if err != nil {
				return err
			}
			_, err = tx.Exec("INSERT INTO audit_values (record, pseudonym, sealed, at_) VALUES ($1, $2, $3, "+v.db.dialect.now+") ON CONFLICT (record) DO UPDATE SET sealed = excluded.sealed, pseudonym = excluded.pseudonym, at_ = excluded.at_",
				c.Record, c.Pseudonym, sealed)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Open is audit.Vault's. ErrErased is also the error of a record for which nothing was kept, or for no longer than this.
func (v *Vault) Open(ctx context.Context, in audit.Intent, record string) (c audit.Clear, err error) {
	in.Now()
	c.Record = record
	var sealed []byte
	if err := v.db.row(ctx, "SELECT pseudonym, sealed FROM audit_values WHERE record = $1", record).Scan(&c.Pseudonym, &sealed); err != nil {
		return audit.Clear{}, none(err, audit.ErrErased)
	}
	s, err := v.scan(v.db.row(ctx, "SELECT pseudonym, sealed FROM audit_subjects WHERE pseudonym = $1", c.Pseudonym))
	if err != nil {
		return audit.Clear{}, err
	}
	box, err := valueBox(s.Key)
	if err != nil {
		return audit.Clear{}, err
	}
	if c.Value, err = box.Open(sealed, valueOf(c)); err != nil {
		return audit.Clear{}, fmt.Errorf("opening the values of record %s: %w", record, err)
	}
	return c, nil
}

func sealValue(key [32]byte, c audit.Clear) ([]byte, error) {
	box, err := valueBox(key)
	if err != nil {
		return nil, err
	}
	return box.Seal(c.Value, valueOf(c))
}

// valueBox seals a subject's values. Its key is another one than what salts commitments, and comes from it: to delete that one is to lose both.
func valueBox(key [32]byte) (*seal.Box, error) {
	m := hmac.New(sha256.New, key[:])
	_, _ = io.WriteString(m, "doorward vault values")
	return seal.New(m.Sum(nil))
}

// valueOf binds a sealed value to its record and pseudonym.
func valueOf(c audit.Clear) []byte { return sealedFor("audit/value", c.Pseudonym+"/"+c.Record) }

// SweepValues deletes the clear values that were kept before a time.
func (v *Vault) SweepValues(ctx context.Context, before time.Time) error {
	return v.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("DELETE FROM audit_values WHERE at_ < $1", millis(before))
		return err
	})
}

// Erase is audit.Vault's. This process forgets at once, others within a second.
func (v *Vault) Erase(ctx context.Context, in audit.Intent, p token.Principal) (pseudonyms []string, err error) {
	row, err := v.row(ctx, p)
	if err != nil {
		return nil, err
	}
	err = v.db.act(ctx, in, func(tx tx, _ time.Time) error {
		pseudonyms = nil
		var pseudonym string
		err := tx.QueryRow("SELECT pseudonym FROM audit_subjects WHERE lookup = $1"+v.db.dialect.lock, row).Scan(&pseudonym)
		if err != nil {
			return none(err, nil)
		}
		pseudonyms = []string{pseudonym}
		return v.forget(tx, pseudonym)
	})
	v.forgotten(ctx)
	return pseudonyms, err
}

// forgotten clears the memory of this process, and the files of what a deleted row leaves in them. Where somebody reads from them at the
// moment the latter waits for the database's own time.
func (v *Vault) forgotten(ctx context.Context) {
	v.cache.clear()
	_, _ = v.db.read.ExecContext(context.WithoutCancel(ctx), v.db.dialect.scrub)
}

// forget deletes what there is of a pseudonym. By what its row was found is remembered as long as a token of theirs may be out.
func (v *Vault) forget(tx tx, pseudonym string) error {
	_, err := tx.Exec(`INSERT INTO audit_erased (lookup, until_) SELECT lookup, `+v.db.dialect.now+` + $1 FROM audit_subjects WHERE pseudonym = $2
		ON CONFLICT (lookup) DO UPDATE SET until_ = excluded.until_`, longest.Milliseconds(), pseudonym)
	if err != nil {
		return err
	}
	for _, text := range []string{"DELETE FROM audit_values WHERE pseudonym = $1", "DELETE FROM audit_subjects WHERE pseudonym = $1"} {
		if _, err := tx.Exec(text, pseudonym); err != nil {
			return err
		}
	}
	_, err = tx.Exec("UPDATE counters SET value = value + 1 WHERE name = 'erasures'")
	return err
}
