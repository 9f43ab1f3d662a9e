package export

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// Tiles serves a log as C2SP tlog-tiles has it, below a prefix that the caller has cut off: /checkpoint, /tile/… and, for
// auditors, /tile/entries/…. It shows no more of the tree than the newest published checkpoint holds.
type Tiles struct {
	Leaves      audit.Leaves
	Checkpoints audit.Checkpoints
	Auditor     func(*http.Request) bool // who may read records; nil: nobody
	Log         *slog.Logger             // of faults of the store
}

const (
	// tileHeight is fixed by C2SP tlog-tiles.
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// maxLevel is the last level that a tree of 2^63 records has.
	maxLevel = 7
	// maxEntry is what the length of an entry in a bundle can say.
	maxEntry = 1<<16 - 1
)

// tile names one tile, or one bundle of entries.
type tile struct {
	entries bool
	level   int
	n       int64
	width   int // 256: it is full
}

var errNoTile = errors.New("there is no such tile")

func (t *Tiles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	err := t.serve(w, r)
	switch {
	case err == nil:
	case errors.Is(err, errNoTile):
		w.Header().Set("Cache-Control", "no-store") // it may be there soon
		http.Error(w, "not found", http.StatusNotFound)
	default:
		t.Log.ErrorContext(r.Context(), "the audit log cannot be read", "error", err)
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "the log cannot be read", http.StatusServiceUnavailable)
	}
}

func (t *Tiles) serve(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	newest, err := t.Checkpoints.Latest(ctx)
	if err != nil {
		return fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	if newest == nil {
		return errNoTile
	}
	if r.URL.Path == "/checkpoint" {
		// C2SP tlog-tiles: its headers SHOULD prevent caching beyond a few seconds.
		return answer(w, "text/plain; charset=utf-8", "no-cache", newest)
	}
	at, ok := parseTile(r.URL.Path)
	if !ok {
		return errNoTile
	}
	c, err := verify.ParseCheckpoint(newest)
	if err != nil {
		return fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	if at.n > c.Size || at.n<<tileHeight+int64(at.width) > c.Size>>(tileHeight*at.level) {
		return errNoTile
	}
	if at.entries {
		return t.bundle(ctx, w, r, at)
	}
	data, err := tlog.ReadTileData(tlog.Tile{H: tileHeight, L: at.level, N: at.n, W: at.width}, t.Leaves.Hashes(ctx))
	if err != nil {
		return fmt.Errorf("reading tile %d of level %d: %w", at.n, at.level, err)
	}
	return answer(w, "application/octet-stream", "public, max-age=31536000, immutable", data)
}

// bundle serves records. What one auditor has read no shared cache may give to somebody else.
func (t *Tiles) bundle(ctx context.Context, w http.ResponseWriter, r *http.Request, at tile) error {
	if t.Auditor == nil || !t.Auditor(r) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "only auditors read records", http.StatusForbidden)
		return nil
	}
	leaves, err := t.Leaves.Read(ctx, at.n<<tileHeight, at.width)
	if err != nil {
		return fmt.Errorf("reading %d records from %d on: %w", at.width, at.n<<tileHeight, err)
	}
	if len(leaves) != at.width {
		return fmt.Errorf("reading %d records from %d on: there are %d", at.width, at.n<<tileHeight, len(leaves))
	}
	var b []byte
	for i, leaf := range leaves {
		if leaf == nil { // C2SP tlog-tiles: what was pruned may be answered with an error
			return errNoTile
		}
		if len(leaf) > maxEntry {
			return fmt.Errorf("record %d has %d bytes, more than a bundle can hold", at.n<<tileHeight+int64(i), len(leaf))
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(leaf))), leaf...)
	}
	return answer(w, "application/octet-stream", "private, max-age=31536000, immutable", b)
}

func answer(w http.ResponseWriter, kind, caching string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", caching)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // whoever asked has gone
	return nil
}

// parseTile reads /tile/<L>/<N>[.p/<W>], in the one spelling that C2SP tlog-tiles has for each tile.
func parseTile(path string) (tile, bool) {
	rest, ok := strings.CutPrefix(path, "/tile/")
	level, rest, more := strings.Cut(rest, "/")
	if !ok || !more {
		return tile{}, false
	}
	at := tile{width: tileWidth}
	if at.entries = level == "entries"; !at.entries {
		n, err := strconv.Atoi(level)
		if err != nil || n < 0 || n > maxLevel || strconv.Itoa(n) != level {
			return tile{}, false
		}
		at.level = n
	}
	if number, width, partial := strings.Cut(rest, ".p/"); partial {
		n, err := strconv.Atoi(width)
		if err != nil || n < 1 || n >= tileWidth || strconv.Itoa(n) != width {
			return tile{}, false
		}
		rest, at.width = number, n
	}
	digits := strings.ReplaceAll(strings.ReplaceAll(rest, "x", ""), "/", "")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<54 || tileNumber(n) != rest {
		return tile{}, false
	}
	at.n = n
	return at, true
}

// tileNumber is the index of a tile in path elements of three digits.
func tileNumber(n int64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}
