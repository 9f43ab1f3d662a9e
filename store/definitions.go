package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// definitionsSchema is what servers say of their items that nobody has accepted, and to whom they said it. An item of 32 zero bytes
// is everything of a server.
const definitionsSchema = `
CREATE TABLE definitions (
	id         BYTEA PRIMARY KEY,
	server     TEXT NOT NULL,
	kind       TEXT NOT NULL,
	name       TEXT NOT NULL,
	hash       BYTEA NOT NULL,
	definition BYTEA NOT NULL,
	first_seen BIGINT NOT NULL,
	last_seen  BIGINT NOT NULL
);
CREATE TABLE shown (
	caller BYTEA NOT NULL,
	item   BYTEA NOT NULL,
	server TEXT NOT NULL,
	kind   TEXT NOT NULL,
	name   TEXT NOT NULL,
	hash   BYTEA NOT NULL,
	PRIMARY KEY (caller, item)
);
CREATE INDEX shown_definition ON shown (server, item);
`

// Bounds of what servers make us remember. A server that shows ever different things fills what is its own and nothing of the
// others'.
const (
	maxDefinition  = 64 << 10
	maxDefinitions = 10_000
	maxOfServer    = 1_000   // definitions
	maxShown       = 5_000   // of one caller at one server: items, and changes of them since the start
	maxShownAll    = 200_000 // items of all callers at one server
	maxName        = 1 << 10
)

// Definitions are what servers said of their items that nobody has accepted, and who was to be shown it. Asking goes to memory
// alone, which Open fills.
type Definitions struct {
	db *DB

	changing sync.Mutex // held while rows and then memory are changed

	mu      sync.RWMutex // guards what is below
	callers map[id]*listener
	shown   map[string]int   // :: server → rows of shown
	full    map[string]bool  // :: server → there is no room for another caller
	kept    map[id]time.Time // :: id of a definition → when it was last seen, to the hour
	of      map[string]int   // :: server → definitions
}

// id is a hash by which something is found.
type id = [sha256.Size]byte

// listener is a caller at a server.
type listener struct {
	server  string
	items   map[id]heard
	changes int
	over    bool // there was no room: it counts as if everything of the server had been shown otherwise
}

// heard is what a caller was to be shown of an item.
type heard struct {
	hash    mcp.Hash
	address *address // of a template
}

// everything is the item of a caller for whom there was no room.
var everything id

// noRoom stands for a definition that could not be remembered. Nobody accepts it.
var noRoom = mcp.Hash(sha256.Sum256([]byte("doorward: no room to remember")))

func newDefinitions(db *DB) *Definitions {
	return &Definitions{db: db, callers: map[id]*listener{}, shown: map[string]int{}, full: map[string]bool{}, kept: map[id]time.Time{}, of: map[string]int{}}
}

// Definitions are read before Open returns.
func (db *DB) Definitions() *Definitions { return db.definitions }

// Shown is guard.Definitions'.
func (d *Definitions) Shown(server string, c token.Caller, i mcp.Item) mcp.Hash {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.full[server] {
		return noRoom
	}
	if d.shown[server] == 0 { // nearly always
		return mcp.Hash{}
	}
	l := d.callers[whose(server, c)]
	switch {
	case l == nil:
		return mcp.Hash{}
	case l.over:
		return noRoom
	case i.Kind == mcp.ItemResource:
		return l.template(i.Name)
	}
	return l.items[itemID(i)].hash
}

// template is the definition of a template that makes an address.
func (l *listener) template(uri string) mcp.Hash {
	for _, h := range l.items {
		if h.address != nil && h.address.makes(uri) {
			return h.hash
		}
	}
	return mcp.Hash{}
}

// News is guard.Definitions'.
func (d *Definitions) News(server string, c token.Caller, unaccepted []guard.Definition) (news []guard.Definition) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	news, _ = d.news(server, d.callers[whose(server, c)], unaccepted)
	return news
}

// news are those that a caller was not shown. fits: there is room for them, and for whatever else there is.
func (d *Definitions) news(server string, l *listener, unaccepted []guard.Definition) (news []guard.Definition, fits bool) {
	if l == nil {
		l = &listener{}
	}
	if l.over || d.full[server] {
		return nil, true // it is known already
	}
	more := 0
	for _, u := range unaccepted {
		was, ok := l.items[itemID(u.Item)]
		if was.hash == u.Item.Definition {
			continue
		}
		if !ok {
			more++
		}
		if l.changes+len(news) >= maxShown || d.shown[server]+more > maxShownAll {
			return news, false
		}
		news = append(news, u)
	}
	return news, true
}

// Show is guard.Definitions'.
func (d *Definitions) Show(ctx context.Context, now time.Time, server string, c token.Caller, unaccepted []guard.Definition, accepted []mcp.Item) error {
	who := whose(server, c)
	if !d.changes(server, who, unaccepted, accepted, now) { // nearly always
		return nil
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	w := d.plan(now, server, who, unaccepted, accepted)
	if err := d.db.change(ctx, w.write); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w.into(d)
	return nil
}

// changes reports whether there is anything to remember or to forget.
func (d *Definitions) changes(server string, who id, unaccepted []guard.Definition, accepted []mcp.Item, now time.Time) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	l := d.callers[who]
	if len(unaccepted) > 0 {
		news, fits := d.news(server, l, unaccepted)
		if len(news) > 0 || !fits {
			return true
		}
	}
	for _, u := range unaccepted {
		if seen, ok := d.kept[definitionID(server, u.Item)]; ok && now.Sub(seen) >= time.Hour {
			return true
		}
	}
	if l == nil || len(l.items) == 0 {
		return false
	}
	for _, i := range accepted {
		if _, ok := l.items[itemID(i)]; ok {
			return true
		}
	}
	return false
}

func whose(server string, c token.Caller) id { return sum(server, c.Issuer, c.Subject, c.Client) }

func itemID(i mcp.Item) id { return sum(i.Kind, short(i.Name)) }

func definitionID(server string, i mcp.Item) id {
	return sum(server, i.Kind, short(i.Name), string(i.Definition[:]))
}

// sum is a hash of texts, none of which can look like the end of another.
func sum(all ...string) id {
	b := make([]byte, 0, 256)
	for _, s := range all {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(s))), s...)
	}
	return sha256.Sum256(b)
}
