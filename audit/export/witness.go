package export

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// WitnessesConfig is what Witnesses need. Everything must be there, besides what says otherwise.
type WitnessesConfig struct {
	Policy      *verify.Policy // its witnesses with a URL are asked
	Leaves      audit.Leaves
	Checkpoints audit.Checkpoints
	// Keep keeps the newest checkpoint that the quorum has cosigned; nil: Checkpoints.Publish, which keeps none that is older
	// than the newest, so that a log that is always busy may never have one with its cosignatures.
	Keep func(ctx context.Context, size int64, checkpoint []byte) error
	// Witnessed is what was kept last, so that lateness outlives a restart; nil: nothing was.
	Witnessed []byte
	Client    *http.Client  // reaches the witnesses; it should follow no redirects
	Timeout   time.Duration // of one witness; 0: 10 seconds
	Now       func() time.Time
	Log       *slog.Logger
}

// Witnesses have the log's checkpoints cosigned, off the path of requests. They are safe for concurrent use.
type Witnesses struct {
	c WitnessesConfig

	round sync.Mutex // one round at a time

	mu     sync.Mutex       // guards what follows
	known  map[string]int64 // :: name of a witness → size that it has cosigned, as far as is known
	since  time.Time        // when the last round that reached the quorum began, or asking at all
	newest []byte           // what it reached
}

// ErrAhead is the error of a witness that has cosigned a larger tree than the log has: the log is an older copy of itself.
var ErrAhead = errors.New("the witness has cosigned a larger tree than the log has")

// ErrFork is the error of a witness that finds that the log does not continue what it has cosigned: there are two histories.
var ErrFork = errors.New("the witness has cosigned another history of the log")

// NewWitnesses refuses a policy whose quorum its witnesses with a URL cannot make.
func NewWitnesses(c WitnessesConfig) (*Witnesses, error) {
	if c.Policy == nil || c.Leaves == nil || c.Checkpoints == nil || c.Client == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("asking witnesses: something of the configuration is missing")
	}
	if c.Keep == nil {
		c.Keep = c.Checkpoints.Publish
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	var reachable []note.Signature
	for _, k := range c.Policy.Witnesses {
		if k.URL != "" {
			reachable = append(reachable, note.Signature{Name: k.Key.Name(), Hash: k.Key.KeyHash()})
		}
	}
	if !c.Policy.Met(reachable) {
		return nil, errors.New("asking witnesses: those of the policy that have an address cannot make its quorum")
	}
	w := &Witnesses{c: c, known: map[string]int64{}, since: c.Now()}
	if c.Witnessed != nil {
		n, err := verify.OpenNote(c.Witnessed, note.VerifierList(c.Policy.Cosigners()...))
		if err == nil && c.Policy.Met(n.Sigs) { // of a policy that has changed it says nothing
			w.newest, w.since = c.Witnessed, earlier(w.since, cosignedAt(n.Sigs))
		}
	}
	return w, nil
}

// cosignedAt is the latest of the times that cosignatures name, behind the four bytes of the key's id.
func cosignedAt(all []note.Signature) (at time.Time) {
	for _, s := range all {
		if b, err := base64.StdEncoding.DecodeString(s.Base64); err == nil && len(b) >= 12 {
			if t := time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0); t.After(at) {
				at = t
			}
		}
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Run asks the witnesses again and again until ctx ends.
func (w *Witnesses) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := w.Submit(ctx); err != nil && ctx.Err() == nil {
			w.c.Log.WarnContext(ctx, "the audit log is not witnessed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Late is for how long no quorum has cosigned what was the newest checkpoint then. It is small while all is well: as long as
// from one round to the next.
func (w *Witnesses) Late(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(now.Sub(w.since), 0)
}

// Checkpoint is the newest one that the quorum has cosigned; nil if there is none.
func (w *Witnesses) Checkpoint() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest
}

// Submit has the newest checkpoint cosigned by every witness, and keeps it if the quorum has done so. Its error says what each
// witness that has not cosigned has answered; it is nil if the quorum is reached.
func (w *Witnesses) Submit(ctx context.Context) error {
	w.round.Lock()
	defer w.round.Unlock()
	began := w.c.Now()
	newest, err := w.c.Checkpoints.Latest(ctx)
	if err != nil {
		return fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	if newest == nil {
		return nil
	}
	c, err := verify.ParseCheckpoint(newest)
	if err != nil {
		return fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	lines, wrong := w.ask(ctx, c, newest)
	signed, verified, err := w.merge(newest, lines)
	if err != nil {
		return err
	}
	if !w.c.Policy.Met(verified) {
		return fmt.Errorf("the quorum is not reached for the tree of %d records: %w", c.Size, errors.Join(append(wrong, errors.New("too few have cosigned"))...))
	}
	if err := w.c.Keep(ctx, c.Size, signed); err != nil {
		return fmt.Errorf("keeping the cosigned checkpoint of %d records: %w", c.Size, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since, w.newest = began, signed
	return nil
}

// signs is whether a line of signature is of a key. C2SP signed-note: it has the key's name, and begins with the key's id.
func signs(key note.Verifier, line string) bool {
	sum, ok := strings.CutPrefix(line, "— "+key.Name()+" ")
	b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(sum, "\n"))
	return ok && err == nil && len(b) > 4 && binary.BigEndian.Uint32(b) == key.KeyHash()
}

// ask asks all witnesses at once.
func (w *Witnesses) ask(ctx context.Context, c verify.Checkpoint, newest []byte) (lines map[string][]byte, wrong []error) {
	var mu sync.Mutex // guards both results
	lines = map[string][]byte{}
	var asking sync.WaitGroup
	for _, k := range w.c.Policy.Witnesses {
		if k.URL == "" {
			continue
		}
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, w.c.Timeout)
			defer cancel()
			line, err := w.submit(ctx, k, c, newest)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				wrong = append(wrong, fmt.Errorf("witness %s: %w", k.Name, err))
				return
			}
			lines[k.Name] = line
		})
	}
	asking.Wait()
	return lines, wrong
}

// merge is the checkpoint with the cosignatures of this round, and all that verify, those of earlier rounds included.
func (w *Witnesses) merge(newest []byte, lines map[string][]byte) (signed []byte, verified []note.Signature, err error) {
	text, rest, _ := strings.Cut(string(newest), "\n\n")
	verifiers := note.VerifierList(w.c.Policy.Cosigners()...)
	var b strings.Builder
	b.WriteString(text + "\n\n")
	for line := range strings.Lines(rest) {
		if !slices.ContainsFunc(w.c.Policy.Witnesses, func(k verify.Known) bool { return lines[k.Name] != nil && signs(k.Key, line) }) {
			b.WriteString(line)
		}
	}
	for _, k := range w.c.Policy.Witnesses {
		b.Write(lines[k.Name])
	}
	n, err := verify.OpenNote([]byte(b.String()), verifiers)
	var none *note.UnverifiedNoteError
	if errors.As(err, &none) {
		return []byte(b.String()), nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the cosigned checkpoint: %w", err)
	}
	return []byte(b.String()), n.Sigs, nil
}
