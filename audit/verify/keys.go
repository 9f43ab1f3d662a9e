package verify

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// era is the time of one key: it signs the trees up to a size, which is the one that ends with the record of its change.
type era struct {
	vkey string
	key  note.Verifier
	upto int64 // -1: to this day
}

// eras follows the changes of key that the log records. Each must be signed by the key before it.
func (c *check) eras() []era {
	var all []era
	for _, r := range c.order.rotations {
		if len(all) == 0 {
			first, err := note.NewVerifier(r.note.Old)
			if err != nil {
				c.wrong(Finding{r.index, r.file, r.offset, "the record of a change of key names an old key that is none", restore})
				return nil
			}
			all = append(all, era{r.note.Old, first, -1})
		}
		last := &all[len(all)-1]
		next, err := note.NewVerifier(r.note.New)
		if err != nil || next.Name() != c.report.Origin || r.note.Old != last.vkey || !handsOver(last.key, r.note, c.report.Origin) {
			c.wrong(Finding{r.index, r.file, r.offset, "the change of key is not signed by the key that was the log's until then", "trust no record from here on; ask who has held the keys"})
			return all
		}
		last.upto = r.index + 1
		all = append(all, era{r.note.New, next, -1})
	}
	if len(all) == 0 {
		all = c.onlyEra()
	}
	return all
}

func handsOver(old note.Verifier, n Note, origin string) bool {
	signed, err := OpenNote([]byte(n.Signed), note.VerifierList(old))
	return err == nil && signed.Text == Rotation(origin, n.New)
}

// onlyEra is of a log that has never changed its key: a pinned one, or else the one that stands beside the log.
func (c *check) onlyEra() []era {
	candidates := c.pinned()
	if len(candidates) == 0 {
		b, _ := fs.ReadFile(c.dir, "log.pub") // where it cannot be read there is no key, which is said
		candidates = strings.Fields(string(b))
	}
	var any []era
	for _, vkey := range candidates {
		key, err := note.NewVerifier(vkey)
		if err != nil || key.Name() != c.report.Origin {
			continue
		}
		one := []era{{vkey, key, -1}}
		if any == nil {
			any = one
		}
		for _, s := range slices.Backward(c.checkpoints) {
			if _, err := note.Open(s.note, note.VerifierList(key)); err == nil {
				return one
			}
		}
	}
	return any
}

// pinned are the keys that whoever verifies trusts for this log.
func (c *check) pinned() []string {
	all := slices.Clone(c.o.Keys)
	if c.o.Witnesses != nil {
		for _, l := range c.o.Witnesses.Logs {
			if l.Key.Name() == c.report.Origin {
				all = append(all, l.VKey)
			}
		}
	}
	return all
}

// trust holds the keys of the log against the pinned ones. It gives the first era that is pinned.
func (c *check) trust(all []era) (from int) {
	from = len(all)
	var strange []string
	for _, vkey := range c.pinned() {
		if i := slices.IndexFunc(all, func(e era) bool { return e.vkey == vkey }); i >= 0 {
			from, c.report.Pinned = min(from, i), true
		} else {
			strange = append(strange, vkey)
		}
	}
	// The change of a key may be among the records that are gone.
	if c.report.Deleted == 0 || !c.report.Pinned {
		for _, vkey := range strange {
			c.wrong(Finding{Index: -1, File: "checkpoint", What: "the key " + vkey + " was pinned and has never been the log's: this is another log, another history, or a copy from before the key", Do: "get the log and the keys from those who answer for them"})
		}
	}
	for _, e := range all {
		c.report.Keys = append(c.report.Keys, e.vkey)
	}
	return from
}

