package export_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/audit/export"
)

// FuzzWitness asks that nothing but what the log has signed is cosigned.
func FuzzWitness(f *testing.F) {
	j, key := newJournal(f), newWitnessKey(f, "witness.example/w1")
	w := openWitness(f, f.TempDir(), key, j.verifier())
	j.add(5, "record")
	five := j.sign()
	cosigned(f, post(w, request(f, j, 0, five)), key, five)
	j.add(3, "record")
	eight := j.sign()
	text, _, _ := strings.Cut(string(eight), "\n\n")
	f.Add(request(f, j, 5, five))
	f.Add(strings.Replace(request(f, j, 5, eight), text, strings.Replace(text, "8", "9", 1), 1))
	f.Add("old 5\n\n" + string(eight))
	f.Fuzz(func(t *testing.T, body string) {
		if got := post(w, body); got.Code == http.StatusOK && !strings.Contains(body, text) && !strings.Contains(body, string(five)) {
			t.Errorf("%q was cosigned", body)
		}
	})
}

// FuzzTiles asks that every address is answered, and that whatever is there has one address.
func FuzzTiles(f *testing.F) {
	j := newJournal(f)
	j.add(300, "record")
	j.sign()
	h := tiles(j)
	for _, path := range []string{"/checkpoint", "/tile/0/000", "/tile/0/001.p/44", "/tile/1/000.p/1", "/tile/entries/000", "/tile/0/x000/001.p/44"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: path}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusOK && path != "/checkpoint" && len(path) > len("/tile/1/000.p/255") {
			t.Errorf("%s is another spelling of a tile", path)
		}
	})
}

// FuzzWitnessKey asks that only what was written is read.
func FuzzWitnessKey(f *testing.F) {
	f.Add(newWitnessKey(f, "witness.example/w1").Private())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := export.ReadWitnessKey(text); err == nil && k.Private() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, k.Private())
		}
	})
}
