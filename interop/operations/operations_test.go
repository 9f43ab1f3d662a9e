package operations

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

// An expression is one that somebody sees, and where it stands.
type expression struct{ at, text string }

// dashboard gives the expressions of the dashboard, with Grafana's own words filled in.
func dashboard(t *testing.T) (all []expression) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs/operations/grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Title  string
		Panels []struct {
			ID                       int
			Title, Type, Description string
			Targets                  []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatalf("the dashboard: %v", err)
	}
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if seen[p.ID] || p.Title == "" {
			t.Errorf("panel %q: the id %d stands twice, or it has no title", p.Title, p.ID)
		}
		seen[p.ID] = true
		if p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("panel %q shows nothing, or does not say what", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$server", ".*").Replace(target.Expr)})
		}
	}
	values := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)
	for _, v := range d.Templating.List {
		q, ok := v.Query.(map[string]any)
		if !ok {
			continue
		}
		found := values.FindStringSubmatch(fmt.Sprint(q["query"]))
		if found == nil {
			t.Errorf("variable %s: %v", v.Name, q)
			continue
		}
		all = append(all, expression{"variable " + v.Name, "group by (" + found[2] + ") (" + found[1] + ")"})
	}
	return all
}

// alerts gives the expressions of the alert rules, which Prometheus has read as a rule file.
func alerts(t *testing.T) (all []expression) {
	t.Helper()
	groups, errs := rulefmt.ParseFile(filepath.Join(root, "docs/operations/alerts.yaml"), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] == "" {
				t.Errorf("alert %s lacks words or a severity", r.Alert)
			}
			all = append(all, expression{"alert " + r.Alert, r.Expr})
		}
	}
	return all
}

// TestOperationsPage holds docs/operations.md to the metrics and the alerts, both ways.
func TestOperationsPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, found := range regexp.MustCompile("(?m)^\\| `((?:doorward_|Doorward)[A-Za-z_]+)` \\|").FindAllStringSubmatch(string(b), -1) {
		told[found[1]] = true
	}
	there := map[string]bool{}
	for name := range running(t) {
		if strings.HasPrefix(name, "doorward_") {
			there[base(name)] = true
		}
	}
	for _, e := range alerts(t) {
		there[strings.TrimPrefix(e.at, "alert ")] = true
	}
	for name := range there {
		if !told[name] {
			t.Errorf("the page does not tell of %s", name)
		}
	}
	for name := range told {
		if !there[name] {
			t.Errorf("the page tells of %s, which is not there", name)
		}
	}
}

// base is the name of a histogram, whose series have three.
func base(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
}

// series are the labels of everything that /metrics shows. :: metric → label → values
type series map[string]map[string][]string

// add takes a metric with its labels in.
func (s series) add(name string, label map[string]string) {
	if s[name] == nil {
		s[name] = map[string][]string{}
	}
	// A scrape adds these.
	s[name]["job"], s[name]["instance"] = nil, nil
	for k, v := range label {
		s[name][k] = append(s[name][k], v)
	}
}

func scrape(t *testing.T, address string) series {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatalf("the metrics: %v", err)
	}
	all := series{}
	all.add("up", nil) // of every scrape
	for name, family := range families {
		for _, m := range family.Metric {
			label := map[string]string{}
			for _, l := range m.Label {
				label[l.GetName()] = l.GetValue()
			}
			if m.Histogram == nil {
				all.add(name, label)
				continue
			}
			all.add(name+"_sum", label)
			all.add(name+"_count", label)
			label["le"] = "1"
			all.add(name+"_bucket", label)
		}
	}
	return all
}

// Every expression of the dashboard and of the alert rules is one that Prometheus takes, and about something that is there.
func TestDashboardAndAlerts(t *testing.T) {
	all := running(t)
	codes, err := os.ReadFile(filepath.Join(root, "audit/codes.go"))
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(`"([a-z_]+\.[a-z_]+)"`).FindAllStringSubmatch(string(codes), -1)
	shown := map[string]bool{}
	expressions := append(dashboard(t), alerts(t)...)
	if len(expressions) < 30 {
		t.Fatalf("only %d expressions are there", len(expressions))
	}
	for _, e := range expressions {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(e.text)
		if err != nil {
			t.Errorf("%s: %v\n%s", e.at, err, e.text)
			continue
		}
		grouped := all.check(t, e, parsed, func(code string) bool {
			return slices.ContainsFunc(known, func(k []string) bool { return k[1] == code })
		})
		for _, name := range grouped {
			shown[name] = true
		}
	}
	// And nothing of ours is there that nobody sees.
	for name := range all {
		if strings.HasPrefix(name, "doorward_") && !shown[name] && !shown[base(name)+"_bucket"] {
			t.Errorf("%s is shown by no panel and in no alert", name)
		}
	}
}

