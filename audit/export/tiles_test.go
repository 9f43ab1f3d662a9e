package export_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

func get(h http.Handler, path string, auditor bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if auditor {
		r.Header.Set("Auditor", "yes")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func tiles(j *journal) http.Handler {
	return &export.Tiles{Leaves: j, Checkpoints: j, Log: silent(), Auditor: func(r *http.Request) bool { return r.Header.Get("Auditor") != "" }}
}

// TestTiles follows the example of C2SP tlog-tiles: a tree of 70,000 records has 273 full tiles of level 0 and one of width
// 112, one of level 1 and one of width 17, and one of width 1 of level 2.
func TestTiles(t *testing.T) {
	j := newJournal(t)
	h := tiles(j)
	if w := get(h, "/checkpoint", false); w.Code != http.StatusNotFound {
		t.Errorf("a log without a checkpoint answers %d", w.Code)
	}
	for range 70 {
		j.add(1000, "record")
	}
	published := j.sign()
	j.add(300, "later")
	w := get(h, "/checkpoint", false)
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), published) || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("the checkpoint is answered by %d %v %q", w.Code, w.Header(), w.Body)
	}
	for path, width := range map[string]int{
		"/tile/0/000": 256, "/tile/0/272": 256, "/tile/0/273.p/112": 112, "/tile/0/273.p/1": 1, "/tile/0/000.p/255": 255,
		"/tile/1/000": 256, "/tile/1/001.p/17": 17, "/tile/2/000.p/1": 1,
		"/tile/0/273": 0, "/tile/0/273.p/113": 0, "/tile/0/274.p/1": 0, "/tile/1/001": 0, "/tile/1/001.p/18": 0, "/tile/2/000.p/2": 0, "/tile/3/000.p/1": 0,
		"/tile/00/000": 0, "/tile/0/0": 0, "/tile/0/0000": 0, "/tile/0/x000/000": 0, "/tile/0/000.p/0": 0, "/tile/0/000.p/01": 0, "/tile/0/000.p/256": 0,
		"/tile/-1/000": 0, "/tile/8/000": 0, "/tile/64/000.p/1": 0, "/tile/0/-01": 0, "/tile/0/+01": 0, "/tile/0/x001": 0, "/tile/0/001/000": 0,
		"/tile/0/x999/x999/x999/x999/x999/999.p/1": 0, "/tile/0/x009/x223/x372/x036/x854/x775/807": 0, "/tile/0/": 0, "/tile/0": 0, "/tile/": 0, "/": 0, "/tile/0/000/": 0,
	} {
		w := get(h, path, false)
		if width == 0 {
			if w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s is answered by %d %v", path, w.Code, w.Header())
			}
			continue
		}
		if w.Code != http.StatusOK || w.Body.Len() != width*tlog.HashSize || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s is answered by %d with %d bytes, %v", path, w.Code, w.Body.Len(), w.Header())
		}
	}
	first := tlog.RecordHash([]byte("record 69888"))
	if got := get(h, "/tile/0/273.p/112", false).Body.Bytes(); !bytes.HasPrefix(got, first[:]) {
		t.Error("tile 273 does not begin with the hash of record 69888")
	}
	if w := httptest.NewRecorder(); true {
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/checkpoint", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST is answered by %d", w.Code)
		}
	}
}

func TestEntriesAreForAuditors(t *testing.T) {
	j := newJournal(t)
	j.add(300, "record")
	j.sign()
	j.add(1, "later")
	h := tiles(j)
	for name, h := range map[string]http.Handler{"somebody": h, "nobody knows auditors": &export.Tiles{Leaves: j, Checkpoints: j, Log: silent()}} {
		if w := get(h, "/tile/entries/000", name != "somebody"); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "record 0") {
			t.Errorf("%s: answered %d %q", name, w.Code, w.Body)
		}
	}
	w := get(h, "/tile/entries/001.p/44", true)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Cache-Control"), "private") {
		t.Fatalf("answered %d %v", w.Code, w.Header())
	}
	rest := w.Body.Bytes()
	for i := 256; i < 300; i++ {
		n := binary.BigEndian.Uint16(rest)
		if want := fmt.Sprintf("record %d", i); string(rest[2:2+n]) != want {
			t.Fatalf("got %q, want %q", rest[2:2+n], want)
		}
		rest = rest[2+n:]
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes follow", len(rest))
	}
	if w := get(h, "/tile/entries/001.p/45", true); w.Code != http.StatusNotFound {
		t.Errorf("a record that no checkpoint holds was served: %d", w.Code)
	}
}

// TestProof proves every record of trees of each size, and no other.
func TestProof(t *testing.T) {
	j := newJournal(t)
	keys := []note.Verifier{j.verifier()}
	for size := int64(1); size <= 20; size++ {
		j.add(1, "record")
		checkpoint := j.sign()
		for i := range size {
			text, err := export.Proof(t.Context(), j, checkpoint, i)
			if err != nil {
				t.Fatal(err)
			}
			p, err := verify.ParseProof(text)
			if err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if !bytes.Equal(p.Text(), text) || p.Index != i {
				t.Errorf("read back as %s", p.Text())
			}
			if err := p.Record(fmt.Appendf(nil, "record %d", i), keys, nil); err != nil {
				t.Errorf("record %d of %d: %v", i, size, err)
			}
			for what, err := range map[string]error{
				"another record":   p.Record(fmt.Appendf(nil, "record %d", i+1), keys, nil),
				"another key":      p.Record(fmt.Appendf(nil, "record %d", i), []note.Verifier{newJournal2(t)}, nil),
				"another index":    verify.Proof{Index: i + 1, Hashes: p.Hashes, Checkpoint: p.Checkpoint}.Record(fmt.Appendf(nil, "record %d", i), keys, nil),
				"without a quorum": p.Record(fmt.Appendf(nil, "record %d", i), keys, &verify.Policy{}),
			} {
				if err == nil {
					t.Errorf("record %d of %d: %s was proven", i, size, what)
				}
			}
		}
		if _, err := export.Proof(t.Context(), j, checkpoint, size); err == nil {
			t.Error("a record that is not there was proven")
		}
	}
}

func newJournal2(t *testing.T) note.Verifier {
	v, err := verify.Cosigner(newWitnessKey(t, origin).Public())
	if err != nil {
		t.Fatal(err)
	}
	return v
}
