package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/seal"
)

// Sealed keeps the signing keys of a log as one sealed blob. A keeper that has a method ShowKeys as Segments have is told the
// verifier keys too.
type Sealed interface {
	// LoadKeys is the blob; nil if there is none.
	LoadKeys(ctx context.Context) ([]byte, error)
	// SaveKeys replaces the blob durably if it still is old. Otherwise the error is ErrKeysChanged.
	SaveKeys(ctx context.Context, old, next []byte) error
}

// sealedAs is what the blob is sealed for.
const sealedAs = "audit/log.keys"

// Keyring has the Ed25519 keys that sign checkpoints of one log. Their name is the log's origin. Each key signs trees up to the
// one that ends with the record by which it hands over to the next key; that one both sign. It is safe for concurrent use, also
// by several processes over one Sealed: it keeps nothing but what it last unsealed.
type Keyring struct {
	kept   Sealed
	origin string
	box    *seal.Box

	mu   sync.Mutex // guards what follows
	keys keys       // as they were last read
}

// keys is the content of the blob.
type keys struct {
	V       int      `json:"v"`
	Keys    []key    `json:"keys"`
	Pending *pending `json:"pending,omitempty"`

	blob []byte // that it was read from
}

type key struct {
	Verifier string `json:"verifier"`
	Signer   string `json:"signer,omitempty"` // gone when it has nothing more to sign
	Last     int64  `json:"last,omitempty"`   // size of the largest tree that it signs; 0: it signs still
	Handed   bool   `json:"handed,omitempty"` // the checkpoint of size Last is published
}

// pending is a key whose record may be in the log or not.
type pending struct {
	key
	Floor int64     `json:"floor"` // no record of it is before this index
	Begun time.Time `json:"begun"`
}

// OpenKeyring reads the keys of a log, and makes the first one if there is none.
func OpenKeyring(ctx context.Context, kept Sealed, origin string, box *seal.Box) (*Keyring, error) {
	k := &Keyring{kept: kept, origin: origin, box: box}
	_, err := k.load(ctx)
	if errors.Is(err, errNoKeys) {
		err = k.first(ctx)
		if errors.Is(err, ErrKeysChanged) { // another process made it
			_, err = k.load(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the keys of the audit log: %w", err)
	}
	return k, k.show(ctx)
}

var errNoKeys = errors.New("there are none")

// Verifiers are the verifier keys, the first key first. One that is about to take over is not among them.
func (k *Keyring) Verifiers(ctx context.Context) ([]string, error) {
	all, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(all.Keys))
	for i, one := range all.Keys {
		out[i] = one.Verifier
	}
	return out, nil
}

// Signers are who sign the tree of a size: one key, or two where one hands over to the other. The caller must have learnt the
// size before it calls: a key that takes over meanwhile does so in a larger tree. The error wraps ErrHandover while it is open
// who signs, or while the tree that Due names has no checkpoint.
func (k *Keyring) Signers(ctx context.Context, size int64) ([]note.Signer, error) {
	all, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if p := all.Pending; p != nil && size > p.Floor {
		return nil, fmt.Errorf("signing the tree of size %d: %w", size, ErrHandover)
	}
	if due := all.due(); due > 0 && size > due {
		return nil, fmt.Errorf("signing the tree of size %d before that of size %d: %w", size, due, ErrHandover)
	}
	var out []note.Signer
	var before int64 // the largest tree of the key before
	for _, one := range all.Keys {
		if size >= before && (one.Last == 0 || size <= one.Last) {
			s, err := note.NewSigner(one.Signer)
			if err != nil {
				return nil, fmt.Errorf("signing the tree of size %d: the key %s has signed its last: %w", size, one.Verifier, err)
			}
			out = append(out, s)
		}
		before = one.Last
		if one.Last == 0 {
			break
		}
	}
	return out, nil
}

// due is the size of a tree that two keys have to sign before a larger one is signed; 0 if there is none.
func (k keys) due() int64 {
	for _, one := range k.Keys {
		if one.Last > 0 && !one.Handed {
			return one.Last
		}
	}
	return 0
}

// Due is the size of the tree whose checkpoint two keys have to sign and that must be published before that of a larger one;
// 0 if there is none.
func (k *Keyring) Due(ctx context.Context) (int64, error) {
	all, err := k.load(ctx)
	return all.due(), err
}

// load reads the blob, and unseals it if it is another one than before.
func (k *Keyring) load(ctx context.Context) (keys, error) {
	blob, err := k.kept.LoadKeys(ctx)
	if err != nil {
		return keys{}, err
	}
	if blob == nil {
		return keys{}, errNoKeys
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !bytes.Equal(blob, k.keys.blob) {
		all, err := k.open(blob)
		if err != nil {
			return keys{}, err
		}
		k.keys = all
	}
	out := k.keys
	out.Keys = slices.Clone(out.Keys)
	return out, nil
}

func (k *Keyring) open(blob []byte) (keys, error) {
	b, err := k.box.Open(blob, []byte(sealedAs))
	if err != nil {
		return keys{}, err
	}
	var all keys
	if err := json.Unmarshal(b, &all); err != nil || all.V != 1 || len(all.Keys) == 0 {
		return keys{}, errors.New("the sealed keys of the audit log are of a version that is not known here")
	}
	v, err := note.NewVerifier(all.Keys[0].Verifier)
	if err != nil {
		return keys{}, fmt.Errorf("verifier key %q: %w", all.Keys[0].Verifier, err)
	}
	if v.Name() != k.origin {
		return keys{}, fmt.Errorf("the audit log is that of %s, and this installation is %s: the public address was changed", v.Name(), k.origin)
	}
	all.blob = blob
	return all, nil
}

// save replaces the blob that next was read from.
func (k *Keyring) save(ctx context.Context, next keys) error {
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	blob, err := k.box.Seal(b, []byte(sealedAs))
	if err != nil {
		return err
	}
	if err := k.kept.SaveKeys(ctx, next.blob, blob); err != nil {
		return err
	}
	return k.show(ctx)
}

// first makes the first key.
func (k *Keyring) first(ctx context.Context) error {
	made, err := k.make()
	if err != nil {
		return err
	}
	return k.save(ctx, keys{V: 1, Keys: []key{made}})
}

func (k *Keyring) make() (key, error) {
	signer, verifier, err := note.GenerateKey(rand.Reader, k.origin)
	if err != nil {
		return key{}, fmt.Errorf("making a key of the audit log: %w", err)
	}
	return key{Verifier: verifier, Signer: signer}, nil
}

// show tells the verifier keys to a keeper that wants them.
func (k *Keyring) show(ctx context.Context) error {
	shown, ok := k.kept.(interface {
		ShowKeys(ctx context.Context, verifiers []string) error
	})
	if !ok {
		return nil
	}
	all, err := k.Verifiers(ctx)
	if err != nil {
		return err
	}
	return shown.ShowKeys(ctx, all)
}
