package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// A commitment to a JSON value is the root of an RFC 6962 tree over its leaves (numbers, strings, words, empty objects and
// arrays), in the order in which RFC 8785 writes them. A leaf of the tree is
//
//	SHA-256(HMAC-SHA-256(salt, pointer) ‖ value)
//
// with the leaf's JSON pointer and its RFC 8785 text: with the inner key of one leaf, that leaf can be shown to somebody
// without the others. The salt is HMAC-SHA-256(key of the subject, purpose ‖ 0 ‖ record id): it is another one for each record, so that
// equal values do not look equal, and it is gone with the subject's key.

// maxLeaves bounds how far a value is taken apart. What has more leaves is one leaf, which is secret if any of them is. How many are
// looked at for that is bounded too: callers choose what they send, and one writer has to keep up with all of them.
const (
	maxLeaves = 256
	maxSeen   = 4096
)

// What makes the name of a member that of a secret, in small letters and without - and _.
var (
	secretParts = []string{"passw", "passphrase", "secret", "credential", "authorization", "authorisation", "apikey", "privatekey", "cookie"}
	secretWords = []string{"pin", "otp", "cvv"}
)

// isSecret reports whether a value under a member of this name is never kept, not even sealed: then its commitment hangs on a key that is
// thrown away, so that nobody can try guesses against it.
func isSecret(member string) bool {
	name := strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '_':
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, member)
	return strings.HasSuffix(name, "token") || slices.Contains(secretWords, name) || slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(name, part) })
}

// salt is what commitments of one record hang on.
func salt(key [32]byte, purpose, record string) [32]byte {
	return mac(key, purpose, "\x00", record)
}

// commitment commits to a JSON value. pointers name more members that are secret: JSON pointers into value.
func commitment(key [32]byte, purpose, record string, value jsontext.Value, pointers ...string) (*verify.Sum, error) {
	if len(value) == 0 {
		return nil, nil
	}
	canonical := value.Clone()
	if err := canonical.Canonicalize(); err != nil {
		return nil, fmt.Errorf("committing to a value: %w", err)
	}
	s := summing{salt: salt(key, purpose, record), secret: pointers, leaves: make([]tlog.Hash, 0, 8)}
	if err := s.walk(canonical); errors.Is(err, errMany) || s.seen > maxLeaves {
		s.leaves = s.leaves[:0]
		s.leaf("", canonical, s.hidden)
	} else if err != nil {
		return nil, fmt.Errorf("committing to a value: %w", err)
	}
	root := treeHash(s.leaves)
	return &verify.Sum{Root: base64.RawStdEncoding.EncodeToString(root[:]), Leaves: len(s.leaves)}, nil
}

var errMany = errors.New("too many leaves")

type summing struct {
	salt   [32]byte
	secret []string
	leaves []tlog.Hash
	seen   int  // leaves, with those that are too many to be kept apart
	hidden bool // one of them is secret, or may be: nobody has looked at all
}

// walk commits to each leaf of a canonical value.
func (s *summing) walk(value jsontext.Value) error {
	d := jsontext.NewDecoder(bytes.NewReader(value))
	for {
		kind := d.PeekKind()
		if kind == '{' || kind == '[' {
			if _, err := d.ReadToken(); err != nil {
				return err
			}
			if end := d.PeekKind(); end != '}' && end != ']' {
				continue
			}
			pointer := string(d.StackPointer())
			if _, err := d.ReadToken(); err != nil {
				return err
			}
			if err := s.add(pointer, []byte{byte(kind), byte(kind) + 2}, false); err != nil {
				return err
			}
			continue
		}
		if kind == '}' || kind == ']' {
			if _, err := d.ReadToken(); err != nil {
				return err
			}
			continue
		}
		if at, n := d.StackIndex(d.StackDepth()); at == '{' && n%2 == 0 && kind == '"' { // a member's name
			if _, err := d.ReadToken(); err != nil {
				return err
			}
			continue
		}
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		pointer := string(d.StackPointer())
		if err := s.add(pointer, v, secretAt(pointer, s.secret)); err != nil {
			return err
		}
	}
}

// add is leaf as long as there are not too many.
func (s *summing) add(pointer string, value []byte, secret bool) error {
	s.seen++
	s.hidden = s.hidden || secret
	if s.seen > maxSeen {
		s.hidden = true
		return errMany
	}
	if s.seen <= maxLeaves {
		s.leaf(pointer, value, secret)
	}
	return nil
}

// secretAt reports whether a JSON pointer leads to a secret, or into one: by the names on its way, or by pointers.
func secretAt(pointer string, pointers []string) bool {
	for _, p := range pointers {
		if pointer == p || strings.HasPrefix(pointer, p+"/") {
			return true
		}
	}
	for name := range strings.SplitSeq(pointer, "/") {
		if isSecret(name) {
			return true
		}
	}
	return false
}

func (s *summing) leaf(pointer string, value []byte, secret bool) {
	var key [sha256.Size]byte
	if secret {
		_, _ = rand.Read(key[:]) // it never fails: crypto/rand
	} else {
		key = mac(s.salt, pointer)
	}
	var room [256]byte
	s.leaves = append(s.leaves, tlog.Hash(sha256.Sum256(append(append(room[:0], key[:]...), value...))))
}

// treeHash is the root of an RFC 6962 tree over hashes that stand for leaves.
func treeHash(leaves []tlog.Hash) tlog.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil) // RFC 6962 §2.1
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return tlog.NodeHash(treeHash(leaves[:k]), treeHash(leaves[k:]))
}

// mark commits to what is no JSON: an address or a typed name under the key of its day, an address of a resource under its subject's.
func mark(key [32]byte, purpose, value string) string {
	sum := mac(key, purpose, "\x00", value)
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}
