package verify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof says that a record stands in a log, by itself (C2SP tlog-proof): where, and how its hash leads to a signed root.
type Proof struct {
	Extra      []byte // said by nobody who could be held to it; nil: none
	Index      int64
	Hashes     tlog.RecordProof
	Checkpoint []byte // with its signatures, as it was published
}

const proofHead = "c2sp.org/tlog-proof@v1\n"

// maxPath is the most hashes of a proof in a tree of 63 levels.
const maxPath = 63

// Text is the proof as a file with the ending .tlog-proof has it.
func (p Proof) Text() []byte {
	b := []byte(proofHead)
	if p.Extra != nil {
		b = append(b, "extra "+base64.StdEncoding.EncodeToString(p.Extra)+"\n"...)
	}
	b = fmt.Appendf(b, "index %d\n", p.Index)
	for _, h := range p.Hashes {
		b = append(b, h.String()+"\n"...)
	}
	return append(append(b, '\n'), p.Checkpoint...)
}

var errProof = errors.New("not a proof")

// ParseProof reads what Text gave. It proves nothing.
func ParseProof(b []byte) (Proof, error) {
	head, checkpoint, ok := strings.Cut(string(b), "\n\n")
	head, known := strings.CutPrefix(head+"\n", proofHead)
	if !ok || !known {
		return Proof{}, errProof
	}
	var p Proof
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	if extra, ok := strings.CutPrefix(lines[0], "extra "); ok && len(lines) > 1 {
		b, err := base64.StdEncoding.Strict().DecodeString(extra)
		if err != nil {
			return Proof{}, errProof
		}
		p.Extra, lines = b, lines[1:]
	}
	digits, ok := strings.CutPrefix(lines[0], "index ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 || strconv.FormatInt(n, 10) != digits || len(lines)-1 > maxPath {
		return Proof{}, errProof
	}
	p.Index, p.Checkpoint = n, []byte(checkpoint)
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return Proof{}, errProof
		}
		p.Hashes = append(p.Hashes, tlog.Hash(h))
	}
	return p, nil
}

// Record proves that the bytes of a record stand at the proof's index of a log that one of the keys has signed and, unless the
// policy is nil, that its quorum has witnessed.
func (p Proof) Record(record []byte, keys []note.Verifier, witnesses *Policy) error {
	c, err := ParseCheckpoint(p.Checkpoint)
	if err != nil {
		return err
	}
	known := keys
	if witnesses != nil {
		known = append(known[:len(known):len(known)], witnesses.Cosigners()...)
	}
	n, err := OpenNote(p.Checkpoint, note.VerifierList(known...))
	if err != nil {
		return fmt.Errorf("verifying the checkpoint of the proof: %w", err)
	}
	signed := false
	for _, k := range keys {
		signed = signed || k.Name() == c.Origin && signedBy(n, k)
	}
	if !signed {
		return errors.New("the checkpoint of the proof is not signed by a key of its log")
	}
	if witnesses != nil && !witnesses.Met(n.Sigs) {
		return errors.New("the checkpoint of the proof has not been witnessed by the quorum")
	}
	if p.Index >= c.Size {
		return fmt.Errorf("the tree has %d records, and the proof is of record %d", c.Size, p.Index)
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Index, tlog.RecordHash(record)); err != nil {
		return errors.New("the record is not the one that the proof is of")
	}
	return nil
}
