package config_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

// Every file that docs/stdio.md shows is one.
func TestTheExamplesOfStdioAreRead(t *testing.T) {
	page, err := os.ReadFile("../docs/stdio.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		c, err := config.Read("docs/stdio.md", b[1])
		if err != nil {
			t.Errorf("%v\n%s", err, b[1])
			continue
		}
		comesBack(t, c)
	}
}

const stdioFile = `public_url: https://mcp.example.com
policy: scopes-only
registration: {mode: listed}
servers:
  a:
    path: /a
`

func TestContradictionsOfStdio(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"url: https://x.example\n    isolation: person", "servers.a.isolation: it is for a command"},
		{"url: https://x.example\n    process: {most: 2}", "servers.a.process: it is for a command"},
		{"url: https://x.example\n    environment: [A=b]", "servers.a.environment: it is for a command"},
		{"command: [x]\n    isolation: persons", "servers.a.isolation: there is no persons"},
		{"command: [x]\n    auth: none-insecure\n    isolation: person", "servers.a.isolation: the server is open"},
		{"command: [x]\n    process: {most: 2, most_per_person: 3}", "servers.a.process.most_per_person: there are at most 2"},
		{"command: [x]\n    process: {most_per_person: 33}", "servers.a.process.most_per_person: there are at most 32"},
		{"command: [x]\n    process: {files: 3}", "servers.a.process.files: at least 16"},
		{"command: [x]\n    process: {idle: 2d}", "servers.a.process.idle: at most 1d"},
		{"command: [x]\n    process: {start_timeout: 2d}", "servers.a.process.start_timeout: at most 1d"},
		{"command: [x]\n    process: {sandbox: {network: some}}", "servers.a.process.sandbox.network: there is no some"},
		{"command: [x]\n    process: {sandbox: {read: [/]}}", "servers.a.process.sandbox.read[0]: / is no sandbox"},
		{"command: [x]\n    process: {sandbox: {write: [/proc/self]}}", "servers.a.process.sandbox.write[0]: /proc/self is no sandbox"},
		{"command: [x]\n    process: {memory: 5}", "unknown key `memory`"},
		{"command: [x]\n    environment: [API_KEY=clear]", "servers.a.environment[0]: a secret seems to stand here"},
		{"command: [x]\n    environment: ['A=${envv:B}']", "servers.a.environment[0]: there is no reference"},
		{"command: [x]\n    environment: ['${env:A}=b']", "servers.a.environment[0]: it is neither NAME"},
	} {
		_, err := config.Read("f", []byte(stdioFile+"    "+c.text+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestVariablesAreLookedUp(t *testing.T) {
	lookup := func(kind, name string) (string, error) {
		switch kind + ":" + name {
		case "env:KEY":
			return "the=key\n", nil
		case "file:zero":
			return "a\x00b", nil
		}
		return "", errors.New("is not there")
	}
	for _, c := range []struct {
		given, want []string
		wrong       string
	}{
		{[]string{"LANG", "A=b=c", "API_KEY=${env:KEY}", "URL=x:${env:KEY}@y"}, []string{"LANG", "A=b=c", "API_KEY=the=key", "URL=x:the=key@y"}, ""},
		{[]string{"API_KEY=${env:OTHER}"}, nil, "environment variable API_KEY: ${env:OTHER}: is not there"},
		{[]string{"API_KEY=${file:zero}"}, nil, "environment variable API_KEY: its value has a zero byte"},
	} {
		got, err := config.Server{Environment: c.given}.Variables(lookup)
		if c.wrong != "" && (err == nil || err.Error() != c.wrong) || c.wrong == "" && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%v: %v, %v", c.given, got, err)
		}
	}
}

// What a process may not come to is named, and paths are seen from the file's directory.
func TestPathsOfStdio(t *testing.T) {
	c, err := config.Read("f", []byte("data: data\n"+stdioFile+"    command: [./x]\n    environment: ['A_KEY=${file:k}']\n    process: {directory: d, sandbox: {read: [r], write: [w]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c = c.In("/e")
	s := c.Servers["a"]
	got := append([]string{s.Command[0], s.Environment[0], s.Process.Directory, s.Process.Sandbox.Read[0], s.Process.Sandbox.Write[0]}, c.Private()...)
	if want := []string{"/e/x", "A_KEY=${file:/e/k}", "/e/d", "/e/r", "/e/w", "/e/data"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if files := c.Files(); !slices.Equal(files, []string{"/e/k"}) {
		t.Errorf("files whose contents count: %v", files)
	}
}
