// Package operations holds the Grafana dashboard and the alert rules of docs/operations against a running doorward: every
// expression is parsed by Prometheus's own parser, and every metric, label and value in it is one that /metrics shows.
//
// It is a module of its own, because Prometheus requires more than everything else here together.
package operations
