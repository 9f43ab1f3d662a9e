package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"

	"net/http/httputil"

	"github.com/go-jose/go-jose/v4"
)

// serveTuned is httputil.ReverseProxy with everything that can be had by configuration: idle connections, buffers that are used
// again, no compression, and a collector that waits as long as ours.
func serveTuned(address, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400)
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.DisableCompression, t.WriteBufferSize, t.ReadBufferSize = 0, 1024, true, 32<<10, 32<<10
	p := &httputil.ReverseProxy{Transport: t, BufferPool: &pieces{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.URL.Path = to.Path }}
	return http.ListenAndServe(address, p)
}

type pieces struct{ pool sync.Pool }

func (p *pieces) Get() []byte  { return *p.pool.Get().(*[]byte) }
func (p *pieces) Put(b []byte) { p.pool.Put(&b) }

// others are proxies that are no Go programs, as Debian has them. One that is not installed is left out, and said.
func (h *house) others(path string, d *door) (all []*loaded, err error) {
	for _, o := range []struct {
		name, program, file string
		args                []string
		text                func(address string, d *door) (string, error)
	}{
		{"nginx, no check", "nginx", "nginx.conf", []string{"-p", h.dir, "-e", "stderr", "-c"}, h.nginx},
		{"haproxy, jwt_verify", "haproxy", "haproxy.cfg", []string{"-db", "-f"}, h.haproxy},
	} {
		program, err := exec.LookPath(o.program)
		if err != nil {
			fmt.Printf("%s is not installed (Debian: nginx-light, haproxy) and is left out\n", o.program)
			continue
		}
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		text, err := o.text(address, d)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(h.dir, o.file)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		p, err := run(program, append(o.args, file)...)
		if err != nil {
			return nil, err
		}
		h.processes = append(h.processes, p)
		if err := awaitPort(address); err != nil {
			return nil, err
		}
		all = append(all, &loaded{name: o.name, address: "http://" + address + path, p: p})
	}
	return all, nil
}

// nginx is one process, so that its CPU is counted, which writes a line for each request.
func (h *house) nginx(address string, _ *door) (string, error) {
	return fmt.Sprintf(`daemon off; master_process off; worker_rlimit_nofile 4096; pid %[1]s/nginx.pid;
events { worker_connections 2048; }
http {
  access_log %[1]s/nginx.log; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream mcp { server %[2]s; keepalive 1024; }
  server { listen %[3]s; keepalive_requests 100000000; location / { proxy_pass http://mcp; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization ""; proxy_buffering off; } }
}
`, h.dir, h.upstream, address), nil
}

// haproxy verifies the token's signature and its audience, and writes no log.
func (h *house) haproxy(address string, d *door) (string, error) {
	res, err := http.Get(d.Issuer + "/jwks")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := decode(res.Body, &set); err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	if err != nil {
		return "", err
	}
	key := filepath.Join(h.dir, "issuer.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf(`global
  tune.bufsize 131072
  nbthread 2
defaults
  mode http
  timeout client 1m
  timeout server 1m
  timeout connect 5s
frontend in
  bind %s
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
  http-request deny deny_status 401 unless { var(txn.alg) -m str ES256 }
  http-request deny deny_status 401 unless { var(txn.aud) -m str %s }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"%s") -m int 1 }
  http-request del-header authorization
  default_backend mcp
backend mcp
  http-reuse always
  server one %s
`, address, d.Resource, key, h.upstream), nil
}
