package export_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

var moment = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func openWitness(t testing.TB, dir string, key export.WitnessKey, logs ...note.Verifier) *export.Witness {
	t.Helper()
	w, err := export.OpenWitness(export.WitnessConfig{Dir: dir, Key: key, Logs: logs, Now: func() time.Time { return moment }, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func post(h http.Handler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
	return w
}

// request is the body of add-checkpoint from one size to the newest checkpoint.
func request(t testing.TB, j *journal, old int64, checkpoint []byte) string {
	t.Helper()
	c, err := verify.ParseCheckpoint(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("old %d\n", old)
	if old > 0 && old < c.Size {
		proof, err := tlog.ProveTree(c.Size, old, j.Hashes(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range proof {
			text += h.String() + "\n"
		}
	}
	return text + "\n" + string(checkpoint)
}

// cosigned asks that an answer is the witness's cosignature of a checkpoint.
func cosigned(t testing.TB, w *httptest.ResponseRecorder, key export.WitnessKey, checkpoint []byte) {
	t.Helper()
	v, err := verify.Cosigner(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	if _, err := note.Open([]byte(text+"\n\n"+w.Body.String()), note.VerifierList(v)); w.Code != http.StatusOK || err != nil {
		t.Errorf("answered %d %q: %v", w.Code, w.Body, err)
	}
}

// TestWitness is C2SP tlog-witness, sentence by sentence.
func TestWitness(t *testing.T) {
	j, key, dir := newJournal(t), newWitnessKey(t, "witness.example/w1"), t.TempDir()
	w := openWitness(t, dir, key, j.verifier())
	monitor := fmt.Sprintf("/%x/checkpoint", sha256.Sum256([]byte(origin)))
	if got := get(w, monitor, false); got.Code != http.StatusNotFound {
		t.Errorf("a log that was never cosigned is answered by %d", got.Code)
	}
	j.add(5, "record")
	five := j.sign()
	cosigned(t, post(w, request(t, j, 0, five)), key, five)
	cosigned(t, post(w, request(t, j, 5, five)), key, five)
	j.add(3, "record")
	eight := j.sign()
	conflict := post(w, request(t, j, 0, eight))
	if conflict.Code != http.StatusConflict || conflict.Body.String() != "5\n" || conflict.Header().Get("Content-Type") != "text/x.tlog.size" {
		t.Errorf("another old size is answered by %d %v %q", conflict.Code, conflict.Header(), conflict.Body)
	}
	cosigned(t, post(w, request(t, j, 5, eight)), key, eight)
	if got := get(w, monitor, false); got.Code != http.StatusOK || !bytes.HasPrefix(got.Body.Bytes(), eight) || !strings.Contains(got.Body.String(), "— witness.example/w1 ") {
		t.Errorf("monitors are answered by %d %q", got.Code, got.Body)
	}

	stranger := newJournal(t)
	stranger.add(9, "record")
	fork := openJournal(t, j.key, j.vkey)
	fork.add(8, "record of another history")
	sameSize := fork.sign()
	fork.add(3, "x")
	later := fork.sign()
	j.add(1, "record")
	nine := j.sign()
	good := request(t, j, 8, nine)
	empty, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: origin}.Text()}, j.key)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _, _ := note.GenerateKey(bytes.NewReader(make([]byte, 64)), "other.example/log")
	other, err := note.NewSigner(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	unknown, _ := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: "other.example/log", Size: 1}.Text()}, other)
	broken := strings.Replace(string(nine), "\n9\n", "\n10\n", 1)
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"an unknown log":                     {"old 0\n\n" + string(unknown), 404},
		"an unknown key":                     {request(t, stranger, 0, stranger.sign()), 403},
		"a signature that does not fit":      {"old 8\n\n" + broken, 403},
		"an old size that is larger":         {"old 10\n\n" + string(nine), 400},
		"an old size that is not the newest": {request(t, j, 5, nine), 409},
		"a smaller tree":                     {request(t, j, 5, five), 409},
		"another tree of the same size":      {request(t, fork, 8, sameSize), 422},
		"a tree of another history":          {request(t, fork, 8, later), 422},
		"no proof":                           {"old 8\n\n" + string(nine), 422},
		"a proof for the same size":          {"old 8\n" + tlog.Hash{}.String() + "\n\n" + string(eight), 422},
		"a proof of something else":          {"old 8\n" + tlog.Hash{}.String() + "\n\n" + string(nine), 422},
		"a tree of zero records, later":      {"old 0\n\n" + string(empty), 409},
		"no line of the old size":            {strings.TrimPrefix(good, "old 8\n"), 400},
		"an old size in another spelling":    {strings.Replace(good, "old 8", "old 08", 1), 400},
		"an old size below zero":             {strings.Replace(good, "old 8", "old -8", 1), 400},
		"a hash that is none":                {strings.Replace(good, "old 8\n", "old 8\nAAAA\n", 1), 400},
		"64 hashes":                          {strings.Replace(good, "old 8\n", "old 8\n"+strings.Repeat(tlog.Hash{}.String()+"\n", 64), 1), 400},
		"63 hashes":                          {strings.Replace(good, "old 8\n", "old 8\n"+strings.Repeat(tlog.Hash{}.String()+"\n", 61), 1), 422},
		"no checkpoint":                      {"old 8\n\n", 400},
		"nothing":                            {"", 400},
		"more than a checkpoint can be":      {good + strings.Repeat("x", 100<<10), 400},
		"a size with a sign":                 {strings.Replace(good, "\n9\n", "\n+9\n", 1), 400},
	} {
		t.Run(name, func(t *testing.T) {
			if got := post(w, c.body); got.Code != c.status {
				t.Errorf("answered %d %q, want %d", got.Code, got.Body, c.status)
			}
		})
	}
	cosigned(t, post(w, good), key, nine)

	t.Run("remembers", func(t *testing.T) {
		if _, err := export.OpenWitness(export.WitnessConfig{Dir: dir, Key: key, Logs: []note.Verifier{j.verifier()}, Now: time.Now, Log: silent()}); err == nil {
			t.Error("two witnesses opened one directory")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again := openWitness(t, dir, key, j.verifier())
		if got := post(again, request(t, j, 0, nine)); got.Code != http.StatusConflict || got.Body.String() != "9\n" {
			t.Errorf("answered %d %q", got.Code, got.Body)
		}
		_ = again.Close()
		// Whoever puts a checkpoint of their own there does not make the witness forget.
		name := filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256([]byte(origin))))
		if err := os.WriteFile(name, five, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := export.OpenWitness(export.WitnessConfig{Dir: dir, Key: key, Logs: []note.Verifier{j.verifier()}, Now: time.Now, Log: silent()}); err == nil {
			t.Error("a checkpoint without the witness's own signature was taken for its state")
		}
	})
}

func TestATreeWithoutRecords(t *testing.T) {
	j, key := newJournal(t), newWitnessKey(t, "witness.example/w1")
	w := openWitness(t, t.TempDir(), key, j.verifier())
	sign := func(root tlog.Hash) []byte {
		signed, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: origin, Root: root}.Text()}, j.key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	if got := post(w, "old 0\n\n"+string(sign(tlog.Hash{}))); got.Code != http.StatusUnprocessableEntity {
		t.Errorf("another root is answered by %d", got.Code)
	}
	empty := sign(verify.EmptyRoot)
	cosigned(t, post(w, "old 0\n\n"+string(empty)), key, empty)
}

