package gateway

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

const sessionHeader = "Mcp-Session-Id"

// A session id that a client holds is the upstream's, sealed for the person and client who began the session at this
// server: at anybody else's hand it opens nothing. An upstream knows one caller, us, and could not tell them apart.
// MCP, Security Best Practices, Session Hijacking. Nothing is kept: an id is good on every replica and after a restart.

// sealSession is the id that the client gets for an upstream's, in the answer to r. A server may repeat the id in every
// answer, and clients compare: a session keeps the id that its client holds, for another sealing would be another text.
func (s *Server) sealSession(r *http.Request, c guard.Call, id string) (string, error) {
	if id == c.Message.Session {
		return r.Header.Get(sessionHeader), nil
	}
	sealed, err := s.c.Box.Seal([]byte(id), belongs(ofSession, c))
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// openSession is c with the upstream's session id in place of the client's. A session of somebody else, of another
// server, or of nobody, is not found: clients begin another then.
func (s *Server) openSession(c guard.Call) (guard.Call, error) {
	if s.c.Box == nil || c.Message.Session == "" {
		return c, nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Message.Session)
	if err == nil {
		sealed, err = s.c.Box.Open(sealed, belongs(ofSession, c))
	}
	if err != nil {
		return c, &mcp.Error{Status: http.StatusNotFound, Code: mcp.InvalidRequest, Message: "there is no such session: begin another with initialize", ID: firstID(c)}
	}
	c.Message.Session = string(sealed)
	return c, nil
}

// refused records that a call was refused after it was admitted.
func (s *Server) refused(r *http.Request, c guard.Call, reason string, err error) error {
	record := c.Record()
	record.Code, record.Verdict, record.Reason = audit.CallRefused, policy.Deny.String(), reason
	if _, lost := s.c.Log.Refused(r.Context(), record); lost != nil {
		return lost
	}
	return err
}

// The kinds of what is sealed for a caller: one opens nothing of another kind.
const (
	ofSession  = "doorward/session"
	ofEvents   = "doorward/events"
	ofMessages = "doorward/messages"
)

// belongs is whose something sealed is: a caller's at a server. It outlives tokens: a refreshed or widened one goes on with it.
func belongs(kind string, c guard.Call) []byte {
	b, err := json.Marshal([]string{kind, c.Server, c.Caller.Issuer, c.Caller.Subject, c.Caller.Client})
	if err != nil {
		panic("gateway: a list of strings cannot fail to encode: " + err.Error())
	}
	return b
}
