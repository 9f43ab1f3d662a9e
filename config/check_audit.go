package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

func (k checker) audit() {
	a := k.c.Audit
	if strings.ContainsAny(a.Node, " \t\n@") || len(a.Node) > 64 {
		k.add("audit.node", "it is a short name without spaces, such as gw-1")
	}
	for i, l := range a.Levels {
		at := nth("audit.levels", i)
		switch {
		case l.Level == "" || !l.Level.Known():
			k.add(under(at, "level"), "there is no level %s: none, metadata, args and full are", printable(string(l.Level)))
		case l.Level == audit.LevelNone && !slices.Equal(l.Methods, []string{"ping"}):
			k.add(under(at, "level"), "only `methods: [ping]` may have no record: everything else decides something")
		}
	}
	// A day is the least that somebody who looks for what happened needs.
	for _, d := range []struct {
		at string
		d  time.Duration
	}{{"audit.retention", a.Retention}, {"audit.values", a.Values}} {
		if d.d != 0 && d.d < 24*time.Hour {
			k.add(d.at, "it is a day at least, or nothing")
		}
	}
	if a.Retention > 0 && a.Values > a.Retention {
		k.add("audit.values", "clear values are not kept longer than the records that they belong to: retention is shorter")
	}
	if a.Tiles != "" && a.Tiles != TilesPublic {
		k.add("audit.tiles", "there is no %s: public is, or nothing", printable(a.Tiles))
	}
	if w := a.Witnesses; w != nil {
		if w.Policy == "" {
			k.add("audit.witnesses.policy", "it is missing: a file that names the witnesses")
		}
		if w.Late < 0 || w.Late > 0 && w.Late < time.Minute {
			k.add("audit.witnesses.late", "it is a minute at least: witnesses are asked every ten seconds")
		}
	}
	for name, e := range a.Export {
		k.export(under("audit.export", name), e)
	}
}

// schemes are the addresses that a kind of receiver has.
var schemes = map[string][]string{ExportSyslog: {"tcp", "tls", "unix"}, ExportOTLP: {"https", "http"}, ExportOCSF: {"https", "http"}, ExportWebhook: {"https", "http"}}

func (k checker) export(at string, e Export) {
	allowed, known := schemes[e.Kind]
	u, err := url.Parse(e.To)
	switch {
	case !known:
		k.add(under(at, "kind"), "there is no kind %s: ocsf, syslog, otlp and webhook are", printable(e.Kind))
	case e.To == "":
		k.add(under(at, "to"), "it is missing")
	case e.Kind == ExportOCSF && !strings.Contains(e.To, "://"):
	case err != nil || !slices.Contains(allowed, u.Scheme) || u.User != nil || u.Host == "" && u.Scheme != "unix":
		k.add(under(at, "to"), "%s goes to an address that begins with %s://", e.Kind, strings.Join(allowed, ":// or "))
	case (u.Scheme == "http" || u.Scheme == "tcp") && !loopbackHost(u.Hostname()):
		k.add(under(at, "to"), "without TLS it may only go to loopback: records say who did what")
	}
	if len(e.Headers) > 0 && e.Kind != ExportOTLP {
		k.add(under(at, "headers"), "%s has no headers", e.Kind)
	}
	posts := e.Kind == ExportWebhook || e.Kind == ExportOCSF && strings.Contains(e.To, "://")
	if e.Secret != "" && !posts {
		k.add(under(at, "secret"), "only what is posted to an address is signed with one")
	}
	if e.Secret == "" && posts {
		k.add(under(at, "secret"), "it is missing: 24 random bytes or more, by which the receiver knows who sends")
	}
	k.reference(under(at, "secret"), e.Secret)
	k.headersAt(under(at, "headers"), e.Headers)
}
