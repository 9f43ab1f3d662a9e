package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/doorward-mcp/doorward/mcp"
)

var (
	errLarge   = errors.New("it is too large")
	errPacked  = errors.New("it is packed in a way that nobody asked for")
	errNotJSON = errors.New("it is neither JSON nor a stream of events")
)

// open makes an answer readable where lists may stand in it, and filters one that came in one piece. Nobody asks upstreams
// to pack what they send; some do.
func (f *filter) open(res *http.Response) error {
	stream := streams(res)
	if !stream && !f.lists() && !f.redactsBody() && !f.wantsReceipts() && !(f.call.OpensStream() && res.StatusCode < http.StatusMultipleChoices) {
		return nil
	}
	if err := f.openBody(res, stream); err != nil {
		_ = res.Body.Close()
		fault := f.fault(err, res.StatusCode)
		if after, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && after > 0 {
			fault.retry = after
		}
		return fault
	}
	return nil
}

func (f *filter) openBody(res *http.Response, stream bool) error {
	if err := unpack(res); err != nil {
		return err
	}
	if stream {
		return nil
	}
	var b bytes.Buffer
	if n := res.ContentLength; n > 0 && n <= maxList {
		b.Grow(int(n) + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(res.Body, maxList+1))
	data := b.Bytes()
	switch {
	case err != nil:
		return fmt.Errorf("reading it: %w", err)
	case len(data) > maxList:
		return errLarge
	case len(bytes.TrimSpace(data)) == 0: // it lists nothing
	case mediaType(res) != "application/json":
		return errNotJSON
	default:
		if data, err = f.whatPasses(data); err != nil {
			return err
		}
		if r, ok := mcp.Response(data); ok && f.wantsReceipt(r.ID) {
			data = f.withReceipt(data)
		}
	}
	f.whole = true
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(data))
	res.ContentLength = int64(len(data))
	res.Header.Set("Content-Length", strconv.Itoa(len(data)))
	// RFC 9111 §3.5: what is for one caller is kept for nobody else, whatever the upstream believes.
	res.Header.Set("Cache-Control", "no-store")
	return nil
}

// whatPasses is an answer in one piece as the client gets it.
func (f *filter) whatPasses(data []byte) (out []byte, err error) {
	lists, redacting := f.lists() || f.call.OpensStream(), f.s.redacting.Load()
	if lists && !redacting {
		return f.pass(data)
	}
	r, ok := mcp.Response(data)
	if out = data; lists || r.Lists {
		if out, err = f.pass(data); err != nil {
			return nil, err
		}
	}
	if f.redacts(data, r, ok) {
		return f.takeOut(out)
	}
	return out, nil
}

// unpack undoes a Content-Encoding. RFC 9110 §8.4.
func unpack(res *http.Response) error {
	lines := res.Header["Content-Encoding"]
	if len(lines) == 0 || len(lines) == 1 && (lines[0] == "" || strings.EqualFold(lines[0], "identity")) {
		return nil
	}
	var open func(io.Reader) (io.ReadCloser, error)
	switch strings.ToLower(strings.TrimSpace(strings.Join(lines, ","))) {
	case "gzip", "x-gzip":
		open = func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
	case "deflate":
		open = zlib.NewReader
	default:
		return errPacked
	}
	res.Body = &unpacked{packed: res.Body, open: open}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	return nil
}

// unpacked reads what is packed. It begins with the first Read: a stream may have nothing to say for long.
type unpacked struct {
	packed io.ReadCloser
	open   func(io.Reader) (io.ReadCloser, error)
	plain  io.ReadCloser
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.plain == nil {
		var err error
		if u.plain, err = u.open(u.packed); err != nil {
			if errors.Is(err, io.EOF) { // nothing at all is no end of anything
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	return u.plain.Read(p)
}

func (u *unpacked) Close() error { return u.packed.Close() }

// strays looks for lists in an answer in one piece to a call that asks for none; nil: none can be there. Without sessions a
// request and its answer are one exchange.
func (f *filter) strays() *mcp.Scan {
	if f.whole || !f.call.Message.Revision.Sessions() {
		return nil
	}
	return &mcp.Scan{}
}
