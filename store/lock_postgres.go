package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	aloneLock = 0x446f6f72616c6f6e // of the one process; any number that nobody else uses
	lockWait  = "3s"               // how long a process that has just died may go on holding it
	lockTake  = 6 * time.Second    // how long a server may take to answer when the lock is taken; longer than lockWait
	lockPulse = time.Second        // how often the connection that holds it is asked whether it is there
	lockReply = 2 * time.Second
)

// pgLock is a session of its own that holds an advisory lock: PostgreSQL frees it when the session ends.
type pgLock struct {
	*lock
	pool    *sql.DB // of this one session
	conn    *sql.Conn
	backend int64 // the session's process at the server
	end     context.CancelFunc
	ended   chan struct{}
}

func holdPostgres(ctx context.Context, address string) (*lock, error) {
	pool, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	p := &pgLock{pool: pool, ended: make(chan struct{})}
	if err := p.take(ctx); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	var keeping context.Context
	keeping, p.end = context.WithCancel(context.WithoutCancel(ctx))
	p.lock = newLock(func() error {
		p.end()
		<-p.ended
		return p.pool.Close()
	})
	go p.keep(keeping)
	return p.lock, nil
}

// take opens a session and locks. ErrHeld: another process has it.
func (p *pgLock) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockTake)
	defer cancel()
	conn, err := p.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var backend int64
	err = conn.QueryRowContext(ctx, `SELECT pg_backend_pid() FROM (SELECT set_config('application_name', $1, false), set_config('lock_timeout', $2, false),
		set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
		set_config('tcp_keepalives_count', '3', false)) AS settings`, "doorward, "+us(), lockWait).Scan(&backend)
	if err == nil && p.backend != 0 {
		// The session that was lost may go on at the server, which has not seen that its network is gone.
		_, err = conn.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2 AND pid <> pg_backend_pid()", p.backend, truncated("doorward, "+us()))
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(aloneLock))
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "55P03" { // lock_not_available
		err = fmt.Errorf("%w: %s", ErrHeld, pgHolder(ctx, conn))
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	p.conn, p.backend = conn, backend
	return nil
}

// truncated is a name as PostgreSQL keeps it.
func truncated(s string) string { return s[:min(len(s), 63)] }

// pgHolder is whose session has the lock.
func pgHolder(ctx context.Context, conn *sql.Conn) string {
	var name, from sql.NullString
	var since sql.NullTime
	err := conn.QueryRowContext(ctx, `SELECT a.application_name, host(a.client_addr), a.backend_start FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = $1 AND l.objid::bigint = $2
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`, int64(aloneLock)>>32, int64(aloneLock)&0xffffffff).Scan(&name, &from, &since)
	if err != nil || name.String == "" {
		return "a session that cannot be named holds it"
	}
	text := name.String
	if from.Valid {
		text += " (" + from.String + ")"
	}
	return text + " holds it since " + since.Time.UTC().Format(time.RFC3339)
}

// keep notices when the session breaks and takes the lock again, unless another process was quicker.
func (p *pgLock) keep(ctx context.Context) {
	defer close(p.ended)
	tick := time.NewTicker(lockPulse)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if p.conn != nil {
				_ = p.conn.Close()
			}
			return
		case <-tick.C:
		}
		switch err := p.pulse(ctx); {
		case err == nil:
			p.held.Store(true)
		case errors.Is(err, ErrHeld):
			close(p.lost)
			return
		case ctx.Err() == nil:
			p.held.Store(false)
		}
	}
}

// pulse asks the session whether it is there, and begins another when it is not.
func (p *pgLock) pulse(ctx context.Context) error {
	if p.conn != nil {
		asking, cancel := context.WithTimeout(ctx, lockReply)
		defer cancel()
		_, err := p.conn.ExecContext(asking, "SELECT 1")
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.held.Store(false)
		_ = p.conn.Close()
		p.conn = nil
	}
	return p.take(ctx)
}
