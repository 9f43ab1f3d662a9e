package store

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// showing is what is written of one list for one caller.
type showing struct {
	now       time.Time
	server    string
	who       id
	over      bool // there is no room for all
	full      bool // nor for a row that says so
	news      []guard.Definition
	fresh     []guard.Definition // definitions that nobody has seen before
	again     []id               // definitions that were seen before, and not in the last hour
	forgotten []id               // items
}

// plan says what there is to write. It changes nothing.
func (d *Definitions) plan(now time.Time, server string, who id, unaccepted []guard.Definition, accepted []mcp.Item) *showing {
	d.mu.RLock()
	defer d.mu.RUnlock()
	l := d.callers[who]
	w := &showing{now: now, server: server, who: who}
	news, fits := d.news(server, l, unaccepted)
	w.news, w.over = news, !fits
	w.full = w.over && d.shown[server]+len(news) > 2*maxShownAll
	seen := map[id]bool{}
	for _, u := range unaccepted {
		id := definitionID(server, u.Item)
		last, ok := d.kept[id]
		switch {
		case ok && now.Sub(last) >= time.Hour:
			w.again = append(w.again, id)
		case ok, seen[id], len(u.Raw) > maxDefinition:
		case len(d.kept)+len(w.fresh) < maxDefinitions && d.of[server]+len(w.fresh) < maxOfServer:
			seen[id] = true
			w.fresh = append(w.fresh, u)
		}
	}
	if l != nil {
		for _, i := range accepted {
			if _, ok := l.items[itemID(i)]; ok {
				w.forgotten = append(w.forgotten, itemID(i))
			}
		}
	}
	return w
}

// write writes the rows.
func (w *showing) write(tx tx) error {
	for _, u := range w.news {
		if err := w.row(tx, itemID(u.Item), u.Item); err != nil {
			return err
		}
	}
	if w.over && !w.full {
		if err := w.row(tx, everything, mcp.Item{Definition: noRoom}); err != nil {
			return err
		}
	}
	for _, u := range w.fresh {
		id := definitionID(w.server, u.Item)
		if _, err := tx.Exec("INSERT INTO definitions (id, server, kind, name, hash, definition, first_seen, last_seen) VALUES ($1,$2,$3,$4,$5,$6,$7,$7) ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen",
			id[:], w.server, u.Item.Kind, short(u.Item.Name), u.Item.Definition[:], u.Raw, millis(w.now)); err != nil {
			return err
		}
	}
	for _, id := range w.again {
		if _, err := tx.Exec("UPDATE definitions SET last_seen = $1 WHERE id = $2", millis(w.now), id[:]); err != nil {
			return err
		}
	}
	for _, item := range w.forgotten {
		if _, err := tx.Exec("DELETE FROM shown WHERE caller = $1 AND item = $2", w.who[:], item[:]); err != nil {
			return err
		}
	}
	return nil
}

func (w *showing) row(tx tx, item id, i mcp.Item) error {
	_, err := tx.Exec("INSERT INTO shown (caller, item, server, kind, name, hash) VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (caller, item) DO UPDATE SET hash = excluded.hash",
		w.who[:], item[:], w.server, i.Kind, short(i.Name), i.Definition[:])
	return err
}

// into has the memory say what the rows do. The caller holds mu.
func (w *showing) into(d *Definitions) {
	l := d.listener(w.server, w.who)
	for _, u := range w.news {
		d.hear(l, itemID(u.Item), u.Item)
		l.changes++
	}
	if w.over && !w.full {
		d.hear(l, everything, mcp.Item{Definition: noRoom})
	}
	if w.full {
		d.full[w.server] = true
	}
	for _, u := range w.fresh {
		d.kept[definitionID(w.server, u.Item)] = w.now
		d.of[w.server]++
	}
	for _, id := range w.again {
		d.kept[id] = w.now
	}
	for _, item := range w.forgotten {
		d.forget(w.who, item)
	}
}

func (d *Definitions) listener(server string, who id) *listener {
	l := d.callers[who]
	if l == nil {
		l = &listener{server: server, items: map[id]heard{}}
		d.callers[who] = l
	}
	return l
}

// hear puts a row into memory.
func (d *Definitions) hear(l *listener, item id, i mcp.Item) {
	if item == everything {
		l.over = true
	}
	if _, ok := l.items[item]; !ok {
		d.shown[l.server]++
	}
	h := heard{hash: i.Definition}
	if i.Kind == mcp.ItemTemplate {
		h.address = newAddress(short(i.Name))
	}
	l.items[item] = h
}

// forget takes a row out of memory.
func (d *Definitions) forget(who, item id) {
	l := d.callers[who]
	if l == nil {
		return
	}
	if _, ok := l.items[item]; !ok {
		return
	}
	delete(l.items, item)
	if item == everything {
		l.over, l.changes = false, len(l.items)
	}
	if d.shown[l.server]--; d.shown[l.server] == 0 {
		delete(d.shown, l.server)
	}
	if len(l.items) == 0 && l.changes == 0 {
		delete(d.callers, who)
	}
}

// longer stands in names that are not kept whole.
const longer = "… sha256:"

// short is a name as it is kept, and as it is looked for. Of one that is long, or that no table can hold, the rest is a hash.
func short(name string) string {
	if len(name) <= maxName && utf8.ValidString(name) && strings.IndexByte(name, 0) < 0 { // PostgreSQL has no NUL in texts
		return name
	}
	begins, _, _ := strings.Cut(name, "\x00")
	return strings.ToValidUTF8(begins[:min(len(begins), maxName/2)], "") + longer + fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
}

// address is what a template makes.
type address struct{ of *regexp.Regexp } // nil: anything

// newAddress takes a template as it is kept. Of one that is not kept whole nothing is known.
func newAddress(template string) *address {
	if strings.Contains(template, longer) {
		return &address{}
	}
	return &address{policy.Address(template)}
}

// makes reports whether a template makes an address, as it stands or as a server may read it.
func (a *address) makes(uri string) bool {
	if a.of == nil || a.of.MatchString(uri) {
		return true
	}
	plain, ok := policy.Resolved(uri)
	return !ok || a.of.MatchString(plain)
}
