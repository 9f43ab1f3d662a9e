package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/interop/person"
)

// house is everything that runs: the upstream, the baselines before it, and two Doorwards, one of them before streams.
type house struct {
	dir                     string
	self                    string
	processes               []*process
	upstream                string // address
	doorward, streaming     *door
	firstRefusal, firstCall time.Duration
	rest                    float64 // MB
}

// door is a running doorward and a client's tokens for it.
type door struct {
	*process
	Resource, Issuer, Username, Password string
	client                               string
	access, refresh                      string
}

func newHouse(ctx context.Context, o options) (h *house, err error) {
	h = &house{}
	if h.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if h.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, err
	}
	if h.upstream, err = h.start("upstream"); err != nil {
		return nil, err
	}
	begun := time.Now()
	if h.doorward, err = h.protect(ctx, o, "call", "http://"+h.upstream+"/mcp", begun); err != nil {
		return nil, err
	}
	h.firstCall = time.Since(begun)
	h.streaming, err = h.protect(ctx, o, "stream", "http://"+h.upstream+"/sse", time.Time{})
	return h, err
}

func (h *house) close() {
	for _, p := range h.processes {
		p.end()
	}
	_ = os.RemoveAll(h.dir)
}

// start runs this program as a target at a fresh address.
func (h *house) start(role string, args ...string) (address string, err error) {
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	p, err := run(h.self, append([]string{role, address}, args...)...)
	if err != nil {
		return "", err
	}
	h.processes = append(h.processes, p)
	return address, awaitPort(address)
}

// protect starts doorward, waits for its first 401, signs in and makes a first call.
func (h *house) protect(ctx context.Context, o options, name, upstream string, begun time.Time) (*door, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := run(o.program, "--output", "json", "protect", upstream, "--listen", address, "--data", h.dir+"/"+name)
	if err != nil {
		return nil, err
	}
	h.processes = append(h.processes, p)
	d := &door{process: p}
	if !begun.IsZero() {
		if err := awaitPort(address); err != nil {
			return nil, err
		}
		res, err := http.Post("http://"+address+"/mcp", "application/json", strings.NewReader("{}"))
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			return nil, fmt.Errorf("the first answer is %s", res.Status)
		}
		h.firstRefusal = time.Since(begun)
	}
	if err := decode(p.out, d); err != nil {
		return nil, err
	}
	if !begun.IsZero() {
		if h.rest, err = p.rss(); err != nil {
			return nil, err
		}
	}
	if err := d.connect(ctx, person.New(d.Username, d.Password)); err != nil {
		return nil, err
	}
	_, err = d.call(http.DefaultClient)
	return d, err
}

const verifier = "bench-bench-bench-bench-bench-bench-bench-bench"

// connect registers a client and goes through the code flow.
func (d *door) connect(ctx context.Context, who *person.Person) error {
	var c struct {
		ID string `json:"client_id"`
	}
	res, err := http.Post(d.Issuer+"/register", "application/json", strings.NewReader(`{"client_name":"bench","redirect_uris":["http://127.0.0.1:1/cb"]}`))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := decode(res.Body, &c); err != nil {
		return err
	}
	d.client = c.ID
	return d.authorize(ctx, who)
}

func (d *door) authorize(ctx context.Context, who *person.Person) error {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {d.client}, "redirect_uri": {"http://127.0.0.1:1/cb"}, "resource": {d.Resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	back, err := who.Authorize(ctx, d.Issuer+"/authorize?"+q.Encode())
	if err != nil {
		return err
	}
	d.access, d.refresh, err = d.token(http.DefaultClient, url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")},
		"redirect_uri": {"http://127.0.0.1:1/cb"}, "code_verifier": {verifier}})
	return err
}

func (d *door) token(c *http.Client, form url.Values) (access, refresh string, err error) {
	form.Set("client_id", d.client)
	res, err := c.PostForm(d.Issuer+"/token", form)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	var t struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Error   string `json:"error_description"`
	}
	if err := decode(res.Body, &t); err != nil {
		return "", "", err
	}
	if t.Access == "" {
		return "", "", errors.New(t.Error)
	}
	return t.Access, t.Refresh, nil
}

// call makes one call and returns its answer.
func (d *door) call(c *http.Client) ([]byte, error) {
	return call(c, d.Resource, d.access, callBody(512))
}

func call(c *http.Client, address, token string, body []byte) ([]byte, error) {
	r, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	callHeader(r.Header, token)
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return b, err
}
