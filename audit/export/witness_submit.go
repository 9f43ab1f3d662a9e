package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// submit has one witness cosign a checkpoint and gives the lines of its cosignature. A witness whose state is not known tells
// its size with 409, and is asked once more.
func (w *Witnesses) submit(ctx context.Context, k verify.Known, c verify.Checkpoint, newest []byte) ([]byte, error) {
	w.mu.Lock()
	old := w.known[k.Name]
	w.mu.Unlock()
	for attempt := 0; ; attempt++ {
		lines, told, err := w.post(ctx, k, min(old, c.Size), c, newest)
		if err == nil {
			w.remember(k, c.Size)
			return lines, nil
		}
		if told < 0 {
			return nil, err
		}
		w.remember(k, told)
		if told > c.Size {
			return nil, fmt.Errorf("%w: %d records against %d", ErrAhead, told, c.Size)
		}
		if attempt > 0 || told == min(old, c.Size) {
			return nil, err
		}
		old = told
	}
}

func (w *Witnesses) remember(k verify.Known, size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[k.Name] = size
}

// post submits once. told is the size that the witness says it has cosigned, -1 if it has not said so.
func (w *Witnesses) post(ctx context.Context, k verify.Known, old int64, c verify.Checkpoint, newest []byte) (lines []byte, told int64, err error) {
	s := submission{old: old, checkpoint: newest}
	if old > 0 && old < c.Size { // C2SP tlog-witness: from the empty tree no proof is necessary
		if s.proof, err = tlog.ProveTree(c.Size, old, w.c.Leaves.Hashes(ctx)); err != nil {
			return nil, -1, fmt.Errorf("proving that the tree of %d records continues the one of %d: %w", c.Size, old, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(k.URL, "/")+"/add-checkpoint", bytes.NewReader(s.text()))
	if err != nil {
		return nil, -1, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := w.c.Client.Do(r)
	if err != nil {
		return nil, -1, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxCosigned))
	if err != nil {
		return nil, -1, fmt.Errorf("reading its answer: %w", err)
	}
	switch answer.StatusCode {
	case http.StatusOK:
		lines, err = cosignatures(k, newest, body)
		return lines, -1, err
	case http.StatusConflict:
		told, err = toldSize(answer.Header, body)
		if err != nil {
			return nil, -1, err
		}
		return nil, told, fmt.Errorf("it has cosigned %d records and was asked to go on from %d", told, old)
	case http.StatusUnprocessableEntity:
		return nil, -1, ErrFork
	}
	return nil, -1, fmt.Errorf("it answers %d", answer.StatusCode)
}

// toldSize reads the body of 409.
func toldSize(h http.Header, body []byte) (int64, error) {
	digits, ok := strings.CutSuffix(string(body), "\n")
	n, err := strconv.ParseInt(digits, 10, 64)
	if h.Get("Content-Type") != "text/x.tlog.size" || !ok || err != nil || n < 0 || strconv.FormatInt(n, 10) != digits {
		return 0, errors.New("it answers 409 without its size")
	}
	return n, nil
}

// cosignatures are the lines of an answer that the witness's key has signed. C2SP tlog-witness: those of unknown keys are
// ignored.
func cosignatures(k verify.Known, newest, body []byte) ([]byte, error) {
	text, _, _ := strings.Cut(string(newest), "\n\n")
	n, err := verify.OpenNote([]byte(text+"\n\n"+string(body)), note.VerifierList(k.Key))
	if err != nil {
		return nil, fmt.Errorf("reading its cosignature: %w", err)
	}
	var lines []byte
	for _, s := range n.Sigs {
		lines = append(lines, "— "+s.Name+" "+s.Base64+"\n"...)
	}
	return lines, nil
}
