package export

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Syslog sends each record as an RFC 5424 message whose MSG is the record as it is, and whose sequenceId (§7.3.1) is its index
// plus one.
//
// Over TCP and Unix streams it frames by octet counting (RFC 6587 §3.4.1), over TLS as RFC 5425 says; to a Unix datagram socket
// it writes one message each. Syslog has no answer that says that a message arrived: what a broken connection may have
// swallowed, the batch before, is sent again over the next one; what was on its way when both ends break is lost.
// Network and Address must be there. It is safe for concurrent use.
type Syslog struct {
	Network string      // tcp, unix or unixgram
	Address string      // host:port, or the path of a socket
	TLS     *tls.Config // with tcp; nil: in the clear
	Host    string      // HOSTNAME of the messages; empty: -
	Process string      // PROCID; empty: -

	mu     sync.Mutex // guards what follows
	conn   net.Conn
	before []byte // the last batch that was written
}

const (
	facility = 13 // log audit, RFC 5424 §6.2.1
	appName  = "doorward"
)

// Send is a Send.
func (s *Syslog) Send(ctx context.Context, r Records) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && !s.alive() {
		s.hangUp()
	}
	again := s.conn == nil
	if err := s.connect(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	conn := s.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := s.write(r, again)
	if err != nil {
		s.hangUp()
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// Close ends the connection.
func (s *Syslog) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// alive says whether the receiver has not closed the connection, as far as is known here. Receivers send nothing.
func (s *Syslog) alive() bool {
	if s.Network == "unixgram" {
		return true
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return false
	}
	_, err := s.conn.Read(make([]byte, 1))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}

func (s *Syslog) hangUp() {
	_ = s.conn.Close()
	s.conn = nil
}

func (s *Syslog) connect(ctx context.Context) (err error) {
	if s.conn != nil {
		return s.conn.SetDeadline(time.Time{})
	}
	if s.TLS != nil && s.Network == "tcp" {
		s.conn, err = (&tls.Dialer{Config: s.TLS}).DialContext(ctx, s.Network, s.Address)
	} else {
		s.conn, err = (&net.Dialer{}).DialContext(ctx, s.Network, s.Address)
	}
	if err != nil {
		s.conn = nil
		return fmt.Errorf("reaching the syslog receiver: %w", err)
	}
	return nil
}

// write sends records, and before them those that an earlier connection may have lost.
func (s *Syslog) write(r Records, again bool) error {
	if s.Network == "unixgram" {
		for _, one := range r {
			if _, err := s.conn.Write(s.message(one)); err != nil {
				return fmt.Errorf("writing record %d to the syslog receiver: %w", one.Index, err)
			}
		}
		return nil
	}
	var batch []byte
	for _, one := range r {
		m := s.message(one)
		batch = append(strconv.AppendInt(batch, int64(len(m)), 10), ' ')
		batch = append(batch, m...)
	}
	bufs := net.Buffers{batch}
	if again && s.before != nil {
		bufs = net.Buffers{s.before, batch}
	}
	if _, err := io.Copy(s.conn, &bufs); err != nil {
		return fmt.Errorf("writing to the syslog receiver: %w", err)
	}
	s.before = batch
	return nil
}

// message is SYSLOG-MSG of RFC 5424 §6. MSG is JSON of UTF-8 without the mark of MSG-UTF8, which receivers of JSON do not expect.
func (s *Syslog) message(r Record) []byte {
	at := "-"
	if t, err := time.Parse(time.RFC3339Nano, r.Entry.Time); err == nil {
		at = t.UTC().Format("2006-01-02T15:04:05.000000Z") // §6.2.3: at most six digits
	}
	// §7.3.1: sequenceId is 1 to 2147483647 and begins again at 1.
	b := fmt.Appendf(nil, `<%d>1 %s %s %s %s %s [meta sequenceId="%d"] `, facility*8+severity(r.Entry), at,
		printable(s.Host, 255), appName, printable(s.Process, 128), printable(r.Entry.Code, 32), r.Index%0x7fffffff+1)
	return append(b, r.Raw...)
}

// severity is that of RFC 5424 §6.2.1.
func severity(e verify.Entry) int {
	switch {
	case e.Code == verify.Gap:
		return 2 // critical
	case e.Code == verify.Dropped || failed(e):
		return 4 // warning
	case e.Phase == verify.Refusal || e.Result == "refused":
		return 5 // notice
	}
	return 6 // informational
}

// failed says whether what came of an act is that it went wrong, or that nobody knows.
func failed(e verify.Entry) bool { return e.Result == "failed" || e.Result == "unknown" }

// printable is a field of the header: PRINTUSASCII without spaces, or - for none.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}
