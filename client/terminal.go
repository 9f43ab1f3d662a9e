package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Show makes a Browser for programs in a terminal: the desktop's browser, and where there is none, the address on w
// for the person to open.
func Show(w io.Writer) func(ctx context.Context, address string) error {
	return func(ctx context.Context, address string) error {
		if Open(ctx, address) == nil {
			_, err := fmt.Fprintf(w, "Sign in with the browser that has just opened. If it did not, open this address:\n\n  %s\n\n", address)
			return err
		}
		_, err := fmt.Fprintf(w, "Open this address to sign in:\n\n  %s\n\n", address)
		return err
	}
}

const maxPaste = 64 << 10 // characters of a pasted address

// Ask makes a Prompt that reads lines from r. When a sign-in ends otherwise, the read that is under way goes on, and its
// line is for the next sign-in: r is not to be read for anything else meanwhile.
func Ask(r io.Reader, w io.Writer) func(ctx context.Context, address string) (string, error) {
	l := &lines{r: bufio.NewReaderSize(r, maxPaste)}
	return func(ctx context.Context, _ string) (string, error) {
		if _, err := io.WriteString(w, "If the browser is on another machine, paste the address here that it ends at:\n"); err != nil {
			return "", err
		}
		return l.next(ctx)
	}
}

// lines reads one line at a time, and waits for it no longer than somebody wants it.
type lines struct {
	r *bufio.Reader

	mu    sync.Mutex
	under chan line // the read under way; nil: none. Guarded by mu
}

type line struct {
	text string
	err  error
}

func (l *lines) next(ctx context.Context) (string, error) {
	under := l.begin()
	select {
	case got := <-under:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.under = nil
		return got.text, got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (l *lines) begin() <-chan line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.under == nil {
		under := make(chan line, 1)
		l.under = under
		go func() {
			text, err := l.r.ReadSlice('\n')
			if errors.Is(err, io.EOF) && len(text) > 0 {
				err = nil
			}
			under <- line{string(text), err}
		}()
	}
	return l.under
}
