package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

const sessionHeader = "Mcp-Session-Id"

// A session belongs to the person and the client that began it: a server that knows a session by its id alone would go on with
// whoever holds that. So the id that a client gets is the server's own with a MAC over whose it is, and nobody else's opens
// it. MCP, Security Best Practices, Session Hijacking. Nothing is kept.

// bind is the id that the client of c gets for one of the server's. The same id gives the same text, for clients compare.
func (g *Guard) bind(c Call, id string) string {
	return id + "." + base64.RawURLEncoding.EncodeToString(g.sessionMAC(c, id))
}

// unbind gives c the server's own session id. A session of somebody else, of another server, or of nobody, is not found, and
// clients begin another then. MCP 2025-11-25, Transports, Session Management.
func (g *Guard) unbind(c Call) (Call, error) {
	if c.Message.Session == "" {
		return c, nil
	}
	dot := strings.LastIndexByte(c.Message.Session, '.')
	if dot > 0 {
		id := c.Message.Session[:dot]
		mac, err := base64.RawURLEncoding.Strict().DecodeString(c.Message.Session[dot+1:])
		if err == nil && hmac.Equal(mac, g.sessionMAC(c, id)) {
			c.Message.Session = id
			return c, nil
		}
	}
	missing := &mcp.Error{Status: http.StatusNotFound, Code: mcp.InvalidRequest, Message: "there is no such session: begin another with initialize"}
	for _, op := range c.Message.Operations {
		if op.ID != "" {
			missing.ID = op.ID
			break
		}
	}
	return c, missing
}

// sessionMAC outlives tokens: a refreshed or widened one goes on with its session.
func (g *Guard) sessionMAC(c Call, id string) []byte {
	whose, err := json.Marshal([]string{"doorward/guard/session", c.Server, c.Caller.Issuer, c.Caller.Subject, c.Caller.Client, id})
	if err != nil {
		panic("guard: a list of strings cannot fail to encode: " + err.Error())
	}
	mac := hmac.New(sha256.New, g.c.SessionKey)
	mac.Write(whose)
	return mac.Sum(nil)
}

// lostSession records the refusal of a call whose session is not its caller's.
func (g *Guard) lostSession(r *http.Request, c Call, err error) error {
	record := c.Record()
	record.Code, record.Verdict, record.Reason = audit.CallRefused, policy.Deny.String(), "session"
	if _, lost := g.c.Log.Refused(r.Context(), record); lost != nil {
		return lost
	}
	return err
}
