package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const attributesBundle = `
-- bundle.yaml --
id: acme
servers:
  crm: {definitions: any}
attributes: {department: String, level: Long, regions: Set<String>}
-- servers/crm/rules.cedar --
@id("group")
permit (principal in Group::"crm-admins", action == Action::"crm/group", resource);
@id("level")
permit (principal is User, action == Action::"crm/level", resource)
when { principal has level && principal.level >= 3 && principal has regions && principal.regions.contains("eu") };
@id("sales")
permit (principal, action == Action::"crm/sales", resource);
@id("sales-only")
forbid (principal is User, action == Action::"crm/sales", resource)
unless { principal has department && principal.department == "sales" };
`

// A service tells what else is known of people. What it does not tell, or not in time, is absent and opens nothing, and what it told
// is forgotten when it is too old.
func TestAttributeService(t *testing.T) {
	var down, slow atomic.Bool
	var asked atomic.Int32
	held := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked.Add(1)
		switch {
		case r.Header.Get("Authorization") != "Bearer the-key" || r.Method != "POST":
			w.WriteHeader(http.StatusUnauthorized)
		case down.Load():
			w.WriteHeader(http.StatusInternalServerError)
		case slow.Load():
			select {
			case <-held:
			case <-r.Context().Done():
			}
		case strings.Contains(string(body), `"subject":"alice"`):
			_, _ = io.WriteString(w, `{"groups":["crm-admins"],"attributes":{"department":"sales","level":3,"regions":["eu","us"]}}`)
		case strings.Contains(string(body), `"subject":"odd"`): // none of it has the type that the bundle says
			_, _ = io.WriteString(w, `{"groups":[],"attributes":{"department":["sales"],"level":"3","regions":"eu"}}`)
		default:
			_, _ = io.WriteString(w, `{}`)
		}
	}))
	t.Cleanup(service.Close)
	t.Cleanup(func() { close(held) })
	up := toolServer(t, always(otherTool), nil)
	dir := t.TempDir()
	unpacked(t, dir, attributesBundle)
	s := governed(t, dir, up.URL, "  attributes: {url: "+service.URL+", timeout: 250ms, keep: 1500ms, headers: {Authorization: 'Bearer ${env:ATTRIBUTES_KEY}'}}\n", "ATTRIBUTES_KEY=the-key")
	mint := minting(t, s)
	tools := []string{"group", "level", "sales"}
	may := func(what, name string, want ...string) {
		t.Helper()
		var got []string
		raw := mint(name, "desk")
		for _, tool := range tools {
			a := s.call(raw, tool, "{}")
			if a.StatusCode == http.StatusOK {
				got = append(got, tool)
				continue
			}
			code := "policy.no_permit"
			if tool == "sales" {
				code = "policy.forbidden"
			}
			a.denied(t, 403, code)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s may use %v, not %v", what, name, got, want)
		}
	}
	may("known", "alice", tools...)
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times about one person", n)
	}
	may("not known", "bob")
	may("of other types", "odd")
	began := time.Now()
	may("known still", "alice", tools...)
	down.Store(true)
	if time.Since(began) < time.Second {
		may("kept", "alice", tools...)
	}
	time.Sleep(1500 * time.Millisecond)
	may("older than it may be", "alice")
	may("never known", "carol")
	slow.Store(true)
	down.Store(false)
	late := time.Now()
	may("late", "dave")
	if took := time.Since(late); took > 3*time.Second {
		t.Errorf("it waited %s for what was late", took)
	}
	if said := s.stderr.String(); !strings.Contains(said, "attributes of people are not known") || strings.Contains(said, "the-key") {
		t.Errorf("%s", said)
	}
	if said := refusesToStart(t, governedText(filepath.Clean(dir), up.URL, "  attributes: {url: 'http://attributes.example/'}\n")); !strings.Contains(said, "http is for loopback only") {
		t.Errorf("%s", said)
	}
}
