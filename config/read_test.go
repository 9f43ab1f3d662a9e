package config_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/config"
)

// base is the least that a file must say.
const base = `public_url: https://mcp.example.com
policy: scopes-only
registration:
  mode: open
servers:
  mcp:
    path: /mcp
    demo: true
`

// everything is a file with every member.
func everything(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheLeast(t *testing.T) {
	c, err := config.Read("doorward.yaml", []byte(base))
	if err != nil {
		t.Fatal(err)
	}
	if c.Listener() != "127.0.0.1:8080" || c.Resource(c.Servers["mcp"]).URI != "https://mcp.example.com/mcp" {
		t.Errorf("%+v", c)
	}
}

// Every member can be given, and none of them is lost on the way.
func TestEverything(t *testing.T) {
	c, err := config.Read("everything.yaml", everything(t))
	if err != nil {
		t.Fatal(err)
	}
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) {
		if path == "Demo" || path == "Servers.Demo" || path == "Servers.Resource.URI" || path == "TLS.ACME" || path == "Policy.Word" || path == "Policy.AuthZEN" {
			return // one server cannot have everything: the next lines hold these
		}
		if v.IsZero() {
			t.Errorf("%s is not in testdata/everything.yaml", path)
		}
	})
	if !c.Servers["demo"].Demo || c.Servers["notes"].URI != "https://notes.example.com" || c.Lifetimes.Consent != 30*24*time.Hour || c.Lifetimes.Login.SessionMost != 36*time.Hour {
		t.Errorf("%+v", c)
	}
}

// walk calls each with every member that some server, client or issuer of the value gives: lists and maps are looked at
// as one, so that a member counts as given if one of them has it.
func walk(v reflect.Value, path string, each func(string, reflect.Value)) {
	given := map[string]reflect.Value{}
	var order []string
	var visit func(v reflect.Value, path string)
	visit = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				visit(v.Elem(), path)
			}
			return
		case reflect.Struct:
			if v.Type().PkgPath() == "net/netip" {
				break
			}
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.Tag.Get("yaml") != "" && f.Tag.Get("yaml") != "-" {
					visit(v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."))
				}
			}
			return
		case reflect.Slice:
			for i := range v.Len() {
				visit(v.Index(i), path)
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				visit(v.MapIndex(k), path)
			}
		}
		if old, ok := given[path]; !ok || old.IsZero() {
			if !ok {
				order = append(order, path)
			}
			given[path] = v
		}
	}
	visit(v, path)
	for _, p := range order {
		each(p, given[p])
	}
}

// What YAML writes, Read reads back to the same value.
func TestTheSameValueComesBack(t *testing.T) {
	for name, file := range map[string][]byte{"the least": []byte(base), "everything": everything(t)} {
		c, err := config.Read(name, file)
		if err != nil {
			t.Fatal(err)
		}
		comesBack(t, c)
	}
}

func comesBack(t testing.TB, c config.Config) {
	t.Helper()
	written, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.Read("written", written)
	if err != nil {
		t.Fatalf("what was written is refused: %v\n%s", err, written)
	}
	if !reflect.DeepEqual(c, again) {
		t.Fatalf("another value came back:\n%+v\n%+v\n%s", c, again, written)
	}
}

// One reading names everything that is wrong, each with its line and column, in the order of the file.
func TestEveryErrorAtOnce(t *testing.T) {
	_, err := config.Read("doorward.yaml", []byte(`lisen: 127.0.0.1:80
public_url: mcp.example.com
servers:
  a:
    path: /mcp
    demo: yes
  b:
    path: /mcp
    url: "ftp://x"
    limits: {request_body: lots}
lifetimes:
  access_token: 600
  acces_token: 10m
policy: cedar
policy: scopes-only
`))
	want := `doorward.yaml:1:1: unknown key ` + "`lisen`: did you mean `listen`?" + `
doorward.yaml:1:1: registration.mode: it is missing: listed (the clients of this file only), review (a new client waits for an administrator) or open (everybody)
doorward.yaml:2:13: public_url: it is not an https origin, such as https://mcp.example.com
doorward.yaml:6:11: servers.a.demo: it must be true or false
doorward.yaml:8:11: servers.b.path: server a has the path /mcp already
doorward.yaml:9:10: servers.b.url: it is not an http or https address
doorward.yaml:10:28: servers.b.limits.request_body: it must be a whole number
doorward.yaml:12:17: lifetimes.access_token: it must be a duration with its unit, such as 30s, 10m, 12h or 90d
doorward.yaml:13:3: unknown key ` + "`acces_token`: did you mean `access_token`?" + `
doorward.yaml:14:9: policy: there is no policy cedar: scopes-only is, or a mapping with ` + "`bundle`" + `
doorward.yaml:15:1: the key ` + "`policy` stands here a second time"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var e *config.Error
	if !errors.As(err, &e) || len(e.Problems) != 11 || e.Problems[2].Path != "public_url" || e.Problems[2].Line != 2 || e.Problems[2].Column != 13 {
		t.Errorf("%+v", e)
	}
}