// signatures judges every checkpoint: its root, who signed it, who witnessed it.
func (c *check) signatures() {
	all := c.eras()
	from := c.trust(all)
	var known []note.Verifier
	for _, e := range all {
		known = append(known, e.key)
	}
	if c.o.Witnesses != nil {
		known = append(known, c.o.Witnesses.Cosigners()...)
	}
	verifiers := note.VerifierList(known...)
	oldest := make([]int64, len(all)) // :: era → size of the largest tree that its key has signed
	altered := 0
	var newest *signed
	for _, s := range c.checkpoints {
		n := c.signature(s, all, verifiers)
		if n == nil {
			continue
		}
		if !s.agrees {
			if !c.order.gapped(s.Size) {
				if altered++; altered == 1 {
					c.disagrees(s)
				}
			}
			continue
		}
		for i, e := range all {
			if !signedBy(n, e.key) {
				continue
			}
			oldest[i] = s.Size
			if i >= from || !c.report.Pinned { // a key before the pinned one says something only under a tree of the latter
				c.report.Attested = s.Size
			}
		}
		if c.o.Witnesses != nil && c.o.Witnesses.Met(n.Sigs) {
			c.report.Witnessed, newest = s.Size, s
		}
	}
	if c.report.Pinned && c.report.Attested == 0 {
		c.wrong(Finding{-1, "checkpoint", 0, "no tree is signed by the key that was pinned", "get the log and the keys from those who answer for them"})
	}
	if altered > 1 {
		c.report.More += altered - 1
	}
	for i, e := range all {
		if e.upto >= 0 && e.upto < c.report.Attested && oldest[i] < e.upto {
			c.wrong(Finding{e.upto - 1, "checkpoints.log", 0, "no tree that the old key has signed holds the record of the change of key", "trust no record from here on; ask who has held the keys"})
		}
	}
	c.witnesses(newest)
}

// signature verifies a checkpoint. It gives nil where the signature that must be there is not, and says so.
func (c *check) signature(s *signed, all []era, known note.Verifiers) *note.Note {
	f := Finding{Index: -1, File: s.file, Offset: s.offset, Do: restore}
	n, err := OpenNote(s.note, known)
	if err != nil && s.agrees && s.Size <= c.report.Deleted {
		return nil // by a key whose change may be among the records that are gone; later trees hold the same records
	}
	if err != nil {
		f.What = fmt.Sprintf("the checkpoint of %d records has no signature that can be verified: %v", s.Size, err)
		c.wrong(f)
		return nil
	}
	at := slices.IndexFunc(all, func(e era) bool { return e.upto < 0 || s.Size <= e.upto })
	if at < 0 || !signedBy(n, all[at].key) {
		f.Index = min(s.Size, c.bodies.size) - 1
		f.What = fmt.Sprintf("the checkpoint of %d records is forged: it is not signed by the key that was the log's then", s.Size)
		f.Do = "trust no record after the checkpoint before it; ask who has held the keys"
		c.wrong(f)
		return nil
	}
	return n
}

func signedBy(n *note.Note, key note.Verifier) bool {
	return slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == key.Name() && s.Hash == key.KeyHash() })
}

// disagrees says what a signed root that is not the records' means.
func (c *check) disagrees(s *signed) {
	if s.Size > c.bodies.size {
		if c.lost {
			return // it was said
		}
		c.wrong(Finding{c.bodies.size, s.file, s.offset, fmt.Sprintf("a tree of %d records was signed, and the log has %d: it was cut, or is an older copy", s.Size, c.bodies.size), restore})
		return
	}
	if s.first < 0 {
		c.wrong(Finding{-1, s.file, s.offset, fmt.Sprintf("another tree of %d records was signed: there are two histories of this log, and this is one of them", s.Size), "keep both; ask who holds the key, and the witnesses which one they have seen"})
		return
	}
	c.wrong(Finding{s.first, s.file, s.offset, fmt.Sprintf("the tree of %d records is not the one that was signed: the first record that may be altered, added or missing is %d", s.Size, s.first), restore})
}

// witnesses holds the newest tree with a quorum against how far the log has come since.
func (c *check) witnesses(newest *signed) {
	if c.o.Witnesses == nil || c.bodies.size == 0 {
		return
	}
	most := c.o.Unwitness
	if most == 0 {
		most = defaultUnwitness
	}
	switch {
	case newest == nil:
		c.wrong(Finding{0, "checkpoint", 0, "no checkpoint has the cosignatures that the policy asks for", "ask the witnesses what they have seen of this log"})
	case c.last.Sub(newest.now) > most:
		c.wrong(Finding{newest.Size, newest.file, newest.offset, fmt.Sprintf("no quorum has witnessed what follows for %s", c.last.Sub(newest.now).Round(1e9)), "ask the witnesses what they have seen of this log"})
	}
}
