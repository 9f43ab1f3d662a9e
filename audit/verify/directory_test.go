package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// small is a log of two processes, three segments, two checkpoints.
func small(t testing.TB) (*book, key) {
	b, k := newBook(t), newKey(t)
	b.start("n/a")
	b.act("n/a", "one")
	b.rotate()
	b.intent("n/a", "two")
	b.sign(k)
	b.start("n/b")
	b.outcome("n/b", "two", "unknown")
	b.rotate()
	b.act("n/b", "three")
	b.sign(k)
	return b, k
}

func TestASoundLogIsSound(t *testing.T) {
	b, k := small(t)
	r := check(t, b.dir(), verify.Options{Keys: []string{k.vkey}})
	sound(t, r, 0)
	if r.Size != 8 || r.Attested != 8 || r.Boots != 2 || r.Open != 0 || !r.Pinned || r.Origin != origin {
		t.Errorf("the report is %+v", r)
	}
}

func TestWithoutAPinnedKeyNothingIsTrusted(t *testing.T) {
	b, k := small(t)
	dir := b.dir()
	dir["log.pub"] = file(k.vkey + "\n")
	r := check(t, dir, verify.Options{})
	sound(t, r, 0)
	if r.Pinned {
		t.Error("a key that stands beside the log was trusted")
	}
	other := newKey(t)
	r = check(t, dir, verify.Options{Keys: []string{other.vkey}})
	found(t, r, -1, "no signature that can be verified")
}

func TestRecordsAfterTheNewestCheckpointAreNamed(t *testing.T) {
	b, k := small(t)
	b.act("n/b", "four")
	r := check(t, b.dir(), verify.Options{Keys: []string{k.vkey}})
	warned(t, r, 8, "no signature holds the last 2 records")
	if r.Attested != 8 || r.Size != 10 {
		t.Errorf("the report is %+v", r)
	}
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		write func(b *book)
		index int64
		words string
	}{
		"a number is left out":                 {func(b *book) { b.seq["n/b"]++; b.act("n/b", "x") }, 8, "writes its record 6 where 5 must be"},
		"a number comes again":                 {func(b *book) { b.seq["n/b"]--; b.act("n/b", "x") }, 8, "where 5 must be"},
		"a process does not begin":             {func(b *book) { b.seq["m/z"] = 4; b.act("m/z", "x") }, 8, "has not begun"},
		"a process begins with another record": {func(b *book) { b.act("m/z", "x") }, 8, "the first record of a process"},
		"a process begins twice":               {func(b *book) { b.start("n/b") }, 8, "begins a second time"},
		"an outcome without an intent":         {func(b *book) { b.outcome("n/b", "x", "done") }, 8, "has no intent"},
		"two outcomes":                         {func(b *book) { b.outcome("n/b", "three", "done") }, 8, "has no intent, or is its second one"},
		"two intents":                          {func(b *book) { b.intent("n/b", "x"); b.intent("n/b", "x") }, 9, "two intents"},
		"an outcome of something else": {func(b *book) {
			b.intent("n/b", "x")
			b.put("n/b", verify.Entry{ID: "x", Code: "token.issue", Phase: verify.Outcome, Result: "done"})
		}, 9, "is of token.issue"},
		"an ended process's intent stays open": {func(b *book) { b.intent("n/b", "x"); b.start("n/c"); b.act("n/c", "y") }, 8, "the act x has no outcome"},
		"another log": {func(b *book) {
			b.put("n/c", verify.Entry{Code: verify.Started, Phase: verify.Notice, About: "other.example/audit"})
		}, 8, "writes the log other.example/audit"},
		"a code of the log's own that is an act": {func(b *book) { b.put("n/b", verify.Entry{Code: "log.own", Phase: verify.Intent}) }, 8, "does not go with phase intent"},
		"a notice that is not known":             {func(b *book) { b.put("n/b", verify.Entry{Code: "log.own", Phase: verify.Notice}) }, 8, "code log.own is not known"},
		"a phase that is not known":              {func(b *book) { b.put("n/b", verify.Entry{Code: "x", Phase: "rumour"}) }, 8, "phase rumour"},
		"a member that is not known":             {func(b *book) { b.raw([]byte(`{"v":1,"id":"x","secret":"y"}`)) }, 8, "unknown field"},
		"a later version":                        {func(b *book) { b.raw([]byte(`{"v":2}`)) }, 8, "version 2"},
		"an outcome without a result":            {func(b *book) { b.intent("n/b", "x"); b.outcome("n/b", "x", "") }, 9, "has a result"},
		"a refusal with a result":                {func(b *book) { b.put("n/b", verify.Entry{Code: "x", Phase: verify.Refusal, Result: "done"}) }, 8, "has a result"},
		"an operator's gap": {func(b *book) {
			b.put("n/b", verify.Entry{Code: verify.Gap, Phase: verify.Notice, Notice: &verify.Note{From: 8, To: 12}})
		}, 8, "records 8 to 11 are missing"},
		"held records are deleted": {func(b *book) {
			b.put("n/b", verify.Entry{Code: verify.Held, Phase: verify.Notice, Notice: &verify.Note{From: 2, To: 5}})
			b.retire("n/b", 0, 3)
		}, 9, "record 8 holds those from 2 to 4"},
		"retention of another tree": {func(b *book) {
			b.put("n/b", verify.Entry{Code: verify.Retention, Phase: verify.Notice, Notice: &verify.Note{From: 0, To: 3, Root: b.root().String()}})
		}, 8, "names another tree of 3 records"},
		"an unknown bundle": {func(b *book) {
			b.put("n/b", verify.Entry{Code: "x", Phase: verify.Refusal, Policy: &verify.Decision{Verdict: "deny", Bundle: "sha256:evil"}})
		}, 8, "policy bundle sha256:evil"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := small(t)
			c.write(b)
			b.sign(k)
			r := check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Bundles: []string{"sha256:good"}})
			found(t, r, c.index, c.words)
			for _, f := range r.Findings {
				if f.Index < c.index {
					t.Errorf("a finding before the first bad record: %+v", f)
				}
			}
		})
	}
}

func TestWhatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		write    func(b *book)
		warnings int
	}{
		"acts of a process that works": {func(b *book) { b.intent("n/b", "x") }, 0},
		"a process that began and ended": {func(b *book) {
			b.intent("n/b", "x")
			b.start("n/c")
			b.start("n/d")
			b.outcome("n/d", "x", "unknown")
			b.act("n/d", "y")
		}, 0},
		"processes at the same time":      {func(b *book) { b.start("m/z"); b.intent("m/z", "x"); b.act("n/b", "y"); b.outcome("m/z", "x", "done") }, 0},
		"another node closes":             {func(b *book) { b.start("m/z"); b.intent("m/z", "x"); b.outcome("n/b", "x", "unknown") }, 0},
		"a clock that goes back a little": {func(b *book) { b.now = b.now.Add(-20 * time.Second); b.act("n/b", "x") }, 0},
		"a clock that goes back an hour":  {func(b *book) { b.now = b.now.Add(-time.Hour); b.act("n/b", "x") }, 1},
		"dropped lists, and a minute's quiet": {func(b *book) {
			b.put("n/b", verify.Entry{Code: verify.Dropped, Phase: verify.Notice, Count: 3})
			b.put("n/b", verify.Entry{Code: verify.Alive, Phase: verify.Notice})
		}, 0},
		"a hold that has ended": {func(b *book) {
			for _, code := range []string{verify.Held, verify.Released} {
				b.put("n/b", verify.Entry{Code: code, Phase: verify.Notice, Notice: &verify.Note{From: 2, To: 5}})
			}
			b.retire("n/b", 0, 3)
		}, 0},
		"a known bundle": {func(b *book) {
			b.put("n/b", verify.Entry{Code: "x", Phase: verify.Refusal, Policy: &verify.Decision{Verdict: "deny", Bundle: "sha256:good"}})
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := small(t)
			c.write(b)
			b.sign(k)
			sound(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Bundles: []string{"sha256:good"}}), c.warnings)
		})
	}
}

