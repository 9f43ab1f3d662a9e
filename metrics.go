package doorward

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/stdio"
)

// metrics count what the audit log records, for nothing is decided outside of it, and look at the rest when they are asked.
// No label has a value that a caller chooses: servers, codes and reasons are those of the configuration and of the code.
type metrics struct {
	registry *prometheus.Registry
	records  *prometheus.CounterVec
	refusals *prometheus.CounterVec
	decided  *prometheus.HistogramVec
	answered *prometheus.HistogramVec
	reloads  *prometheus.CounterVec
	unkept   prometheus.Counter
	problems prometheus.Gauge
	policy   policyMetrics
	trail    trailMetrics
	failing  atomic.Pointer[error] // why the log could not be written the last time; nil: it could
}

func newMetrics(version string) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "doorward_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "doorward_" + name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		records:  counter("records_total", "Acts by the code of their record, and what came of them.", "code", "server", "result"),
		refusals: counter("refusals_total", "Refusals by code and reason. Those of strangers are counted together and reach this once a second.", "code", "server", "reason"),
		decided:  histogram("decision_seconds", "From the beginning of a call to its recorded decision.", prometheus.ExponentialBuckets(0.00005, 2.5, 12), "server"),
		answered: histogram("request_seconds", "From the beginning of a call to its recorded outcome. A stream has its own length.", prometheus.ExponentialBuckets(0.001, 2.5, 14), "code", "server"),
		reloads:  counter("reloads_total", "Changes of the configuration, by whether they were taken.", "result"),
		unkept:   prometheus.NewCounter(prometheus.CounterOpts{Name: "doorward_audit_failures_total", Help: "Records that the audit log could not keep. The acts of strict ones did not happen."}),
		problems: prometheus.NewGauge(prometheus.GaugeOpts{Name: "doorward_self_check_problems", Help: "What an outsider would get wrong, as found on the last look at the public address."}),
	}
	m.policy, m.trail = newPolicyMetrics(counter), newTrailMetrics(counter)
	m.registry.MustRegister(m.trail.behind, m.trail.gone, m.policy.decisions, m.policy.shadow, m.policy.notifications)
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "doorward_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	m.registry.MustRegister(m.records, m.refusals, m.decided, m.answered, m.reloads, m.unkept, m.problems, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// sink counts what goes to next. server names a resource.
func (m *metrics) sink(next audit.Sink, now func() time.Time, server func(resource string) string) audit.Sink {
	return func(ctx context.Context, e audit.Entry) error {
		if err := next(ctx, e); err != nil {
			m.unkept.Inc()
			m.failing.Store(&err)
			return err
		}
		m.failing.Store(nil)
		code, at := string(e.Record.Code), server(e.Record.Server)
		m.policy.count(e, at)
		took, call := now().Sub(e.Record.Now).Seconds(), strings.HasPrefix(code, "mcp.")
		switch e.Phase {
		case audit.PhaseIntent:
			if call {
				m.decided.WithLabelValues(at).Observe(took)
				m.refusals.WithLabelValues(unknown, at, unknown) // there as 0: the first one is seen as a change
			}
		case audit.PhaseOutcome:
			m.records.WithLabelValues(code, at, result(e.Outcome.Result)).Inc()
			if call {
				m.answered.WithLabelValues(code, at).Observe(took)
			}
		case audit.PhaseRefusal:
			m.refusals.WithLabelValues(code, at, e.Record.Reason).Add(float64(max(e.Count, 1)))
		}
		return nil
	}
}

// unknown is the code and the reason of a definition that nobody accepted.
const unknown = string(audit.DefinitionUnknown)

// result is an outcome in one of the words that every act shares.
func result(word string) string {
	switch word {
	case "done", "refused", "failed", "upstream":
		return word
	}
	return "other"
}

// state is what an installation is asked for when metrics are read.
type state struct{ i *Installation }

// What state tells.
var (
	newsAge    = prometheus.NewDesc("doorward_revocations_age_seconds", "How old the news of revoked tokens is.", nil, nil)
	keyAge     = prometheus.NewDesc("doorward_signing_key_age_seconds", "How long the key that signs has been in use.", nil, nil)
	inFlight   = prometheus.NewDesc("doorward_requests_in_flight", "Requests that have not ended, streams among them.", nil, nil)
	upstreamOK = prometheus.NewDesc("doorward_upstream_well", "1 for an upstream that calls are sent to, 0 for one that is left out.", []string{"server", "upstream"}, nil)
	processes  = prometheus.NewDesc("doorward_processes", "Processes of a stdio server, by whether they have said anything yet.", []string{"server", "state"}, nil)
	failures   = prometheus.NewDesc("doorward_process_failures_total", "Processes of a stdio server that ended before they said anything.", []string{"server"}, nil)
	skipped    = prometheus.NewDesc("doorward_policy_skipped_permits_total", "Times that a permit could not be evaluated, and so permitted nothing, since the rules were loaded.", nil, nil)
	upstreamIn = prometheus.NewDesc("doorward_upstream_in_flight", "Requests at an upstream.", []string{"server", "upstream"}, nil)
)

// Describe is a prometheus.Collector's.
func (s state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{newsAge, keyAge, inFlight, upstreamOK, upstreamIn, processes, failures, skipped, trailSize, trailSaid, trailLate, trailIndex} {
		to <- d
	}
}

// Collect is a prometheus.Collector's.
func (s state) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s.collectTrail(to)
	now, g := s.i.e.Now(), s.i.live.Load()
	if g == nil {
		return
	}
	if as := s.i.db.Revocations().AsOf(); !as.IsZero() {
		gauge(newsAge, now.Sub(as).Seconds())
	}
	if since, ok := g.as.Ring().Since(now); ok {
		gauge(keyAge, now.Sub(since).Seconds())
	}
	var active int64
	for _, one := range s.i.generations() {
		active += one.use.active.Load()
	}
	gauge(inFlight, float64(active))
	unread := 0.0
	if g.rules.engine != nil {
		unread = float64(g.rules.engine.Skipped())
	}
	to <- prometheus.MustNewConstMetric(skipped, prometheus.CounterValue, unread)
	for name, pool := range named[*stdio.Pool](g) {
		s := pool.Stats()
		gauge(processes, float64(s.Running), name, "running")
		gauge(processes, float64(s.Starting), name, "starting")
		to <- prometheus.MustNewConstMetric(failures, prometheus.CounterValue, float64(s.Failed), name)
	}
	for name, pool := range named[*gateway.Pool](g) {
		for _, u := range pool.Status() {
			well := 0.0
			if u.Well {
				well = 1
			}
			gauge(upstreamOK, well, name, u.Host)
			gauge(upstreamIn, float64(u.Busy), name, u.Host)
		}
	}
}

// named are the things of one kind that a generation has. :: server → thing
func named[T any](g *generation) map[string]T {
	g.keeping.Lock()
	defer g.keeping.Unlock()
	all := map[string]T{}
	for name, k := range g.kept {
		if v, ok := k.value.(T); ok {
			_, server, _ := strings.Cut(name, "/")
			all[server] = v
		}
	}
	return all
}
