package store_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// BenchmarkSequencer appends batches of records of 1.8 kB to PostgreSQL, as one process does that has so many callers waiting.
func BenchmarkSequencer(b *testing.B) {
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 64, 256, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			db, err := store.Open(b.Context(), postgres(b), box)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			s, batch := db.Sequencer(), make([][]byte, n)
			for i := range batch {
				batch[i] = append(fmt.Appendf(nil, `{"v":1,"id":"%d","pad":"`, i), bytes.Repeat([]byte("0123456789abcdef"), 110)...)
			}
			for b.Loop() {
				if _, err := s.Append(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
