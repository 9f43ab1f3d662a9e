package export

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// WitnessConfig is what a Witness needs. Everything must be there.
type WitnessConfig struct {
	Dir  string          // of the newest checkpoint of each log
	Key  WitnessKey      // cosigns
	Logs []note.Verifier // keys that sign for the logs of their names; a log may have several
	Now  func() time.Time
	Log  *slog.Logger
}

// Witness is the server of C2SP tlog-witness: it cosigns a checkpoint that continues the newest one that it has cosigned of
// the same log, and no other. POST /add-checkpoint is for logs, GET /<origin hash>/checkpoint for everybody. It is safe for
// concurrent use; Close frees its directory.
type Witness struct {
	c    WitnessConfig
	lock *flock.Flock
	mux  *http.ServeMux
	logs map[string]*witnessed // :: origin → what was seen of it
}

// witnessed is one log.
type witnessed struct {
	keys []note.Verifier
	file string

	mu     sync.Mutex // guards newest, from its comparing to its being kept
	newest []byte     // as it was cosigned; nil: nothing was
}

// OpenWitness opens a witness in a directory, which it makes if there is none. One process at a time may have it.
func OpenWitness(c WitnessConfig) (*Witness, error) {
	if c.Dir == "" || c.Key.private == nil || len(c.Logs) == 0 || c.Now == nil || c.Log == nil {
		return nil, errors.New("opening a witness: something of its configuration is missing")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening a witness: %w", err)
	}
	w := &Witness{c: c, lock: flock.New(filepath.Join(c.Dir, "lock"), flock.SetPermissions(0o600)), logs: map[string]*witnessed{}, mux: http.NewServeMux()}
	if ok, err := w.lock.TryLock(); err != nil || !ok {
		return nil, fmt.Errorf("opening a witness: %s is in use by another process: %w", c.Dir, errors.Join(err, fs.ErrExist))
	}
	for _, k := range c.Logs {
		if err := w.know(k); err != nil {
			return nil, errors.Join(fmt.Errorf("opening a witness: %w", err), w.lock.Unlock())
		}
	}
	w.mux.HandleFunc("POST /add-checkpoint", w.add)
	w.mux.HandleFunc("GET /{hash}/checkpoint", w.show)
	return w, nil
}

// know takes a log's key, and what was cosigned of the log.
func (w *Witness) know(k note.Verifier) error {
	l := w.logs[k.Name()]
	if l == nil {
		sum := sha256.Sum256([]byte(k.Name()))
		l = &witnessed{file: filepath.Join(w.c.Dir, hex.EncodeToString(sum[:]))}
		w.logs[k.Name()] = l
		newest, err := os.ReadFile(l.file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			// Whoever could put an older checkpoint here would have a fork cosigned: it must at least be one of ours.
			if c, err := verify.ParseCheckpoint(newest); err != nil || c.Origin != k.Name() || !w.ours(newest) {
				return fmt.Errorf("%s is no checkpoint of %s that this witness has cosigned", l.file, k.Name())
			}
			l.newest = newest
		}
	}
	l.keys = append(l.keys, k)
	return nil
}

func (w *Witness) ours(checkpoint []byte) bool {
	own, err := verify.Cosigner(w.c.Key.Public())
	if err != nil {
		return false
	}
	_, err = note.Open(checkpoint, note.VerifierList(own))
	return err == nil
}

func (w *Witness) ServeHTTP(out http.ResponseWriter, r *http.Request) { w.mux.ServeHTTP(out, r) }

// Close frees the directory.
func (w *Witness) Close() error { return w.lock.Unlock() }

// refusal is an answer other than a cosignature.
type refusal struct {
	status int
	size   int64 // of 409
	error
}

func refuse(status int, text string) error { return refusal{status, 0, errors.New(text)} }

