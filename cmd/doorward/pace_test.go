package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever does not read loses the connection; whoever reads slowly, or has nothing to read for long, does not.
func TestAClientThatDoesNotRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		reads func(io.Reader)
		end   time.Duration // that the program sets; 0: none
		lost  time.Duration // after which Write fails; 0: it does not
	}{
		{"nothing", func(io.Reader) {}, 0, readWithin},
		{"a little", func(r io.Reader) { _, _ = io.CopyN(io.Discard, r, 10) }, 0, readWithin},
		{"slowly", func(r io.Reader) {
			for range 4 {
				time.Sleep(readWithin - time.Second)
				_, _ = io.CopyN(io.Discard, r, piece)
			}
		}, 0, 0},
		{"nothing, while the program ends", func(io.Reader) {}, 5 * time.Second, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				p := &paced{Conn: near, within: readWithin}
				defer func() { _, _ = p.Close(), far.Close() }()
				go c.reads(far)
				time.Sleep(time.Hour) // a stream on which nothing is sent
				begun := time.Now()
				if c.end > 0 {
					_ = p.SetWriteDeadline(begun.Add(c.end))
				}
				n, err := p.Write(bytes.Repeat([]byte("x"), 4*piece))
				if took := time.Since(begun); c.lost > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took != c.lost) || c.lost == 0 && (err != nil || n != 4*piece) {
					t.Errorf("%d bytes and %v after %s", n, err, took)
				}
			})
		})
	}
}
