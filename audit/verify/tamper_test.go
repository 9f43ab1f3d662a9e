package verify_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// TestEveryBit flips each bit of a log, one by one. One of the records or of a checkpoint is a finding; one of a record is a
// finding that names it. One of hashes.dat alters nothing, for the records say the same, and is a warning that names the file.
func TestEveryBit(t *testing.T) {
	b, k := small(t)
	o := verify.Options{Keys: []string{k.vkey}}
	clean := b.dir()
	step := 1
	if testing.Short() {
		step = 13
	}
	for _, name := range slices.Sorted(maps.Keys(clean)) {
		dir := maps.Clone(clean)
		data := clean[name].Data
		for bit := 0; bit < 8*len(data); bit += step {
			flipped := bytes.Clone(data)
			flipped[bit/8] ^= 1 << (bit % 8)
			dir[name] = &fstest.MapFile{Data: flipped}
			r, err := verify.Directory(dir, o)
			if err != nil {
				t.Fatalf("%s: bit %d: %v", name, bit, err)
			}
			if what := b.missed(r, name, bit/8); what != "" {
				t.Fatalf("%s: bit %d: %s: %+v", name, bit, what, r)
			}
		}
	}
}

// missed is what a report does not say of a flipped bit.
func (b *book) missed(r verify.Report, name string, at int) string {
	if name == "hashes.dat" {
		if len(r.Findings) != 0 || len(r.Warnings) == 0 || r.Warnings[0].File != name {
			return "want a warning that names the file"
		}
		return ""
	}
	if len(r.Findings) == 0 {
		// A length that is too large looks like a write that was cut short, where nothing follows it.
		if name == "checkpoints.log" && len(r.Warnings) == 1 && r.Warnings[0].File == name {
			return ""
		}
		return "nothing found"
	}
	if strings.HasPrefix(name, "seg-") {
		if want := b.at(name, at); r.Findings[0].Index != want || r.Findings[0].File != name {
			return fmt.Sprintf("want record %d", want)
		}
	}
	return ""
}

// at is the index of the record at an offset of a segment.
func (b *book) at(name string, offset int) int64 {
	var first, found int64
	_, _ = fmt.Sscanf(name, "seg-%d.log", &first)
	for i, start := range b.starts {
		if i >= first && i < first+int64(b.records(name)) && start <= offset {
			found = max(found, i)
		}
	}
	return found
}

func (b *book) records(name string) (n int) {
	for rest := b.segments[name]; len(rest) > 0; n++ {
		_, rest, _ = verify.Frame(rest)
	}
	return n
}

