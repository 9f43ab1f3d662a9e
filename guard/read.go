package guard

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"

	"github.com/doorward-mcp/doorward/mcp"
)

// read takes the whole body within its bound before anything is forwarded: what is judged is what is sent on.
func (g *Guard) read(r *http.Request) (mcp.Message, error) {
	body, err := g.body(r)
	if err != nil {
		return mcp.Message{}, err
	}
	return mcp.Read(r.Method, textproto.MIMEHeader(r.Header), body)
}

func (g *Guard) body(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	var b bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= g.c.Limits.Body {
		b.Grow(int(n) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(nil, r.Body, g.c.Limits.Body))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, &mcp.Error{Status: http.StatusRequestEntityTooLarge, Code: mcp.InvalidRequest, Message: "the body is longer than this server takes"}
	case errors.Is(err, io.ErrUnexpectedEOF), err != nil:
		return nil, &mcp.Error{Status: http.StatusBadRequest, Code: mcp.InvalidRequest, Message: "the body broke off"}
	}
	return b.Bytes(), nil
}
