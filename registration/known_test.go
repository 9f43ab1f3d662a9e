package registration_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/doorward-mcp/doorward/registration"
)

var update = flag.Bool("update", false, "write what is generated from clients.yaml")

// row is one client of clients.yaml.
type row struct {
	Name   string   `yaml:"name"`
	About  string   `yaml:"about"`
	Hosts  []string `yaml:"hosts"`
	Source string   `yaml:"source"`
	Date   string   `yaml:"date"`
	Live   bool     `yaml:"live"`
	Ways   []struct {
		Document string   `yaml:"document"`
		Text     string   `yaml:"text"`
		Goes     []string `yaml:"goes"`
		Schemes  []string `yaml:"schemes"`
	} `yaml:"ways"`
}

func rows(t *testing.T) (all []row) {
	t.Helper()
	b, err := os.ReadFile("../clients.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(b, &all, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return all
}

// Each row says where it is from and when, and its hosts are those of its own documents and redirects.
func TestClientsHaveSources(t *testing.T) {
	all := rows(t)
	if len(all) < 15 {
		t.Fatalf("%d clients", len(all))
	}
	for _, r := range all {
		if u, err := url.Parse(r.Source); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s: source %q", r.Name, r.Source)
		}
		if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if r.Live {
			t.Errorf("%s: live, but no test of ours runs it", r.Name)
		}
		var met []string
		for _, w := range r.Ways {
			for _, address := range append([]string{w.Document}, w.Goes...) {
				if u, err := url.Parse(address); err == nil && u.Scheme == "https" {
					met = append(met, u.Hostname())
				}
			}
			if len(w.Goes) == 0 || w.Text == "" {
				t.Errorf("%s: a way that leads nowhere", r.Name)
			}
		}
		for _, h := range r.Hosts {
			if !slices.Contains(met, h) {
				t.Errorf("%s: nothing of it lies at %s", r.Name, h)
			}
		}
		if r.Name == "" || r.About == "" || len(r.Ways) == 0 {
			t.Errorf("%+v lacks something", r)
		}
	}
}

// The consent page knows clients by host. Two of one maker's share a host: then it is the first of clients.yaml that
// gives the name.
func TestKnownHosts(t *testing.T) {
	names := map[string]string{}
	for _, r := range rows(t) {
		for _, h := range r.Hosts {
			if names[h] == "" {
				names[h] = r.Name
			}
		}
	}
	generated(t, "known_hosts.go", func(old []byte) []byte {
		var cases strings.Builder
		hosts := []string{}
		for h := range names {
			hosts = append(hosts, h)
		}
		slices.Sort(hosts)
		for _, h := range hosts {
			fmt.Fprintf(&cases, "case %q:\nreturn %q, true\n", h, names[h])
		}
		b, err := format.Source(regexp.MustCompile(`(?s)switch host \{.*?\n\t\}`).ReplaceAll(old, []byte("switch host {\n"+cases.String()+"}")))
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
	if *update {
		return
	}
	for host, want := range names {
		if got, ok := registration.KnownHost(host); !ok || got != want {
			t.Errorf("%s: %q, %v", host, got, ok)
		}
	}
	for _, host := range []string{"", "evil.example", "claude.ai.evil.example", "notclaude.ai", "x.claude.ai", "github.io", "evil.github.io", "github.com", "127.0.0.1", "localhost"} {
		if name, ok := registration.KnownHost(host); ok {
			t.Errorf("%s passes for %s", host, name)
		}
	}
}

// The README's table of clients says what clients.yaml says.
func TestClientsInTheReadme(t *testing.T) {
	var table strings.Builder
	table.WriteString("<!-- clients -->\n| client | introduces itself by | redirects to | source | run live |\n|---|---|---|---|---|\n")
	for _, r := range rows(t) {
		var by, to []string
		add := func(list *[]string, s string) {
			if !slices.Contains(*list, s) {
				*list = append(*list, s)
			}
		}
		for _, w := range r.Ways {
			if w.Document != "" {
				add(&by, "metadata document")
			} else {
				add(&by, "registration")
			}
			for _, address := range w.Goes {
				u, err := url.Parse(address)
				if err != nil {
					t.Fatal(err)
				}
				if u.Scheme == "http" {
					add(&to, "loopback")
				} else {
					add(&to, u.Hostname())
				}
			}
			for _, address := range w.Schemes {
				scheme, _, _ := strings.Cut(address, ":")
				add(&to, "`"+scheme+":` where it is listed")
			}
		}
		live := "no"
		if r.Live {
			live = "yes"
		}
		fmt.Fprintf(&table, "| %s, %s | %s | %s | [%s](%s) | %s |\n", r.Name, r.About, strings.Join(by, ", "), strings.Join(to, ", "), r.Date, r.Source, live)
	}
	table.WriteString("<!-- /clients -->")
	generated(t, "../README.md", func(old []byte) []byte {
		marks := regexp.MustCompile(`(?s)<!-- clients -->.*<!-- /clients -->`)
		if !marks.Match(old) {
			t.Fatal("README.md has no place for the table: <!-- clients --> and <!-- /clients -->")
		}
		return marks.ReplaceAllLiteral(old, []byte(table.String()))
	})
}

// generated holds a file to what it is generated from, or writes it with -update.
func generated(t *testing.T, name string, make func(old []byte) []byte) {
	t.Helper()
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := make(old)
	if bytes.Equal(old, want) {
		return
	}
	if !*update {
		t.Errorf("%s does not say what clients.yaml says: go test ./registration -run %s -update", name, t.Name())
		return
	}
	if err := os.WriteFile(name, want, 0o644); err != nil {
		t.Fatal(err)
	}
}
