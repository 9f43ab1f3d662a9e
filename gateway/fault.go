package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// The codes of what goes wrong behind the gateway, in the data of the JSON-RPC error that the client gets. They stay as
// they are.
const (
	codeUnreachable  = "upstream.unreachable"  // no connection was made, or not in time
	codeBroken       = "upstream.broken"       // it answered nothing that can be read
	codeTLS          = "upstream.tls"          // it is not who it should be, or takes us for nobody
	codeUnauthorized = "upstream.unauthorized" // it refused the gateway's own credential
	codeRedirect     = "upstream.redirect"     // it named another address, which is not followed
	codeNotMCP       = "upstream.not_mcp"      // something answers that is no MCP server
	codeCredential   = "upstream.credential"   // there is no credential for this call
)

// fault is a call that failed behind the gateway. Its text gives away no address of the inside.
type fault struct {
	answer *mcp.Error
	code   string
	retry  int // seconds; 0: nothing is said of when
}

func (f *fault) Error() string { return f.code + ": " + f.answer.Message }
func (f *fault) Unwrap() error { return f.answer }

// newFault is an answer to c. A status of 0 is 502.
func newFault(c guard.Call, status int, code, message string) *fault {
	if status == 0 {
		status = http.StatusBadGateway
	}
	word := "bad_gateway"
	if status == http.StatusServiceUnavailable {
		word = "temporarily_unavailable"
	}
	return &fault{answer: &mcp.Error{Status: status, Code: mcp.InternalError, Message: message, ID: firstID(c), Data: struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Code        string `json:"code"`
		RequestID   string `json:"request_id"`
	}{word, message, code, c.Request.ID}}, code: code}
}

// unreachable is the answer for an upstream that does not answer.
func unreachable(c guard.Call, err error) error {
	var known *mcp.Error
	if errors.As(err, &known) {
		if known.ID == "" {
			known.ID = firstID(c)
		}
		return err
	}
	code, why := codeBroken, "it broke the connection off"
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	var plain tls.RecordHeaderError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		code, why = codeUnreachable, "nothing listens at its address: is it running?"
	case errors.As(err, &dns):
		code, why = codeUnreachable, "its name cannot be resolved"
	case errors.As(err, &cert):
		code, why = codeTLS, "its certificate is not one that is believed (upstream_tls.ca)"
	case errors.As(err, &op) && op.Op == "remote error": // how crypto/tls gives an alert
		code, why = codeTLS, "it refused the TLS connection: does it ask for a certificate (upstream_tls.certificate)?"
	case errors.As(err, &plain):
		code, why = codeTLS, "it does not speak TLS: is its address http?"
	case errors.As(err, &timeout) && timeout.Timeout():
		code, why = codeUnreachable, "it did not answer in time"
	case unsent(err):
		code, why = codeUnreachable, "no connection was made"
	}
	return newFault(c, 0, code, "the MCP server behind this address cannot be reached: "+why)
}

// unsent reports whether a request failed before a connection was there to send it on: it can have done nothing.
func unsent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.As(err, &cert)
}

// ours reports whether a request ended because we, or the client, ended it.
func ours(ctx context.Context) bool { return ctx.Err() != nil }

// refusedUs reports whether the upstream refused who we are, and not what the caller asked.
func refusedUs(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired
}

// checkStatus refuses answers that must not reach the client as they are.
func checkStatus(c guard.Call, res *http.Response) error {
	var code, why string
	switch {
	case refusedUs(res.StatusCode): // the client's token was good: a challenge would send it in a circle
		code, why = codeUnauthorized, "it refused the gateway's own credentials ("+strconv.Itoa(res.StatusCode)+"): does it need a key, or another (--upstream-header, upstream_credential)?"
	case res.StatusCode >= 300 && res.StatusCode < 400:
		code, why = codeRedirect, "it answered with a redirect ("+strconv.Itoa(res.StatusCode)+"): is its address right?"
	case mediaType(res) == "text/html":
		code, why = codeNotMCP, "it answered with a web page, so it is no MCP server: is its address right? Most end in /mcp"
	case res.StatusCode < 200:
		code, why = codeNotMCP, "it wants to speak another protocol ("+strconv.Itoa(res.StatusCode)+")"
	default:
		return nil
	}
	_ = res.Body.Close()
	return newFault(c, 0, code, "the MCP server behind this address did not take the call: "+why)
}

// faultCode is the code of a fault, for the record; empty for everything else.
func faultCode(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}

// failed is the outcome of a call to which the upstream gave no answer, or was not asked for one.
func failed(err error) audit.Outcome {
	if code := faultCode(err); code != "" {
		return audit.Outcome{Result: "upstream", Reason: code}
	}
	var refused *mcp.Error
	if errors.As(err, &refused) { // a session, stream or event that is not there any more
		return audit.Outcome{Result: "refused", Reason: "lost"}
	}
	return audit.Outcome{}
}

// announce says when a call may be tried again.
func announce(h http.Header, err error) {
	var f *fault
	if errors.As(err, &f) && f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retry))
	}
}
