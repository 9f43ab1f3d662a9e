package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// callerHeader is the gateway's header that tells an upstream who calls.
const callerHeader = "Doorward-Caller"

// caller is what whoami answers. Issuer is whose subject it is; VouchedBy is who made the assertion.
type caller struct {
	Subject   string `json:"subject"`
	Issuer    string `json:"issuer,omitempty"`
	Client    string `json:"client_id,omitempty"`
	Scope     string `json:"scope,omitempty"`
	VouchedBy string `json:"vouched_by,omitempty"`
}

func whoamiTool() *mcp.Tool {
	return &mcp.Tool{
		Name:        "whoami",
		Title:       "Who am I?",
		Description: "Tells what the server was told of the caller: subject, issuer, client and scope.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`),
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: no()},
	}
}

func whoami(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	var assertion string
	if r.Extra != nil {
		assertion = r.Extra.Header.Get(callerHeader)
	}
	if assertion == "" {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "nobody told me who calls"}}}, nil, nil
	}
	c, err := readCaller(assertion)
	if err != nil {
		return nil, nil, err
	}
	text := fmt.Sprintf("subject: %s\nissuer: %s\nclient_id: %s\nscope: %s", c.Subject, c.Issuer, c.Client, c.Scope)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, c, nil
}

// readCaller reads the claims of an assertion. It does not verify the signature: only the gateway of this process can have sent it. A
// server that anyone else can reach must verify it against the gateway's keys.
func readCaller(assertion string) (caller, error) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return caller{}, errors.New("the caller assertion is not a signed JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return caller{}, errors.New("the claims of the caller assertion are not base64url")
	}
	var claims struct {
		Issuer        string `json:"iss"`
		Subject       string `json:"sub"`
		SubjectIssuer string `json:"idp"`
		Client        string `json:"client_id"`
		Scope         string `json:"scope"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return caller{}, errors.New("the claims of the caller assertion are not JSON")
	}
	if claims.SubjectIssuer == "" {
		claims.SubjectIssuer = claims.Issuer
	}
	return caller{claims.Subject, claims.SubjectIssuer, claims.Client, claims.Scope, claims.Issuer}, nil
}
