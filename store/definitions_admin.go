package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/mcp"
)

// Unaccepted is a definition that a server showed somebody and that nobody accepted.
type Unaccepted struct {
	Server      string // the resource's identifier
	Item        mcp.Item
	Definition  []byte // as the server wrote it
	First, Last time.Time
}

// Unaccepted are the definitions that wait for somebody to accept them, oldest first. What is too large to be kept, and what
// a server shows besides its first thousand, stands in the log alone.
func (d *Definitions) Unaccepted(ctx context.Context) (all []Unaccepted, err error) {
	rows, err := d.db.read.QueryContext(ctx, "SELECT server, kind, name, hash, definition, first_seen, last_seen FROM definitions ORDER BY first_seen, server, kind, name, id")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u Unaccepted
		var hash []byte
		var first, last int64
		if err := rows.Scan(&u.Server, &u.Item.Kind, &u.Item.Name, &hash, &u.Definition, &first, &last); err != nil {
			return nil, err
		}
		copy(u.Item.Definition[:], hash)
		u.First, u.Last = fromMillis(first), fromMillis(last)
		all = append(all, u)
	}
	return all, rows.Err()
}

// Accept forgets a definition that is accepted from now on, and to whom it was shown. Callers for whom there was no room at
// this server begin anew.
func (d *Definitions) Accept(ctx context.Context, in audit.Intent, server string, i mcp.Item) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	key, item := definitionID(server, i), itemID(i)
	err := d.db.act(ctx, in, func(tx tx, _ time.Time) error {
		if _, err := tx.Exec("DELETE FROM definitions WHERE id = $1", key[:]); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM shown WHERE server = $1 AND item = $2 AND hash = $3", server, item[:], i.Definition[:]); err != nil {
			return err
		}
		_, err := tx.Exec("DELETE FROM shown WHERE server = $1 AND item = $2", server, everything[:])
		return err
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.kept[key]; ok {
		delete(d.kept, key)
		d.of[server]--
	}
	delete(d.full, server)
	for who, l := range d.callers {
		if l.server != server {
			continue
		}
		if l.items[item].hash == i.Definition {
			d.forget(who, item)
		}
		d.forget(who, everything)
	}
	return nil
}

// load reads the rows.
func (d *Definitions) load(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadShown(ctx); err != nil {
		return fmt.Errorf("reading who was shown what: %w", err)
	}
	rows, err := d.db.read.QueryContext(ctx, "SELECT id, server, last_seen FROM definitions")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key []byte
		var server string
		var last int64
		if err := rows.Scan(&key, &server, &last); err != nil {
			return err
		}
		d.kept[idOf(key)] = fromMillis(last)
		d.of[server]++
	}
	return rows.Err()
}

func (d *Definitions) loadShown(ctx context.Context) error {
	rows, err := d.db.read.QueryContext(ctx, "SELECT caller, item, server, kind, name, hash FROM shown")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var caller, item, hash []byte
		var server string
		var i mcp.Item
		if err := rows.Scan(&caller, &item, &server, &i.Kind, &i.Name, &hash); err != nil {
			return err
		}
		i.Definition = mcp.Hash(idOf(hash))
		l := d.listener(server, idOf(caller))
		d.hear(l, idOf(item), i)
		l.changes++
	}
	return rows.Err()
}

func idOf(b []byte) (i id) {
	copy(i[:], b)
	return i
}
