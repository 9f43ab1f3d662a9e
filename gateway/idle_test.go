package gateway_test

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/internal/request"
)

// A stream on which nothing is sent holds little, and as little after it has carried something large.
func TestIdleStreamsHoldLittle(t *testing.T) {
	const streams, large = 200, 1 << 20
	big := make([]byte, large)
	for i := range big {
		big[i] = 'x'
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", events)
		_, _ = w.Write([]byte("data: "))
		_, _ = w.Write(big)
		_, _ = w.Write([]byte("\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer up.Close()
	to, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := gated(t, func(c *gateway.Config) {
		c.Limits.Caller.AtOnce = streams + 1
		transport := gateway.Transport()
		t.Cleanup(transport.CloseIdleConnections)
		pool, err := gateway.NewPool(gateway.PoolConfig{To: []*url.URL{to}, Base: transport})
		if err != nil {
			t.Fatal(err)
		}
		c.Upstream = pool.Upstream
	})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.s.ServeHTTP(w, request.Begin(r, func() time.Time { return noon }, nil))
	}))
	defer front.Close()
	held := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	raw, before := f.token("alice"), held()
	for range streams {
		c, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Write([]byte("GET /mcp HTTP/1.1\r\nHost: mcp.example\r\nMcp-Protocol-Version: 2025-11-25\r\nAuthorization: Bearer " + raw + "\r\n\r\n"))
		in := bufio.NewReaderSize(c, 4096)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		for n := 0; n < large; {
			b := make([]byte, 32<<10)
			m, err := res.Body.Read(b)
			if n += m; err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(100 * time.Millisecond)
	each := (held() - before) / streams
	if t.Logf("%d bytes a stream, with the upstream's and the client's side in the same process", each); each > 200<<10 {
		t.Errorf("%d bytes are held for each", each)
	}
}