func (w *Witness) add(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxSubmission))
	if err != nil {
		http.Error(out, "the body cannot be read", http.StatusBadRequest)
		return
	}
	lines, err := w.cosign(body)
	var no refusal
	switch {
	case err == nil:
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = out.Write(lines)
	case !errors.As(err, &no):
		w.c.Log.ErrorContext(r.Context(), "the witness cannot keep a checkpoint", "error", err)
		http.Error(out, "the witness cannot keep a checkpoint", http.StatusInternalServerError)
	case no.status == http.StatusConflict:
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(no.status)
		_, _ = fmt.Fprintf(out, "%d\n", no.size)
	default:
		w.c.Log.WarnContext(r.Context(), "the witness has refused a checkpoint", "status", no.status, "reason", no.Error())
		http.Error(out, no.Error(), no.status)
	}
}

// cosign judges a submission and, if it continues what was seen, keeps it and gives the line of the cosignature.
func (w *Witness) cosign(body []byte) ([]byte, error) {
	s, err := readSubmission(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err.Error())
	}
	c, err := verify.ParseCheckpoint(s.checkpoint)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err.Error())
	}
	l := w.logs[c.Origin]
	if l == nil {
		return nil, refuse(http.StatusNotFound, "this log is not known here")
	}
	// C2SP tlog-witness: 403 if no trusted key has signed, or a line of a trusted key does not verify.
	n, err := verify.OpenNote(s.checkpoint, note.VerifierList(l.keys...))
	if err != nil {
		return nil, refuse(http.StatusForbidden, "no key that is known here has signed the checkpoint")
	}
	if s.old > c.Size {
		return nil, refuse(http.StatusBadRequest, "the old size is larger than the checkpoint's")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.continues(s, c); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}, w.c.Key.at(w.c.Now()))
	if err != nil {
		return nil, fmt.Errorf("cosigning: %w", err)
	}
	// C2SP tlog-witness: the witness MUST persist the new checkpoint before responding.
	if err := l.keep(signed); err != nil {
		return nil, err
	}
	return lastLine(signed), nil
}

// continues compares a checkpoint with the newest one. The caller holds mu, so that nothing comes between.
func (l *witnessed) continues(s submission, c verify.Checkpoint) error {
	var newest verify.Checkpoint
	if l.newest != nil {
		var err error
		if newest, err = verify.ParseCheckpoint(l.newest); err != nil {
			return fmt.Errorf("reading the newest checkpoint: %w", err)
		}
	}
	const inconsistent = "the tree does not continue the one that was cosigned"
	switch {
	case s.old != newest.Size:
		return refusal{http.StatusConflict, newest.Size, errors.New("the old size is another one")}
	case c.Size == 0 && c.Root != verify.EmptyRoot:
		return refuse(http.StatusUnprocessableEntity, "the tree without records has another root")
	case s.old == 0 && len(s.proof) > 0:
		return refuse(http.StatusUnprocessableEntity, "a tree without records needs no proof")
	case s.old == 0:
		return nil
	case s.old == c.Size && (c.Root != newest.Root || len(s.proof) > 0):
		return refuse(http.StatusUnprocessableEntity, inconsistent)
	case s.old == c.Size:
		return nil
	case tlog.CheckTree(s.proof, c.Size, c.Root, newest.Size, newest.Root) != nil:
		return refuse(http.StatusUnprocessableEntity, inconsistent)
	}
	return nil
}

// keep makes a checkpoint the newest, durably.
func (l *witnessed) keep(signed []byte) error {
	if err := writeDurably(l.file, signed); err != nil {
		return fmt.Errorf("keeping a checkpoint: %w", err)
	}
	l.newest = signed
	return nil
}

// writeDurably replaces a file: whatever happens, the old one or the new one is there.
func writeDurably(name string, data []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// lastLine is the line of the signature that note.Sign has put last.
func lastLine(signed []byte) []byte {
	text := strings.TrimSuffix(string(signed), "\n")
	return []byte(text[strings.LastIndexByte(text, '\n')+1:] + "\n")
}

// show serves the newest checkpoint of a log to monitors.
func (w *Witness) show(out http.ResponseWriter, r *http.Request) {
	for _, l := range w.logs {
		if filepath.Base(l.file) != r.PathValue("hash") {
			continue
		}
		l.mu.Lock()
		newest := l.newest
		l.mu.Unlock()
		if newest == nil {
			break
		}
		_ = answer(out, "text/plain; charset=utf-8", "no-cache", newest)
		return
	}
	http.Error(out, "nothing of this log was cosigned here", http.StatusNotFound)
}
