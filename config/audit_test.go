package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

// What would leave calls without a record, send records in the clear or unsigned, or says nothing, is refused where it stands.
func TestAudit(t *testing.T) {
	secret := ", secret: '${env:S}'"
	for _, c := range []struct{ audit, says string }{
		{"node: gw-1", ""},
		{"node: 'gw 1'", "audit.node: it is a short name"},
		{"levels: [{methods: [ping], level: none}]", ""},
		{"levels: [{level: none}]", "audit.levels[0].level: only `methods: [ping]` may have no record"},
		{"levels: [{methods: [ping, tools/call], level: none}]", "audit.levels[0].level: only `methods: [ping]` may have no record"},
		{"levels: [{level: all}]", "audit.levels[0].level: there is no level all"},
		{"levels: [{methods: [ping]}]", "audit.levels[0].level: there is no level"},
		{"retention: 24h", ""},
		{"retention: 1h", "audit.retention: it is a day at least"},
		{"values: 1h", "audit.values: it is a day at least"},
		{"retention: 24h, values: 48h", "audit.values: clear values are not kept longer"},
		{"tiles: public", ""},
		{"tiles: everybody", "audit.tiles: there is no everybody"},
		{"witnesses: {late: 1m}", "audit.witnesses.policy: it is missing"},
		{"witnesses: {policy: w, late: 1s}", "audit.witnesses.late: it is a minute at least"},
		{"export: {x: {kind: ocsf, to: events}}", ""},
		{"export: {x: {kind: carrier-pigeon, to: loft}}", "audit.export.x.kind: there is no kind carrier-pigeon"},
		{"export: {x: {kind: syslog}}", "audit.export.x.to: it is missing"},
		{"export: {x: {kind: syslog, to: 'https://siem.example.com'}}", "audit.export.x.to: syslog goes to an address that begins with tcp://"},
		{"export: {x: {kind: syslog, to: 'tcp://siem.example.com:514'}}", "audit.export.x.to: without TLS it may only go to loopback"},
		{"export: {x: {kind: syslog, to: 'tcp://127.0.0.1:514'}}", ""},
		{"export: {x: {kind: otlp, to: 'http://collector.example.com'}}", "audit.export.x.to: without TLS it may only go to loopback"},
		{"export: {x: {kind: webhook, to: 'https://user:word@siem.example.com'" + secret + "}}", "audit.export.x.to: webhook goes to an address"},
		{"export: {x: {kind: webhook, to: 'https://siem.example.com'" + secret + "}}", ""},
		{"export: {x: {kind: webhook, to: 'https://siem.example.com'}}", "audit.export.x.secret: it is missing"},
		{"export: {x: {kind: ocsf, to: 'https://siem.example.com'}}", "audit.export.x.secret: it is missing"},
		{"export: {x: {kind: webhook, to: 'https://siem.example.com', secret: hunter2}}", "audit.export.x.secret: a secret stands here in the clear"},
		{"export: {x: {kind: syslog, to: 'tls://siem.example.com'" + secret + "}}", "audit.export.x.secret: only what is posted"},
		{"export: {x: {kind: syslog, to: 'tls://siem.example.com', headers: {A: b}}}", "audit.export.x.headers: syslog has no headers"},
	} {
		_, err := config.Read("doorward.yaml", []byte(with("audit: {"+c.audit+"}\nservers: {a: {path: /a, demo: true}}\n")))
		var all *config.Error
		switch {
		case c.says == "":
			if err != nil {
				t.Errorf("%s: %v", c.audit, err)
			}
		case !errors.As(err, &all):
			t.Errorf("%s is taken; want %q", c.audit, c.says)
		case !slices.ContainsFunc(all.Problems, func(p config.Problem) bool {
			return p.Line > 0 && p.Column > 0 && strings.Contains(p.Path+": "+p.Text, c.says)
		}):
			t.Errorf("%s: %v, want %q", c.audit, err, c.says)
		}
	}
}
