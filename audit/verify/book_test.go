package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

const origin = "mcp.example.com/audit"

// key is a key of the log.
type key struct {
	note.Signer
	vkey string
}

func newKey(t testing.TB) key {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return key{s, public}
}

// book is a log that a test writes, in the layout that package verify describes.
type book struct {
	t        testing.TB
	now      time.Time
	segments map[string][]byte
	segment  string
	starts   map[int64]int // :: index → offset of its frame in its segment
	hashes   []tlog.Hash
	size     int64
	newest   []byte
	earlier  [][]byte
	seq      map[string]int64
	ids      int
	pin      string // a key to pin that is not the first
}

func (b *book) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, i := range indexes {
		all = append(all, b.hashes[i])
	}
	return all, nil
}

func newBook(t testing.TB) *book {
	b := &book{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), segments: map[string][]byte{}, seq: map[string]int64{}, starts: map[int64]int{}}
	b.rotate()
	return b
}

// rotate begins another segment.
func (b *book) rotate() { b.segment = fmt.Sprintf("seg-%020d.log", b.size) }

// raw keeps bytes as a record.
func (b *book) raw(record []byte) {
	b.t.Helper()
	hashes, err := tlog.StoredHashes(b.size, record, b)
	if err != nil {
		b.t.Fatal(err)
	}
	b.starts[b.size] = len(b.segments[b.segment])
	b.hashes = append(b.hashes, hashes...)
	b.segments[b.segment] = verify.AppendFrame(b.segments[b.segment], record)
	b.size++
}

// put numbers an entry and keeps it. Who is "node/boot".
func (b *book) put(who string, e verify.Entry) {
	b.t.Helper()
	b.seq[who]++
	b.now = b.now.Add(time.Millisecond)
	e.V, e.Seq, e.Time = verify.Version, b.seq[who], b.now.Format(time.RFC3339Nano)
	e.Node, e.Boot, _ = strings.Cut(who, "/")
	if e.ID == "" {
		b.ids++
		e.ID = fmt.Sprint("id", b.ids)
	}
	record, err := verify.Encode(&e)
	if err != nil {
		b.t.Fatal(err)
	}
	b.raw(record)
}

func (b *book) start(who string) {
	b.put(who, verify.Entry{Code: verify.Started, Phase: verify.Notice, About: origin})
}

func (b *book) intent(who, id string) {
	b.put(who, verify.Entry{ID: id, Code: "mcp.call", Phase: verify.Intent})
}

func (b *book) outcome(who, id, result string) {
	b.put(who, verify.Entry{ID: id, Code: "mcp.call", Phase: verify.Outcome, Result: result})
}

func (b *book) act(who, id string) {
	b.intent(who, id)
	b.outcome(who, id, "done")
}

func (b *book) root() tlog.Hash {
	b.t.Helper()
	h, err := tlog.TreeHash(b.size, b)
	if err != nil {
		b.t.Fatal(err)
	}
	return h
}

// sign publishes a checkpoint and gives it.
func (b *book) sign(by ...note.Signer) []byte {
	b.t.Helper()
	if b.newest != nil {
		b.earlier = append(b.earlier, b.newest)
	}
	signed, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: origin, Size: b.size, Root: b.root()}.Text()}, by...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.newest = signed
	return signed
}

// change writes the record by which one key hands over to another.
func (b *book) change(who string, from, to key) {
	b.t.Helper()
	signed, err := note.Sign(&note.Note{Text: verify.Rotation(origin, to.vkey)}, from)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(who, verify.Entry{Code: verify.KeyChange, Phase: verify.Notice, Notice: &verify.Note{Old: from.vkey, New: to.vkey, Signed: string(signed)}})
}

// retire writes the notice of retention of the records before an index, and deletes the segments that end before it.
func (b *book) retire(who string, from, to int64) {
	root, err := tlog.TreeHash(to, b)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(who, verify.Entry{Code: verify.Retention, Phase: verify.Notice, Notice: &verify.Note{From: from, To: to, Root: root.String()}})
}

func (b *book) dir() fstest.MapFS {
	dir := fstest.MapFS{}
	for name, data := range b.segments {
		dir[name] = &fstest.MapFile{Data: bytes.Clone(data)}
	}
	var hashes, earlier []byte
	for _, h := range b.hashes {
		hashes = append(hashes, h[:]...)
	}
	for _, n := range b.earlier {
		earlier = verify.AppendFrame(earlier, n)
	}
	dir["hashes.dat"] = &fstest.MapFile{Data: hashes}
	dir["checkpoints.log"] = &fstest.MapFile{Data: earlier}
	if b.newest != nil {
		dir["checkpoint"] = &fstest.MapFile{Data: bytes.Clone(b.newest)}
	}
	return dir
}

func check(t testing.TB, dir fstest.MapFS, o verify.Options) verify.Report {
	t.Helper()
	r, err := verify.Directory(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sound asks that nothing is wrong, and for so many warnings.
func sound(t testing.TB, r verify.Report, warnings int) {
	t.Helper()
	if len(r.Findings) > 0 || len(r.Warnings) != warnings {
		t.Errorf("want no findings and %d warnings, got %+v", warnings, r)
	}
}

// found asks for a finding about a record with these words.
func found(t testing.TB, r verify.Report, index int64, words string) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Index == index && strings.Contains(f.What, words) && f.Do != "" {
			return
		}
	}
	t.Errorf("no finding about record %d with %q: %+v", index, words, r)
}

// warned asks for a warning about a record with these words, and no finding.
func warned(t testing.TB, r verify.Report, index int64, words string) {
	t.Helper()
	for _, f := range r.Warnings {
		if f.Index == index && strings.Contains(f.What, words) && len(r.Findings) == 0 {
			return
		}
	}
	t.Errorf("no warning about record %d with %q, or findings: %+v", index, words, r)
}

// witness cosigns as C2SP tlog-cosignature says, written here anew.
type witness struct {
	name    string
	private ed25519.PrivateKey
	at      time.Time
}

func newWitness(t testing.TB, name string) witness {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return witness{name, private, time.Unix(1_790_000_000, 0)}
}

func (w witness) material() []byte {
	return append([]byte{4}, w.private.Public().(ed25519.PublicKey)...)
}
func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return verify.KeyHash(w.name, w.material()) }
func (w witness) vkey() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.KeyHash(), base64.StdEncoding.EncodeToString(w.material()))
}

func (w witness) Sign(text []byte) ([]byte, error) {
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", w.at.Unix(), text)
	return append(binary.BigEndian.AppendUint64(nil, uint64(w.at.Unix())), ed25519.Sign(w.private, []byte(message))...), nil
}

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
