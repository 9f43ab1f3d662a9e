package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the tree that a signed note speaks of (C2SP tlog-checkpoint), without extension lines, which say nothing here.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// EmptyRoot is the root of the tree without records. RFC 6962 §2.1: the hash of the empty string.
var EmptyRoot = tlog.Hash(sha256.Sum256(nil))

// Text is the text to be signed.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

var errCheckpoint = errors.New("not a checkpoint")

// ParseCheckpoint reads a signed note or its text. It looks at no signature.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	text, _, _ = cutNote(text)
	lines := strings.Split(string(text), "\n")
	last := len(lines) - 1
	if last < 3 || lines[last] != "" || slices.Contains(lines[:last], "") {
		return Checkpoint{}, errCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errCheckpoint
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, errCheckpoint
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// cutNote cuts a note into its text, with the last newline, and its lines of signature.
func cutNote(b []byte) (text, signatures []byte, signed bool) {
	i := strings.LastIndex(string(b), "\n\n")
	if i < 0 {
		return b, nil, false
	}
	return b[:i+1], b[i+2:], true
}

// OpenNote is note.Open which also refuses lines of signature that are not in the one spelling, so that no bit of a note is
// without meaning.
func OpenNote(b []byte, known note.Verifiers) (*note.Note, error) {
	n, err := note.Open(b, known)
	if err != nil {
		return n, err
	}
	_, lines, _ := cutNote(b)
	for line := range strings.Lines(string(lines)) {
		_, sum, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		if _, err := base64.StdEncoding.Strict().DecodeString(sum); err != nil {
			return nil, fmt.Errorf("reading a signature: %w", err)
		}
	}
	return n, nil
}
