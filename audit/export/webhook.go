package export

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// maxAnswer bounds what is read of a receiver's answer.
const maxAnswer = 64 << 10

// Webhook posts records as JSON lines, application/x-ndjson, signed as the Standard Webhooks specification says:
//
//	webhook-id          the origin and the range of indexes: the same for the same records, so that a receiver knows what comes twice
//	webhook-timestamp   seconds since 1970
//	webhook-signature   "v1," and base64 of HMAC-SHA256 of id "." timestamp "." body
//
// Any 2xx status takes the batch. Redirects are not followed. URL, Secret, Client and Now must be there.
type Webhook struct {
	URL    string
	Secret []byte // of 24 to 64 random bytes
	Origin string // of the log
	Client *http.Client
	Now    func() time.Time

	// Line makes the line of a record; nil: Line, the record as it is.
	Line func(Record) ([]byte, error)
}

// Line has a record's exact bytes with its index and leaf hash, so that it can be proven: {"index":0,"hash":"…","record":{…}}.
func Line(r Record) ([]byte, error) {
	// The bytes must stay as they are: nothing may encode them again.
	b := fmt.Appendf(nil, `{"index":%d,"hash":"%s","record":`, r.Index, tlog.RecordHash(r.Raw))
	return append(append(b, r.Raw...), '}'), nil
}

// Send is a Send.
func (w *Webhook) Send(ctx context.Context, r Records) error {
	line := w.Line
	if line == nil {
		line = Line
	}
	body, err := lines(r, line)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("addressing the webhook: %w", err)
	}
	id := fmt.Sprintf("%s/%d-%d", w.Origin, r[0].Index, r[len(r)-1].Index+1)
	at := strconv.FormatInt(w.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", "v1,"+w.sign(id, at, body))
	_, err = post(w.Client, req)
	return err
}

func (w *Webhook) sign(id, at string, body []byte) string {
	mac := hmac.New(sha256.New, w.Secret)
	_, _ = fmt.Fprintf(mac, "%s.%s.", id, at) // a hash takes everything
	_, _ = mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// lines makes JSON lines of records.
func lines(r Records, line func(Record) ([]byte, error)) ([]byte, error) {
	var b []byte
	for _, one := range r {
		l, err := line(one)
		if err != nil {
			return nil, fmt.Errorf("writing record %d: %w", one.Index, err)
		}
		b = append(append(b, l...), '\n')
	}
	return b, nil
}

// post sends a request whose receiver the operator named, and gives what a 2xx answer says.
func post(c *http.Client, req *http.Request) ([]byte, error) {
	once := *c
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Do(req)
	if err != nil {
		if cause := context.Cause(req.Context()); cause != nil {
			return nil, cause
		}
		var named *url.Error
		if errors.As(err, &named) { // the address may have a secret in it
			err = named.Err
		}
		return nil, fmt.Errorf("reaching the receiver: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the receiver answered %d", res.StatusCode)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the receiver's answer: %w", err)
	}
	return body, nil
}
