package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/authtest"
)

// A plain http.Handler is protected in ten lines: they are counted, and stand in the documents as they are compiled.
func TestTenLines(t *testing.T) {
	source, err := os.ReadFile("protect.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, begun := strings.Cut(string(source), "server http.Handler) error {\n")
	body, _, ended := strings.Cut(body, "\n\treturn nil\n")
	lines := strings.Split(body, "\n")
	if !begun || !ended || len(lines) > 10 {
		t.Errorf("%d lines:\n%s", len(lines), body)
	}
	for page, indent := range map[string]string{"../../docs/library.md": "", "../../guard/doc.go": "//\t"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, line := range lines {
			want = append(want, indent+strings.TrimPrefix(line, "\t"))
		}
		if !strings.Contains(string(text), strings.Join(want, "\n")+"\n") {
			t.Errorf("%s has other lines than protect.go", page)
		}
	}
}

// The program, over TCP: 401 with a challenge, the metadata that it names, a call with a good token, and the caller there.
func TestPlain(t *testing.T) {
	mux := http.NewServeMux()
	mine := httptest.NewServer(mux)
	t.Cleanup(mine.Close)
	as := authtest.New(t, mine.URL+"/mcp")
	if err := protect(mux, as.Issuer, mine.URL, http.HandlerFunc(answer)); err != nil {
		t.Fatal(err)
	}
	document := mine.URL + "/.well-known/oauth-protected-resource/mcp"
	for name, c := range map[string]struct {
		raw    string
		status int
		want   string
	}{
		"good": {as.Good(), 200, `{"jsonrpc":"2.0","id":1,"result":{"you":"alice through the-app"}}`}, "weak": {as.Weak(), 403, `"insufficient_scope"`},
		"none": {"", 401, ""}, "stale": {as.Stale(), 401, ""}, "stolen": {as.Stolen(), 401, ""}, "foreign": {as.Foreign(), 401, ""}, "forged": {as.Forged(), 401, ""}, "elsewhere": {as.Elsewhere(), 401, ""},
	} {
		status, challenge, body := call(t, mine.URL+"/mcp", c.raw)
		if status != c.status || !strings.Contains(body, c.want) || (status == 401 || status == 403) && !strings.Contains(challenge, `resource_metadata="`+document+`"`) {
			t.Errorf("%s: %d %q %s", name, status, challenge, body)
		}
	}
	res, err := http.Get(document)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var m struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil || m.Resource != mine.URL+"/mcp" || len(m.Servers) != 1 || m.Servers[0] != as.Issuer {
		t.Errorf("the metadata: %+v %v", m, err)
	}
}

func call(t *testing.T, address, raw string) (status int, challenge, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", address, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"who"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	if raw != "" {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("WWW-Authenticate"), string(b)
}

// A program that imports only guard is at most 15 MB, as it is shipped.
func TestSize(t *testing.T) {
	const most = 15 << 20
	program := filepath.Join(t.TempDir(), "plain")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB", float64(info.Size())/(1<<20))
	if info.Size() > most {
		t.Errorf("%d bytes, at most %d", info.Size(), most)
	}
}
