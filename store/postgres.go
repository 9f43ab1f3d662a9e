package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// migrationLock keeps two replicas from making the tables at once; any number that nobody else uses.
const migrationLock = 0x446f6f7277617264

func openPostgres(address string) (*DB, error) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return &DB{read: db, dialect: dialect{lock: " FOR UPDATE", now: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", scrub: "VACUUM audit_subjects, audit_values", migrate: migratePostgres}}, nil
}

// migratePostgres applies a text of schema if it has not been applied. Replicas that start at once wait for each other.
func migratePostgres(ctx context.Context, db *sql.DB, version int, text string) (done bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if _, err = tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
		return false, err
	}
	if _, err = tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS doorward_schema (version BIGINT PRIMARY KEY)"); err != nil {
		return false, err
	}
	var newest sql.NullInt64
	if err = tx.QueryRowContext(ctx, "SELECT max(version) FROM doorward_schema").Scan(&newest); err != nil {
		return false, err
	}
	if newest.Int64 > int64(len(schema)) {
		return false, fmt.Errorf("a newer Doorward made this database (version %d, this one knows %d): run that one", newest.Int64, len(schema))
	}
	if newest.Int64 >= int64(version) {
		return false, tx.Commit()
	}
	if _, err = tx.ExecContext(ctx, text); err != nil {
		return false, err
	}
	if _, err = tx.ExecContext(ctx, "INSERT INTO doorward_schema (version) VALUES ($1)", version); err != nil {
		return false, err
	}
	return true, tx.Commit()
}
