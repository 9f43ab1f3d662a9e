package audit

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/token"
)

// Leaves keep the records in one order, and the RFC 6962 tree over their bytes. Segments are ones in files; package store
// has ones in PostgreSQL, whose order many processes share. They are safe for concurrent use.
type Leaves interface {
	// Append keeps leaves after those that are there, in their order and next to each other. When it returns nil they are
	// durable. After an error none of them is kept, or, where that cannot be known, everything fails until it is opened anew.
	Append(ctx context.Context, leaves [][]byte) (first int64, err error)
	// Read gives at most n leaves from an index on, fewer at the end. One whose body was deleted is nil.
	Read(ctx context.Context, from int64, n int) ([][]byte, error)
	// Size is how many leaves there are.
	Size(ctx context.Context) (int64, error)
	// Hashes are the stored hashes, numbered as package tlog numbers them. Those of records that are durable are there.
	Hashes(ctx context.Context) tlog.HashReader
	// Drop deletes the bodies of leaves before an index, as far as they can be deleted by themselves. It gives the index
	// before which all bodies are gone. Hashes stay.
	Drop(ctx context.Context, before int64) (int64, error)
}

// Checkpoints keep the signed trees, and how far each process had come.
type Checkpoints interface {
	// Latest is the newest checkpoint, a C2SP signed note; nil if there is none.
	Latest(ctx context.Context) ([]byte, error)
	// Publish keeps a checkpoint durably unless there is one of a larger tree.
	Publish(ctx context.Context, size int64, checkpoint []byte) error
	// Mark notes that all intents of a node before floor have their outcome. It need not be durable: a floor that is too
	// low costs time.
	Mark(ctx context.Context, m Mark) error
	// Marks are what was noted, by node.
	Marks(ctx context.Context) ([]Mark, error)
}

// Mark is how far a process had come.
type Mark struct {
	Node, Boot string
	Floor      int64     // index of the first intent that may have no outcome
	Seen       time.Time // when the process was there
}

// Vault keeps what the log only commits to, under a key for each subject: pseudonyms, keys, clear values. Its writing has no
// Intent: it is the log's own. Whoever is erased is somebody new the next time.
type Vault interface {
	// Subject is a principal's pseudonym and key, made when they are first needed.
	Subject(ctx context.Context, p token.Principal) (Subject, error)
	// Day is the key of a day's commitments to addresses and typed names, made when it is first needed. The keys of old days
	// are deleted.
	Day(ctx context.Context, day time.Time) ([32]byte, error)
	// Keep keeps clear values for records, sealed under the key of each one's subject.
	Keep(ctx context.Context, all []Clear) error
	// Open gives the clear values of a record, whose reading is a record itself. ErrErased: nobody can read them any more.
	Open(ctx context.Context, in Intent, record string) (Clear, error)
	// Erase deletes the pseudonyms, keys and values of a principal and gives the pseudonyms that it had.
	Erase(ctx context.Context, in Intent, p token.Principal) (pseudonyms []string, err error)
}

// Subject is somebody as the log knows them.
type Subject struct {
	Pseudonym string
	Key       [32]byte // salts what the log commits to about them
}

// Clear is what the vault keeps for one record: JSON of Value.
type Clear struct {
	Record    string // its id
	Pseudonym string // whose key seals it
	Value     []byte
}