// TestTwoHistoriesAtOnce has many submit trees that do not go together: exactly one history is cosigned.
func TestTwoHistoriesAtOnce(t *testing.T) {
	j, key := newJournal(t), newWitnessKey(t, "witness.example/w1")
	w := openWitness(t, t.TempDir(), key, j.verifier())
	bodies := make([]string, 16)
	for i := range bodies {
		fork := openJournal(t, j.key, j.vkey)
		fork.add(3, fmt.Sprint("history ", i))
		bodies[i] = request(t, fork, 0, fork.sign())
	}
	var mu sync.Mutex
	var signed int
	var all sync.WaitGroup
	for _, b := range bodies {
		all.Go(func() {
			got := post(w, b)
			mu.Lock()
			defer mu.Unlock()
			if got.Code == http.StatusOK {
				signed++
			} else if got.Code != http.StatusConflict {
				t.Errorf("answered %d", got.Code)
			}
		})
	}
	all.Wait()
	if signed != 1 {
		t.Errorf("%d histories were cosigned", signed)
	}
}

func TestWitnessKeys(t *testing.T) {
	k := newWitnessKey(t, "witness.example/w1")
	again, err := export.ReadWitnessKey(k.Private() + "\n")
	if err != nil || again.Public() != k.Public() {
		t.Errorf("read back as %s: %v", again.Public(), err)
	}
	for _, bad := range []string{"", "x", k.Public(), strings.Replace(k.Private(), "w1", "w2", 1), k.Private()[:len(k.Private())-4]} {
		if _, err := export.ReadWitnessKey(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	for _, bad := range []string{"", "a b", "a+b", "a\n", "\xff"} {
		if _, err := export.NewWitnessKey(bytes.NewReader(make([]byte, 64)), bad); err == nil {
			t.Errorf("%q names a key", bad)
		}
	}
}

// house is a log with witnesses over HTTP.
type house struct {
	*journal
	keys    []export.WitnessKey
	servers []*httptest.Server
	policy  *verify.Policy
}

func newHouse(t *testing.T, n int, quorum string) *house {
	t.Helper()
	h := &house{journal: newJournal(t)}
	text := "log " + h.vkey + "\n"
	for i := range n {
		key := newWitnessKey(t, fmt.Sprintf("witness.example/w%d", i))
		s := httptest.NewServer(openWitness(t, t.TempDir(), key, h.verifier()))
		t.Cleanup(s.Close)
		h.keys, h.servers = append(h.keys, key), append(h.servers, s)
		text += fmt.Sprintf("witness w%d %s %s\n", i, key.Public(), s.URL)
	}
	p, err := verify.ReadPolicy([]byte(text + quorum))
	if err != nil {
		t.Fatal(err)
	}
	h.policy = p
	return h
}

func (h *house) witnesses(j *journal) *export.Witnesses {
	w, err := export.NewWitnesses(export.WitnessesConfig{Policy: h.policy, Leaves: j, Checkpoints: j, Client: http.DefaultClient, Now: time.Now, Log: silent()})
	if err != nil {
		h.t.Fatal(err)
	}
	return w
}

func TestWitnessesAreAsked(t *testing.T) {
	h := newHouse(t, 3, "group g 2 w0 w1 w2\nquorum g\n")
	w := h.witnesses(h.journal)
	if err := w.Submit(t.Context()); err != nil || w.Checkpoint() != nil {
		t.Errorf("without a checkpoint: %v", err)
	}
	for size := range 4 {
		h.add(7+size, "record")
		h.sign()
		if err := w.Submit(t.Context()); err != nil {
			t.Fatal(err)
		}
		newest, err := h.Latest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, err := verify.OpenNote(newest, note.VerifierList(append(h.policy.Cosigners(), h.verifier())...))
		if err != nil || len(n.Sigs) != 4 || !bytes.Equal(newest, w.Checkpoint()) {
			t.Errorf("published %q: %v", newest, err)
		}
	}
	t.Run("again for the same tree", func(t *testing.T) {
		if err := w.Submit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(w.Checkpoint(), []byte("\n— ")); n != 4 {
			t.Errorf("%d signatures after the second time", n)
		}
	})
	t.Run("by a process that knows nothing", func(t *testing.T) {
		h.add(2, "record")
		h.sign()
		if err := h.witnesses(h.journal).Submit(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("one of them is gone", func(t *testing.T) {
		h.servers[2].Close()
		h.add(2, "record")
		h.sign()
		if err := w.Submit(t.Context()); err != nil {
			t.Error(err)
		}
		if late := w.Late(time.Now()); late > time.Minute {
			t.Errorf("late by %v", late)
		}
	})
	t.Run("too many are gone", func(t *testing.T) {
		h.servers[1].Close()
		h.add(2, "record")
		h.sign()
		before := w.Checkpoint()
		if err := w.Submit(t.Context()); err == nil || !strings.Contains(err.Error(), "witness w1") {
			t.Errorf("got %v", err)
		}
		if late := w.Late(time.Now().Add(time.Hour)); late < time.Hour || !bytes.Equal(before, w.Checkpoint()) {
			t.Errorf("late by %v", late)
		}
	})
}

// TestLatenessOutlivesARestart: whoever begins anew is as late as the last cosignature is old.
func TestLatenessOutlivesARestart(t *testing.T) {
	h := newHouse(t, 1, "quorum w0\n")
	h.add(3, "record")
	h.sign()
	w := h.witnesses(h.journal)
	if err := w.Submit(t.Context()); err != nil {
		t.Fatal(err)
	}
	later := moment.Add(time.Hour)
	for name, c := range map[string]struct {
		witnessed []byte
		late      time.Duration
	}{
		"after a restart":                {w.Checkpoint(), time.Hour},
		"for the first time":             {nil, 0},
		"what was kept is by no witness": {h.sign(), 0},
	} {
		again, err := export.NewWitnesses(export.WitnessesConfig{Policy: h.policy, Leaves: h, Checkpoints: h, Client: http.DefaultClient, Now: func() time.Time { return later }, Log: silent(), Witnessed: c.witnessed})
		if err != nil {
			t.Fatal(err)
		}
		if late := again.Late(later); late != c.late {
			t.Errorf("%s: late by %v, want %v", name, late, c.late)
		}
	}
}

// TestAnOldSnapshotIsFoundByAWitness puts an older copy of a log back and goes on from there.
func TestAnOldSnapshotIsFoundByAWitness(t *testing.T) {
	h := newHouse(t, 1, "quorum w0\n")
	h.add(9, "record")
	h.sign()
	if err := h.witnesses(h.journal).Submit(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := openJournal(t, h.key, h.vkey)
	old.add(6, "record")
	old.sign()
	if err := h.witnesses(old).Submit(t.Context()); !errors.Is(err, export.ErrAhead) {
		t.Errorf("the copy: %v", err)
	}
	old.add(5, "another record")
	old.sign()
	if err := h.witnesses(old).Submit(t.Context()); !errors.Is(err, export.ErrFork) {
		t.Errorf("the copy, continued: %v", err)
	}
}

// TestWitnessesThatLie answers with everything but a cosignature.
func TestWitnessesThatLie(t *testing.T) {
	j, key, evil := newJournal(t), newWitnessKey(t, "witness.example/w1"), newWitnessKey(t, "witness.example/w1")
	j.add(3, "record")
	checkpoint := j.sign()
	body := request(t, j, 0, checkpoint)
	for name, a := range map[string]func(http.ResponseWriter, *http.Request){
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"another's key": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(post(openWitness(t, t.TempDir(), evil, j.verifier()), body).Body.Bytes())
		},
		"another text": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "\n\n— witness.example/w1 AAAA\n")
		},
		"without an end": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("— x AAAAAAAA\n"), 1<<16))
		},
		"409 for ever": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(409)
			_, _ = fmt.Fprint(w, "2\n")
		},
		"409 without size": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409); _, _ = fmt.Fprint(w, "2\n") },
		"a fault":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"not before it ends": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the other side has gone
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(a))
			defer s.Close()
			p, err := verify.ReadPolicy([]byte("witness w " + key.Public() + " " + s.URL + "/\nquorum w\n"))
			if err != nil {
				t.Fatal(err)
			}
			w, err := export.NewWitnesses(export.WitnessesConfig{Policy: p, Leaves: j, Checkpoints: j, Client: s.Client(), Timeout: 300 * time.Millisecond, Now: time.Now, Log: silent()})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Submit(context.Background()); err == nil {
				t.Error("the quorum was reached")
			}
			if newest, _ := j.Latest(t.Context()); !bytes.Equal(newest, checkpoint) {
				t.Errorf("published %q", newest)
			}
		})
	}
}

func TestAQuorumOutOfReach(t *testing.T) {
	j := newJournal(t)
	p, err := verify.ReadPolicy([]byte("witness w " + newWitnessKey(t, "w.example").Public() + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := export.NewWitnesses(export.WitnessesConfig{Policy: p, Leaves: j, Checkpoints: j, Client: http.DefaultClient, Now: time.Now, Log: silent()}); err == nil {
		t.Error("witnesses without an address make a quorum")
	}
}