// A file that is large, deep or not of the part of YAML that is read is refused, quickly.
func TestWhatIsNotRead(t *testing.T) {
	laughs := "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for i := 'b'; i < 'j'; i++ {
		laughs += string(i) + ": &" + string(i) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(i-1)+",", 9), ",") + "]\n"
	}
	for name, c := range map[string]struct{ file, says string }{
		"billion laughs":   {laughs, "doorward.yaml:1:4: anchors, aliases"},
		"alias":            {"public_url: *x\n", ":1:13: anchors"},
		"merge key":        {base + "<<: {a: b}\n", ":9:1: anchors"},
		"tag":              {"public_url: !!str x\n", ":1:13: anchors"},
		"two documents":    {base + "---\n" + base, "a second document begins here"},
		"too long":         {"# " + strings.Repeat("x", 4<<20), "longer than 4096 KiB"},
		"deep brackets":    {"a: " + strings.Repeat("[", 100_000), "nested deeper"},
		"deep braces":      {"a: " + strings.Repeat("{a: ", 50_000), "nested deeper"},
		"deep entries":     {strings.Repeat("- ", 100_000), "nested deeper"},
		"deep lines":       {deepLines(600), "nested deeper"},
		"empty":            {"", "the file is empty"},
		"a comment":        {"# nothing\n", "the file is empty"},
		"no mapping":       {"- a\n- b\n", "it must be a mapping"},
		"no YAML":          {"a: [\n", "this is not YAML"},
		"a tab":            {"servers:\n\tmcp: 1\n", ":2:1: "},
		"control":          {base + "data: \"a\\x07b\"\n", ":9:7: data: it has a line break or a character that cannot be seen"},
		"another line":     {base + "data: |\n  a\n  b\n", "data: it has a line break"},
		"turned direction": {base + "data: \"a\\u202eb\"\n", "data: it has a line break or a character that cannot be seen"},
		"no value":         {base + "data:\n", ":9:1: data: it has no value"},
		"a number as text": {base + "data: 1\n", ":9:7: data: it must be text: put it in quotes"},
		"a word as a list": {base + "trusted_proxies: 10.0.0.0/8\n", "trusted_proxies: it must be a list"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := config.Read("doorward.yaml", []byte(c.file)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %s", err, c.says)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func deepLines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(base))
	f.Add(everything(f))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("public_url: |\n  x\n"))
	f.Add([]byte("servers: {mcp: {command: [\"a b\", '#', \"- x\", \"null\", \"0x1\", \"~\"]}}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := config.Read("fuzz", file)
		if err == nil {
			comesBack(t, c)
			return
		}
		var e *config.Error
		if !errors.As(err, &e) || len(e.Problems) == 0 {
			t.Errorf("an error without a problem: %v", err)
		}
		for _, p := range e.Problems {
			if p.Line < 1 || p.Column < 1 || p.Text == "" {
				t.Errorf("a problem without a place or a text: %+v", p)
			}
		}
	})
}

// Whatever text a value has: where Check has nothing against it, the file that YAML writes says it again.
func FuzzText(f *testing.F) {
	for _, s := range []string{"a", "- x", "#", "a #b", "null", "~", "true", "1", "0x1", "1e3", ".inf", "a: b", "a:", ": a", "'", "\"", "a'b\"c", "@x", "%x", "!x", "&x", "*x",
		"|", ">", "é", "=", "<<", "${env:X}", "{a}", "[a]", "[a", "---", "...", "? x", "`", "a\\b", "\\n", "2026-11-22", "12:30:45", "yes", ",", "a, b", "\U0001f600", "\u00a0x", "a\nb", " a"} {
		f.Add(s)
	}
	c, err := config.Read("f", []byte(base))
	if err != nil {
		f.Fatal(err)
	}
	headerName := regexp.MustCompile("^[!#$%&*+.^_`|~0-9A-Za-z-]+$")
	f.Fuzz(func(t *testing.T, s string) {
		c := c
		server := config.Server{Path: "/mcp", Command: []string{"x", s}, UpstreamHeaders: map[string]config.Text{"X-A": config.Text(s)}}
		server.Name = s
		if headerName.MatchString(s) {
			server.UpstreamHeaders[s] = "x"
		}
		c.Servers = map[string]config.Server{"mcp": server}
		if c.Check() == nil {
			comesBack(t, c)
		}
	})
}

// What holds where a file says nothing can be written down, and says the same.
func TestEffective(t *testing.T) {
	c, err := config.Read("everything.yaml", everything(t))
	if err != nil {
		t.Fatal(err)
	}
	whole := c.Effective()
	if err := whole.Check(); err != nil {
		t.Fatal(err)
	}
	if again := whole.Effective(); !reflect.DeepEqual(again, whole) {
		t.Errorf("what holds changes: %+v\n%+v", again, whole)
	}
	if whole.Limits.Address == 0 || whole.Servers["demo"].Limits.Body != 4<<20 || whole.Lifetimes.Access == 0 {
		t.Errorf("%+v", whole)
	}
	comesBack(t, whole)
}

// A thousand servers in one file: what loading it costs.
func BenchmarkAThousandServers(b *testing.B) {
	var file strings.Builder
	file.WriteString("public_url: https://mcp.example.com\npolicy: scopes-only\nregistration: {mode: open}\nservers:\n")
	for i := range 1000 {
		fmt.Fprintf(&file, "  s%d:\n    path: /s%d\n    url: http://127.0.0.1:3000/mcp\n    scopes:\n      - {name: use, sentence: Use it}\n      - {name: more, sentence: Use more, includes: [use]}\n    initial: [use]\n    needs:\n      - {tools: ['delete_*', drop], scopes: [more]}\n", i, i)
	}
	text := []byte(file.String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := config.Read("thousand.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}
