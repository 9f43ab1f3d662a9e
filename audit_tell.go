package doorward

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/config"
)

// told is who is told of the audit log besides those who ask.
type told struct {
	followers []*export.Follower
	witnesses *export.Witnesses // nil: there are none
}

// openTold makes who is told. Nothing is sent yet.
func (g *ground) openTold(ctx context.Context, c config.Config) (told, error) {
	// Redirects are not followed: records and headers are for whom the operator named.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var t told
	for name, e := range c.Audit.Export {
		send, err := g.sender(e, client)
		if err != nil {
			return t, fmt.Errorf("audit.export.%s: %w", name, err)
		}
		f := &export.Follower{Name: "export/" + name, Log: g.trail.leaves, Cursors: g.db.Cursors(), Send: send, Slog: g.e.Slog}
		g.metrics.trail.gone.WithLabelValues(name) // none: there is something to rise from
		f.Behind = func(n int64) { g.metrics.trail.behind.WithLabelValues(name).Set(float64(n)) }
		f.Gone = func(from, to int64) { g.metrics.trail.gone.WithLabelValues(name).Add(float64(to - from)) }
		t.followers = append(t.followers, f)
	}
	if c.Audit.Witnesses == nil {
		return t, nil
	}
	b, err := os.ReadFile(c.Audit.Witnesses.Policy)
	if err != nil {
		return t, fmt.Errorf("audit.witnesses.policy: %w", err)
	}
	policy, err := verify.ReadPolicy(b)
	if err != nil {
		return t, fmt.Errorf("%s: %w", c.Audit.Witnesses.Policy, err)
	}
	last, err := g.trail.witnessed.Witnessed(ctx)
	if err != nil {
		return t, err
	}
	t.witnesses, err = export.NewWitnesses(export.WitnessesConfig{Policy: policy, Leaves: g.trail.leaves, Checkpoints: g.trail.checkpoints,
		Keep: g.trail.witnessed.KeepWitnessed, Witnessed: last, Client: client, Now: g.e.Now, Log: g.e.Slog})
	return t, err
}

// leastSecret is how many bytes a secret that signs what is posted has (Standard Webhooks, Symmetric signatures).
const leastSecret = 24

// sender is how records reach one receiver.
func (g *ground) sender(e config.Export, client *http.Client) (export.Send, error) {
	headers, err := e.Reveal(g.e.Lookup)
	if err != nil {
		return nil, err
	}
	events := export.OCSF{Origin: g.trail.origin, Version: g.e.Version}
	switch e.Kind {
	case config.ExportSyslog:
		return syslog(e.To)
	case config.ExportOTLP:
		return (&export.OTLP{URL: e.To, Header: headers, Origin: g.trail.origin, Version: g.e.Version, Client: client, Slog: g.e.Slog, Now: g.e.Now}).Send, nil
	case config.ExportOCSF:
		if !strings.Contains(e.To, "://") {
			return export.File{Path: e.To, Line: events.Line}.Send, nil
		}
	}
	secret, err := e.Secret.Reveal(g.e.Lookup)
	if err != nil {
		return nil, err
	}
	if len(secret) < leastSecret {
		return nil, fmt.Errorf("its secret has %d bytes, and %d at least are needed: others could guess it and send in our name", len(secret), leastSecret)
	}
	hook := &export.Webhook{URL: e.To, Secret: []byte(secret), Origin: g.trail.origin, Client: client, Now: g.e.Now}
	if e.Kind == config.ExportOCSF {
		hook.Line = events.Line
	}
	return hook.Send, nil
}

func syslog(to string) (export.Send, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	s := &export.Syslog{Network: "tcp", Address: u.Host, Host: host, Process: strconv.Itoa(os.Getpid())}
	switch u.Scheme {
	case "unix":
		s.Network, s.Address = "unix", u.Path
	case "tls":
		s.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	return s.Send, nil
}

// tell runs who is told, until ctx ends.
func (i *Installation) tell(ctx context.Context, run func(func())) {
	for _, f := range i.told.followers {
		run(func() { _ = f.Run(ctx) }) // the error is of ctx
	}
	if i.told.witnesses != nil {
		run(func() { i.told.witnesses.Run(ctx, witnessing) })
		run(func() { i.attest(ctx) })
	}
}

// attest records when the witnesses become late, and when they have caught up: whoever verifies later sees for how long nobody looked.
func (i *Installation) attest(ctx context.Context) {
	bound, late := i.live.Load().c.Audit.Witnesses.Bound(), false
	every(ctx, witnessing, func() {
		now := i.told.witnesses.Late(i.e.Now()) > bound
		if now == late {
			return
		}
		reason := "well"
		if now {
			reason = "late"
		}
		if _, err := i.trail.journal.Notice(ctx, verify.Unwitness, "", reason, nil); err != nil {
			i.e.Slog.ErrorContext(ctx, "recording that witnesses are "+reason, "error", err)
			return
		}
		late = now
	})
}