// check holds an expression against what is there, and gives the metrics that it is about.
func (s series) check(t *testing.T, e expression, parsed parser.Expr, isCode func(string) bool) (names []string) {
	t.Helper()
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			names = append(names, n.Name)
			if s[n.Name] == nil {
				t.Errorf("%s: there is no metric %s", e.at, n.Name)
				return nil
			}
			for _, m := range n.LabelMatchers {
				if m.Name != labels.MetricName {
					s.matcher(t, e, n.Name, m, isCode)
				}
			}
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				parser.Inspect(n.Expr, func(in parser.Node, _ []parser.Node) error {
					if v, ok := in.(*parser.VectorSelector); ok && s[v.Name] != nil {
						if _, has := s[v.Name][label]; !has {
							t.Errorf("%s: %s has no label %s", e.at, v.Name, label)
						}
					}
					return nil
				})
			}
		}
		return nil
	})
	return names
}

// matcher holds a label's name against the metric, and a code against those that the program has.
func (s series) matcher(t *testing.T, e expression, metric string, m *labels.Matcher, isCode func(string) bool) {
	t.Helper()
	if _, has := s[metric][m.Name]; !has {
		t.Errorf("%s: %s has no label %s", e.at, metric, m.Name)
	}
	if m.Name == "code" && m.Type == labels.MatchEqual && !isCode(m.Value) {
		t.Errorf("%s: there is no code %s", e.at, m.Value)
	}
	words := map[string][]string{"result": {"done", "refused", "failed", "upstream", "other", "taken"}}[m.Name]
	for _, word := range strings.Split(m.Value, "|") {
		if words != nil && !slices.Contains(words, word) {
			t.Errorf("%s: %s is never %s", e.at, m.Name, word)
		}
	}
}

const file = `public_url: http://$LISTEN
listen: $LISTEN
operations: {listen: $OPERATIONS}
data: $DIR/data
policy: scopes-only
registration: {mode: open}
servers:
  mcp: {path: /mcp, url: $UP}
  open: {path: /open, url: $UP, auth: none-insecure}
  local: {path: /local, command: ["true"]}
audit:
  witnesses: {policy: $DIR/witnesses}
  export:
    siem: {kind: ocsf, to: $DIR/events}
`

// running starts doorward, has it count something of each kind, and gives what it shows.
func running(t *testing.T) series {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "doorward")
	build := exec.Command("go", "build", "-o", program, "./cmd/doorward")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	witness, err := exec.Command(program, "witness", "key", "w.example.com/w", "--data", filepath.Join(dir, "witness")).Output()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "witnesses"), []byte("witness w "+strings.TrimSpace(string(witness))+" http://127.0.0.1:1\nquorum w\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
	}))
	t.Cleanup(up.Close)
	public, operations := free(t), free(t)
	text := strings.NewReplacer("$LISTEN", public, "$OPERATIONS", operations, "$DIR", dir, "$UP", up.URL).Replace(file)
	config := filepath.Join(dir, "doorward.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--output", "json", "serve", "--config", config)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	message := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}`
	for path, body := range map[string]string{"/mcp": message, "/open": message, "/register": `{"redirect_uris":["http://127.0.0.1/cb"]}`} {
		post(t, "http://"+public+path, body)
	}
	if err := command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	// A reload and the refusals of strangers are counted a moment later.
	var all series
	for range 100 {
		all = scrape(t, "http://"+operations+"/metrics")
		if all["doorward_reloads_total"] != nil && all["doorward_refusals_total"] != nil {
			return all
		}
		time.Sleep(100 * time.Millisecond)
	}
	return all
}

func post(t *testing.T, address, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
