package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// batches gives records of 1.2 KB as a group commit has them.
func batches(n int) [][]byte {
	r := rand.NewChaCha8([32]byte{})
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, 1200)
		_, _ = r.Read(all[i])
	}
	return all
}

// BenchmarkSegmentsAppend stands beside the least that a log of files can do, and the least that one with a tree can.
func BenchmarkSegmentsAppend(b *testing.B) {
	for _, n := range []int{1, 64, 256} {
		all := batches(n)
		perSecond := func(b *testing.B) {
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
			b.SetBytes(int64(n * 1200))
		}
		b.Run(fmt.Sprintf("batch=%d/segments", n), func(b *testing.B) {
			s := openSegments(b, b.TempDir(), audit.SegmentOptions{})
			for b.Loop() {
				if _, err := s.Append(context.Background(), all); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b)
		})
		b.Run(fmt.Sprintf("batch=%d/append+sync", n), func(b *testing.B) {
			write := appender(b)
			for b.Loop() {
				var frames []byte
				for _, one := range all {
					frames = verify.AppendFrame(frames, one)
				}
				write(frames)
			}
			perSecond(b)
		})
		b.Run(fmt.Sprintf("batch=%d/append+sync+hash", n), func(b *testing.B) {
			write := appender(b)
			var stored []tlog.Hash
			size := int64(0)
			read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
				out := make([]tlog.Hash, len(indexes))
				for i, at := range indexes {
					out[i] = stored[at]
				}
				return out, nil
			})
			for b.Loop() {
				var frames []byte
				for _, one := range all {
					frames = verify.AppendFrame(frames, one)
					more, err := tlog.StoredHashes(size, one, read)
					if err != nil {
						b.Fatal(err)
					}
					stored = append(stored, more...)
					size++
				}
				write(frames)
			}
			perSecond(b)
		})
	}
}

// appender appends to a file as Segments do, and nothing else.
func appender(b *testing.B) func([]byte) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return func(p []byte) {
		if _, err := f.Write(p); err != nil {
			b.Fatal(err)
		}
		if err := audit.SyncData(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSegmentsRead(b *testing.B) {
	s := openSegments(b, b.TempDir(), audit.SegmentOptions{})
	const many = 64 * 1024
	all := batches(1024)
	for range many / len(all) {
		appendAll(b, s, all...)
	}
	for _, n := range []int{1, 1024} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			at := int64(0)
			for b.Loop() {
				got, err := s.Read(context.Background(), at, n)
				if err != nil || len(got) != n {
					b.Fatal(len(got), err)
				}
				at = (at + 7*int64(n)) % many
			}
			b.ReportMetric(float64(b.N*n)*60/b.Elapsed().Seconds(), "records/min")
		})
	}
}
