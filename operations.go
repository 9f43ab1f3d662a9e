package doorward

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/doorward-mcp/doorward/gateway"
)

// Check is one thing that an installation needs, or one that some of its servers do.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"` // without it nothing can be answered
	Reason   string `json:"reason,omitempty"`
}

// Ready says whether calls can be answered, and why not. An upstream that is down makes its own server answer 502 and takes
// nothing from the others, so it is said and not required.
func (i *Installation) Ready(ctx context.Context) (ready bool, all []Check) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	now, g := i.e.Now(), i.live.Load()
	add := func(name string, required bool, reason string) {
		all = append(all, Check{name, reason == "", required, reason})
	}
	reason := ""
	if _, err := i.db.Setting(ctx, "instance"); err != nil {
		i.e.Slog.WarnContext(ctx, "not ready", "check", "database", "error", err)
		reason = "it does not answer"
	}
	add("database", true, reason)
	reason = ""
	if as := i.db.Revocations().AsOf(); as.IsZero() {
		reason = "which tokens were revoked has not been read yet"
	} else if now.Sub(as) > newsBound {
		reason = "which tokens were revoked was last read " + now.Sub(as).Round(time.Second).String() + " ago"
	}
	add("revocations", true, reason)
	reason = ""
	if _, ok := g.as.Ring().Since(now); !ok {
		reason = "no key signs at the moment"
	}
	add("signing_key", true, reason)
	reason = ""
	if i.metrics.failing.Load() != nil {
		reason = "the last record could not be written"
	}
	add("audit_log", true, reason)
	if w := i.told.witnesses; w != nil {
		reason = ""
		bound := i.live.Load().c.Audit.Witnesses
		if late := w.Late(now); late > bound.Bound() {
			reason = "the quorum of witnesses last signed " + late.Round(time.Second).String() + " ago"
		}
		add("witnesses", bound.Stop, reason)
	}
	pools := named[*gateway.Pool](g)
	for _, name := range g.names() {
		pool, ok := pools[name]
		if !ok {
			continue
		}
		reason = ""
		for _, u := range pool.Status() {
			if !u.Well {
				reason = "not every upstream takes calls"
			}
		}
		add("server "+name, false, reason)
	}
	return !slices.ContainsFunc(all, func(c Check) bool { return c.Required && !c.OK }), all
}

// newsBound is how old the news of revocations may be before readiness ends: what a guard takes by default.
const newsBound = 10 * time.Second

// Operations serves who runs the installation, and nobody else: /healthz, /readyz with reasons, /metrics.
func (i *Installation) Operations() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready, all := i.Ready(r.Context())
		writeReady(w, ready, map[string]any{"ready": ready, "checks": all})
	})
	if i.trail != nil { // the tree, which names nobody; records are for auditors at the public address
		mux.Handle("GET /audit/", http.StripPrefix("/audit", i.live.Load().tiles(nil)))
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(i.metrics.registry, promhttp.HandlerOpts{ErrorLog: nil}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !addressed(r.Host, i.live.Load().c.Operations.Listen) {
			http.Error(w, "nothing is known here under that name", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// addressed reports whether a request for host means a listener. Where only this machine reaches it, a name that is not this
// machine's own is one that a page in a browser here has bound to it, to read what it answers.
func addressed(host, listen string) bool {
	if at, _, err := net.SplitHostPort(listen); err != nil || !loopback(at) {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	return loopback(name)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// healthz says that the process answers, and nothing more: whoever restarts what fails must not restart what waits.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz is /readyz as everybody may see it: yes or no, found out once a second at most, however often strangers ask.
func (i *Installation) readyz() http.Handler {
	var mu sync.Mutex // guards ready and asked
	var ready bool
	var asked time.Time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if now := i.e.Now(); asked.IsZero() || now.Sub(asked) >= time.Second {
			ready, _ = i.Ready(context.WithoutCancel(r.Context()))
			asked = now
		}
		writeReady(w, ready, map[string]any{"ready": ready})
	})
}

// serverOf names a resource, as the configuration does.
func (i *Installation) serverOf(resource string) string {
	if g := i.live.Load(); g != nil {
		return g.servers[resource]
	}
	return ""
}

func writeReady(w http.ResponseWriter, ready bool, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(v)
}
