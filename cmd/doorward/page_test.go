package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

const guide = "../../docs/authorization.md"

// block is a fenced block of a page: its language and the name behind it.
var block = regexp.MustCompile("(?ms)^```(sh|yaml|http|json)( \\S+)?\n(.*?)^```$")

// around keeps the variables and functions of one shell block for the next one.
const around = "set -euo pipefail\n[ ! -e shell ] || . ./shell\nset -a\n%s\nset +a\n{ export -p; declare -f; } >shell\n"

// blocks PAGE writes the named blocks of a page: one of shell as NAME.sh, one of another language as NAME. The page's ports are
// those of the script.
func blocks(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: blocks PAGE")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ports := strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:"+ts.Getenv("PORT"), "127.0.0.1:9000", "127.0.0.1:"+ts.Getenv("UPSTREAM"))
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		name, body := strings.TrimSpace(m[2]), ports.Replace(m[3])
		if m[1] == "sh" {
			name, body = name+".sh", strings.Replace(around, "%s", body, 1)
		}
		if err := os.WriteFile(ts.MkAbs(name), []byte(body), 0o600); err != nil {
			ts.Fatalf("%v", err)
		}
	}
}

// serveFiles (publish PORT) serves the directory of the script on loopback.
func serveFiles(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: publish PORT")
	}
	s := &http.Server{Addr: "127.0.0.1:" + args[0], Handler: http.FileServer(http.Dir(ts.MkAbs(".")))}
	go func() { _ = s.ListenAndServe() }()
	ts.Defer(func() { _ = s.Close() })
	awaitPort(ts, false, args)
}

// allow FILE USERNAME PASSWORD TO plays the person who opens the address in a file, signs in and allows. TO gets the address
// at which the browser leaves the server, or the page that it ends at.
func allow(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 || neg {
		ts.Fatalf("usage: allow FILE USERNAME PASSWORD TO")
	}
	at := regexp.MustCompile(`https?://\S+`).FindString(ts.ReadFile(args[0]))
	issuer, err := url.Parse(at)
	if err != nil || at == "" {
		ts.Fatalf("no address in %s", ts.ReadFile(args[0]))
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	left := &url.URL{}
	c := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if left = r.URL; r.URL.Host != issuer.Host {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := c.Get(at)
	for range 3 {
		if err != nil {
			ts.Fatalf("%v", err)
		}
		_ = page.Body.Close()
		q := page.Request.URL.Query()
		form, asks := map[string]url.Values{
			"/device":  {"user_code": {q.Get("user_code")}},
			"/sign-in": {"username": {args[1]}, "password": {args[2]}, "pending": {q.Get("pending")}},
			"/consent": {"decision": {"allow"}, "pending": {q.Get("pending")}},
		}[page.Request.URL.Path]
		if !asks || left.Host != issuer.Host && left.Host != "" {
			break
		}
		page, err = c.PostForm(page.Request.URL.String(), form)
	}
	if err := os.WriteFile(ts.MkAbs(args[3]), []byte(left.String()+"\n"), 0o600); err != nil {
		ts.Fatalf("%v", err)
	}
}

// Every command and file that the guide shows has a name, and the script uses it.
func TestEveryBlockOfTheGuideIsRun(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/authorization.txt")
	if err != nil {
		t.Fatal(err)
	}
	if all, named := strings.Count("\n"+string(page), "\n```")/2, len(block.FindAllString(string(page), -1)); all != named || named < 15 {
		t.Errorf("%d blocks, %d of a known language", all, named)
	}
	for _, m := range block.FindAllStringSubmatch(string(page), -1) {
		name := strings.TrimSpace(m[2])
		used := regexp.MustCompile(`(?m)\b` + regexp.QuoteMeta(name) + `(\.sh)?( |$)`)
		if name == "" || !used.Match(script) {
			t.Errorf("the block %q is not run by testdata/script/authorization.txt:\n%s", name, m[3])
		}
	}
}

// The guide's table of error codes has each code that an answer may carry, and no other.
func TestTheGuideHasEveryErrorCode(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Error codes\n")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[a-z_]+`(?:, `[a-z_]+`)*) \\|").FindAllStringSubmatch(table, -1) {
		for _, code := range strings.Split(m[1], ", ") {
			listed[strings.Trim(code, "`")] = true
		}
	}
	answered := regexp.MustCompile(`Code: +"([a-z_]+)"`)
	var tree strings.Builder
	for _, dir := range []string{"authserver", "delegation", "gateway", "guard", "login", "oauth", "registration", "token", "web"} {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tree.Write(text)
			for _, m := range answered.FindAllSubmatch(text, -1) {
				if !listed[string(m[1])] {
					t.Errorf("%s answers %s, which the guide does not explain", file, m[1])
				}
			}
		}
	}
	for code := range listed {
		if !strings.Contains(tree.String(), `"`+code+`"`) {
			t.Errorf("the guide explains %s, which nothing answers", code)
		}
	}
}