// frames are the records of a segment.
func frames(t testing.TB, data []byte) (all [][]byte) {
	t.Helper()
	for len(data) > 0 {
		var one []byte
		var err error
		if one, data, err = verify.Frame(data); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func joined(records ...[]byte) *fstest.MapFile {
	var b []byte
	for _, r := range records {
		b = verify.AppendFrame(b, r)
	}
	return &fstest.MapFile{Data: b}
}

// TestATamperer is somebody who can write every file of a log, with checksums that fit, and has no key.
func TestATamperer(t *testing.T) {
	const first, middle, last = "seg-00000000000000000000.log", "seg-00000000000000000003.log", "seg-00000000000000000006.log"
	for name, c := range map[string]struct {
		tamper func(dir fstest.MapFS, b *book)
		index  int64
		words  string
	}{
		"alters a record": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[middle].Data)
			r[1] = bytes.Replace(r[1], []byte(`"n"`), []byte(`"m"`), 1)
			dir[middle] = joined(r...)
		}, 4, "altered"},
		"alters a record and its hash": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[middle].Data)
			r[1] = bytes.Replace(r[1], []byte(`:"b"`), []byte(`:"c"`), 1)
			dir[middle] = joined(r...)
			rehash(t, dir)
		}, 4, "the first record that may be altered, added or missing is 4"},
		"drops a record": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[first].Data)
			dir[first] = joined(r[0], r[2])
		}, 1, "altered"},
		"drops a record and its hash": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[last].Data)
			dir[last] = joined(r[0])
			rehash(t, dir)
		}, 7, "was cut"},
		"swaps records": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[first].Data)
			dir[first] = joined(r[0], r[2], r[1])
		}, 1, "altered"},
		"swaps records and their hashes": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[first].Data)
			dir[first] = joined(r[0], r[2], r[1])
			rehash(t, dir)
		}, 1, "where 2 must be"},
		"repeats a record": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[last].Data)
			dir[last] = joined(r[0], r[0], r[1])
		}, 7, "altered"},
		"appends a record": {func(dir fstest.MapFS, b *book) {
			r := frames(t, dir[last].Data)
			dir[last] = joined(append(r, r[1])...)
		}, 8, "where 5 must be"},
		"deletes a segment": {func(dir fstest.MapFS, b *book) { delete(dir, middle) }, 3, "records 3 to 5 are missing"},
		"deletes the last segment": {func(dir fstest.MapFS, b *book) {
			delete(dir, last)
		}, 6, "was cut"},
		"cuts the tail and hashes": {func(dir fstest.MapFS, b *book) {
			delete(dir, last)
			rehash(t, dir)
		}, 6, "was cut"},
		"cuts the tail in a record": {func(dir fstest.MapFS, b *book) {
			dir[last].Data = dir[last].Data[:len(dir[last].Data)-5]
		}, 7, "cannot be read"},
		"renames a segment": {func(dir fstest.MapFS, b *book) {
			dir["seg-00000000000000000007.log"] = dir[last]
			delete(dir, last)
		}, 6, "records 6 to 6 are missing"},
		"deletes the checkpoints": {func(dir fstest.MapFS, b *book) {
			delete(dir, "checkpoint")
			delete(dir, "checkpoints.log")
		}, -1, "newest checkpoint is missing"},
		"puts an earlier checkpoint back and cuts": {func(dir fstest.MapFS, b *book) {
			dir["checkpoint"].Data = bytes.Clone(b.earlier[0])
			dir["checkpoints.log"].Data = verify.AppendFrame(nil, b.newest)
			delete(dir, last)
		}, 6, "was cut"},
		"signs with a key of their own": {func(dir fstest.MapFS, b *book) {
			own := newKey(t)
			dir["checkpoint"].Data = b.sign(own)
		}, -1, "no signature that can be verified"},
		"writes a file that is no checkpoint": {func(dir fstest.MapFS, b *book) { dir["checkpoint"].Data = []byte("sound\n") }, -1, "not a checkpoint"},
		"brings the checkpoint of another log": {func(dir fstest.MapFS, b *book) {
			dir["checkpoint"].Data = bytes.Replace(b.newest, []byte(origin), []byte("other.example/audit"), 1)
		}, -1, "it is a checkpoint of"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := small(t)
			dir := b.dir()
			c.tamper(dir, b)
			found(t, check(t, dir, verify.Options{Keys: []string{k.vkey}}), c.index, c.words)
		})
	}
}

// rehash makes hashes.dat what follows from the segments.
func rehash(t testing.TB, dir fstest.MapFS) {
	b := newBook(t)
	for _, name := range slices.Sorted(maps.Keys(dir)) {
		if strings.HasPrefix(name, "seg-") {
			for _, r := range frames(t, dir[name].Data) {
				b.raw(r)
			}
		}
	}
	dir["hashes.dat"] = b.dir()["hashes.dat"]
}

func TestAnOldSnapshotContinued(t *testing.T) {
	b, k := small(t)
	w := newWitness(t, "witness.example/w")
	p := policy(t, "witness w "+w.vkey()+"\nquorum w\n")
	b.act("n/b", "four")
	seen := b.sign(k, w)
	fork, _ := small(t)
	fork.earlier, fork.newest = nil, nil
	fork.act("n/b", "not four")
	fork.act("n/b", "five")
	fork.sign(k)
	found(t, check(t, fork.dir(), verify.Options{Keys: []string{k.vkey}, Checkpoint: seen}), -1, "two histories")
	found(t, check(t, fork.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p}), 0, "no checkpoint has the cosignatures")
}