func TestRetention(t *testing.T) {
	b, k := small(t)
	b.retire("n/b", 0, 3)
	b.sign(k)
	o := verify.Options{Keys: []string{k.vkey}}
	dir := b.dir()
	delete(dir, "seg-00000000000000000000.log")
	r := check(t, dir, o)
	sound(t, r, 0)
	if r.Deleted != 3 || r.Size != 9 {
		t.Errorf("the report is %+v", r)
	}
	t.Run("more is gone than was said", func(t *testing.T) {
		delete(dir, "seg-00000000000000000003.log")
		found(t, check(t, dir, o), 0, "records 0 to 5 are missing")
	})
	t.Run("something in the middle is gone", func(t *testing.T) {
		dir := b.dir()
		delete(dir, "seg-00000000000000000003.log")
		found(t, check(t, dir, o), 3, "records 3 to 5 are missing")
	})
	t.Run("the hashes of what is gone were altered", func(t *testing.T) {
		dir := b.dir()
		delete(dir, "seg-00000000000000000000.log")
		dir["hashes.dat"].Data[3] ^= 1
		r := check(t, dir, o)
		found(t, r, 0, "the first record that may be altered, added or missing is 0")
	})
}

func TestAGapThatIsKnown(t *testing.T) {
	b, k := small(t)
	b.put("n/b", verify.Entry{Code: verify.Gap, Phase: verify.Notice, Notice: &verify.Note{From: 8, To: 12}})
	b.sign(k)
	sound(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Gaps: []int64{8}}), 0)
}

func TestATornTail(t *testing.T) {
	b, k := small(t)
	dir := b.dir()
	last := dir["seg-00000000000000000006.log"]
	last.Data = append(last.Data, 0, 0, 1)
	warned(t, check(t, dir, verify.Options{Keys: []string{k.vkey}}), 8, "cut short")
	last.Data = verify.AppendFrame(last.Data[:len(last.Data)-3], []byte(`{"v":1}`))
	last.Data = last.Data[:len(last.Data)-2]
	warned(t, check(t, dir, verify.Options{Keys: []string{k.vkey}}), 8, "cut short")
	last.Data = last.Data[:len(b.segments["seg-00000000000000000006.log"])-1]
	found(t, check(t, dir, verify.Options{Keys: []string{k.vkey}}), 7, "cannot be read")
}

func TestHashesAreDerivable(t *testing.T) {
	b, k := small(t)
	dir := b.dir()
	dir["hashes.dat"].Data = dir["hashes.dat"].Data[:70]
	warned(t, check(t, dir, verify.Options{Keys: []string{k.vkey}}), 1, "the file ends")
	delete(dir, "hashes.dat")
	warned(t, check(t, dir, verify.Options{Keys: []string{k.vkey}}), -1, "missing")
}

func TestAnotherCheckpoint(t *testing.T) {
	b, k := small(t)
	o := func(c []byte) verify.Options { return verify.Options{Keys: []string{k.vkey}, Checkpoint: c} }
	early := b.newest
	old := b.dir()
	b.act("n/b", "four")
	late := b.sign(k)
	t.Run("of an earlier tree", func(t *testing.T) { sound(t, check(t, b.dir(), o(early)), 0) })
	t.Run("of a later tree", func(t *testing.T) {
		found(t, check(t, old, o(late)), 8, "a tree of 10 records was signed, and the log has 8")
	})
	t.Run("of another history", func(t *testing.T) {
		fork, _ := small(t)
		fork.act("n/b", "five")
		fork.sign(k)
		fork.earlier = nil
		r := check(t, fork.dir(), o(late))
		found(t, r, -1, "two histories")
	})
	t.Run("that is none", func(t *testing.T) {
		if _, err := verify.Directory(b.dir(), o([]byte("x"))); err == nil || !strings.Contains(err.Error(), "not a checkpoint") {
			t.Errorf("got %v", err)
		}
	})
}
