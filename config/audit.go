package config

import (
	"net/http"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// Audit is how the audit log is kept and who is told of it. The zero Audit keeps everything, with commitments in place of
// arguments, and tells nobody.
type Audit struct {
	Node      string            `yaml:"node"`      // name of this process's place, another one for each replica; empty: the machine's
	Levels    audit.Levels      `yaml:"levels"`    // how much of which call is recorded; the first that fits decides
	Retention time.Duration     `yaml:"retention"` // records whose bodies are older are deleted, their hashes stay; zero: none are
	Values    time.Duration     `yaml:"values"`    // how long clear arguments are kept; zero: as long as Retention
	Tiles     string            `yaml:"tiles"`     // where the tree is served; empty: with operations; TilesPublic
	Witnesses *Witnesses        `yaml:"witnesses"` // nil: nobody else signs
	Export    map[string]Export `yaml:"export"`    // :: name → who is sent every record
}

// Witnesses are others who sign that the log only grows.
type Witnesses struct {
	Policy string        `yaml:"policy"` // a file of C2SP tlog-policy: who they are, where, and how many suffice
	Late   time.Duration `yaml:"late"`   // from when on readiness says that they are missing; zero: defaultLate
	Stop   bool          `yaml:"stop"`   // strict calls are refused then
}

// defaultLate is how long a checkpoint may be without its quorum that is not told otherwise.
const defaultLate = 5 * time.Minute

// Bound is how long a checkpoint may be without its quorum.
func (w Witnesses) Bound() time.Duration {
	if w.Late == 0 {
		return defaultLate
	}
	return w.Late
}

// Export is who is sent every record, after it is durable, at least once.
type Export struct {
	Kind    string          `yaml:"kind"`
	To      string          `yaml:"to"`      // a file, or an address: tcp://, tls:// or unix:// of syslog, https:// of the others
	Headers map[string]Text `yaml:"headers"` // of otlp, with references
	Secret  Secret          `yaml:"secret"`  // signs what is posted (Standard Webhooks); 24 bytes at least
}

func (a Audit) in(from func(*string)) Audit {
	if a.Witnesses != nil {
		w := *a.Witnesses
		from(&w.Policy)
		a.Witnesses = &w
	}
	all := make(map[string]Export, len(a.Export))
	for name, e := range a.Export {
		if e.Kind == ExportOCSF && !strings.Contains(e.To, "://") {
			from(&e.To)
		}
		e.Headers = textsIn(e.Headers, from)
		e.Secret = Secret(Text(e.Secret).in(from))
		all[name] = e
	}
	if a.Export != nil {
		a.Export = all
	}
	return a
}

// Reveal is the headers with their references looked up, as Server.Headers.
func (e Export) Reveal(lookup Lookup) (http.Header, error) { return headers(e.Headers, lookup) }
