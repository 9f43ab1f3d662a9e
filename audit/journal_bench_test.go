package audit_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// What the record of a call costs the request that makes it, without the wait for the disk.
func BenchmarkHandOver(b *testing.B) {
	tr := newTrail(b).begin()
	e := audit.EntryOf(call(`{"id":42,"reason":"left the company"}`))
	e.Record.Verdict, e.Record.Rules, e.Record.Bundle = "allow", []string{"crm.delete-user"}, "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := tr.journal.HandOver(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		if n%1000 == 0 {
			tr.journal.Drain()
		}
	}
	tr.journal.Drain()
}

// What the one writer does for each record besides writing and hashing.
func BenchmarkEncodeRecord(b *testing.B) {
	tr := newTrail(b).begin()
	e := audit.EntryOf(call(`{"id":42,"reason":"left the company"}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.journal.Encoded(&e); err != nil {
			b.Fatal(err)
		}
	}
}

// Durable records a second, two for each call, by how many call at once, with the latency of a whole call's two records.
func BenchmarkDurable(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			tr := newTrail(b).begin()
			r := call(`{"id":42,"reason":"left the company"}`)
			r.Verdict, r.Rules, r.Bundle = "allow", []string{"crm.delete-user"}, "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
			var left atomic.Int64
			left.Store(int64(b.N))
			took := make([][]time.Duration, callers)
			b.ResetTimer()
			began := time.Now()
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						at := time.Now()
						if _, err := tr.Do(context.Background(), r, nothing); err != nil {
							b.Error(err)
							return
						}
						took[i] = append(took[i], time.Since(at))
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(2*b.N)/time.Since(began).Seconds(), "records/s")
			each := slices.Sorted(slices.Values(slices.Concat(took...)))
			b.ReportMetric(float64(each[len(each)/2].Microseconds())/2000, "p50-ms")
			b.ReportMetric(float64(each[len(each)*99/100].Microseconds())/2000, "p99-ms")
			b.StopTimer()
			tr.end()
		})
	}
}
