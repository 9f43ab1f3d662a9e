package doorward

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// trailMetrics are those of whom the audit log is told.
type trailMetrics struct {
	behind *prometheus.GaugeVec
	gone   *prometheus.CounterVec
}

func newTrailMetrics(counter func(name, help string, labels ...string) *prometheus.CounterVec) trailMetrics {
	return trailMetrics{
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "doorward_audit_export_behind_records", Help: "Records that a receiver has not taken yet."}, []string{"receiver"}),
		gone:   counter("audit_export_gone_total", "Records that retention deleted before a receiver had them.", "receiver"),
	}
}

// What the audit log tells when it is asked.
var (
	trailSize  = prometheus.NewDesc("doorward_audit_records", "Records in the audit log.", nil, nil)
	trailSaid  = prometheus.NewDesc("doorward_audit_unsigned_records", "Records that no checkpoint holds yet.", nil, nil)
	trailLate  = prometheus.NewDesc("doorward_audit_unwitnessed_seconds", "For how long no quorum of witnesses has signed what was the newest checkpoint then.", nil, nil)
	trailIndex = prometheus.NewDesc("doorward_audit_unindexed_records", "Records that queries do not find yet.", nil, nil)
)

// collectTrail adds what the audit log tells. A store that does not answer is missing from it.
func (s state) collectTrail(to chan<- prometheus.Metric) {
	t := s.i.trail
	if t == nil {
		return
	}
	ctx := context.Background()
	size, err := t.leaves.Size(ctx)
	if err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(trailSize, prometheus.GaugeValue, float64(size))
	if next, err := t.index.Next(ctx); err == nil {
		to <- prometheus.MustNewConstMetric(trailIndex, prometheus.GaugeValue, float64(max(size-next, 0)))
	}
	if latest, err := t.checkpoints.Latest(ctx); err == nil {
		if c, err := verify.ParseCheckpoint(latest); err == nil {
			to <- prometheus.MustNewConstMetric(trailSaid, prometheus.GaugeValue, float64(max(size-c.Size, 0)))
		}
	}
	if w := s.i.told.witnesses; w != nil {
		to <- prometheus.MustNewConstMetric(trailLate, prometheus.GaugeValue, w.Late(s.i.e.Now()).Seconds())
	}
}