func TestChangesOfKey(t *testing.T) {
	t.Run("are followed", func(t *testing.T) {
		b, one := small(t)
		two := newKey(t)
		b.change("n/b", one, two)
		b.sign(one, two)
		b.act("n/b", "x")
		b.sign(two)
		for name, keys := range map[string][]string{"the first": {one.vkey}, "the second": {two.vkey}, "both": {one.vkey, two.vkey}} {
			t.Run(name, func(t *testing.T) {
				r := check(t, b.dir(), verify.Options{Keys: keys})
				sound(t, r, 0)
				if r.Attested != 11 || !slices.Equal(r.Keys, []string{one.vkey, two.vkey}) {
					t.Errorf("the report is %+v", r)
				}
			})
		}
	})
	for name, c := range map[string]struct {
		write func(b *book, one, two, evil key)
		index int64
		words string
	}{
		"the old key signs what follows": {func(b *book, one, two, evil key) {
			b.change("n/b", one, two)
			b.sign(one, two)
			b.act("n/b", "x")
			b.sign(one)
		}, 10, "is forged"},
		"the old key has not signed the change": {func(b *book, one, two, evil key) {
			b.change("n/b", one, two)
			b.act("n/b", "x")
			b.sign(two)
		}, 8, "no tree that the old key has signed"},
		"a key that was never the log's hands over": {func(b *book, one, two, evil key) {
			b.change("n/b", evil, two)
			b.sign(one, two)
		}, -1, "has never been the log's"},
		"the signature is somebody else's": {func(b *book, one, two, evil key) {
			signed, _ := note.Sign(&note.Note{Text: verify.Rotation(origin, two.vkey)}, evil)
			b.put("n/b", verify.Entry{Code: verify.KeyChange, Phase: verify.Notice, Notice: &verify.Note{Old: one.vkey, New: two.vkey, Signed: string(signed)}})
			b.sign(one, two)
		}, 8, "is not signed by the key that was the log's"},
		"the signature is of another change": {func(b *book, one, two, evil key) {
			signed, _ := note.Sign(&note.Note{Text: verify.Rotation(origin, evil.vkey)}, one)
			b.put("n/b", verify.Entry{Code: verify.KeyChange, Phase: verify.Notice, Notice: &verify.Note{Old: one.vkey, New: two.vkey, Signed: string(signed)}})
			b.sign(one, two)
		}, 8, "is not signed by the key that was the log's"},
		"the second key was pinned, and has signed nothing": {func(b *book, one, two, evil key) {
			b.pin = two.vkey
			b.change("n/b", one, two)
			b.sign(one)
		}, -1, "no tree is signed by the key that was pinned"},
		"a second change by the first key": {func(b *book, one, two, evil key) {
			b.change("n/b", one, two)
			b.sign(one, two)
			b.change("n/b", one, evil)
			b.sign(one, evil)
		}, 9, "is not signed by the key that was the log's"},
	} {
		t.Run(name, func(t *testing.T) {
			b, one := small(t)
			c.write(b, one, newKey(t), newKey(t))
			found(t, check(t, b.dir(), verify.Options{Keys: []string{cmp.Or(b.pin, one.vkey)}}), c.index, c.words)
		})
	}
}

// FuzzDirectory asks that no bytes bring the verifier down, and that none but the log's own are sound.
func FuzzDirectory(f *testing.F) {
	b, k := small(f)
	clean := b.dir()
	for name, file := range clean {
		f.Add(name, file.Data)
	}
	f.Add("seg-00000000000000000002.log", []byte("x"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		dir := maps.Clone(clean)
		if !fsName(name) {
			return
		}
		dir[name] = &fstest.MapFile{Data: data}
		r, err := verify.Directory(dir, verify.Options{Keys: []string{k.vkey}})
		if err == nil && len(r.Findings) == 0 && r.Attested != b.size {
			t.Errorf("sound without signatures: %+v", r)
		}
	})
}

func fsName(name string) bool {
	return strings.HasPrefix(name, "seg-") && !strings.Contains(name, "/") || name == "checkpoint" || name == "checkpoints.log" || name == "hashes.dat"
}
