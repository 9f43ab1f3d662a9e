package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// callBody is a tools/call of so many bytes.
func callBody(size int) []byte {
	head := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"`
	tail := `"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}

func callHeader(h http.Header, token string) {
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "search", "Authorization": "Bearer " + token} {
		h.Set(name, value)
	}
}

// serveUpstream answers calls with 345 bytes of JSON, and at /sse with events that are flushed one by one. At /early it
// answers before it has read the request: the habit that makes a proxy cut answers.
func serveUpstream(address string) error {
	result := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"`
	answer := []byte(result + strings.Repeat("y", 345-len(result)-6) + `"}]}}` + "\n")
	last := []byte("event: message\ndata: " + string(answer) + "\n")
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w).Flush
		for n := range 5 {
			_, _ = fmt.Fprintf(w, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":%d}}\n\n", n)
			_ = flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(last)
	})
	return http.ListenAndServe(address, mux)
}

// serveProxy is httputil.ReverseProxy, as it comes or with a raised idle pool, and nothing else.
func serveProxy(address, upstream string, raised bool) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.URL.Path = to.Path }}
	if raised {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 1024
		p.Transport = t
	}
	return http.ListenAndServe(address, p)
}

// process is a target that runs.
type process struct {
	*exec.Cmd
	out io.Reader
}

func run(program string, args ...string) (*process, error) {
	c := exec.Command(program, args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{c, out}, c.Start()
}

func (p *process) end() {
	_ = p.Process.Signal(syscall.SIGTERM)
	_ = p.Wait()
}

// cpu is what the process has used so far, user and system, as /proc has it.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("reading /proc: %q", b)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil // USER_HZ is 100 on Linux
}

// rss is the resident memory in MB.
func (p *process) rss() (float64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS")
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func awaitPort(address string) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("nobody listens on %s", address)
}

func decode(r io.Reader, v any) error { return json.NewDecoder(r).Decode(v) }
