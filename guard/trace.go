package guard

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/doorward-mcp/doorward/mcp"
)

// parent is a traceparent, version 00 (W3C Trace Context §3.2.2).
var parent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceparent is what a request says of its trace: in the _meta of its one operation, where 2026-07-28 has it, or else in the header. Its
// tracestate and baggage are others' words, of any content, and are not recorded.
func traceparent(h http.Header, m mcp.Message) string {
	if len(m.Operations) == 1 && m.Revision >= mcp.V20260728 && bytes.Contains(m.Operations[0].Params, []byte(`"traceparent"`)) {
		var params struct {
			Meta struct {
				Parent string `json:"traceparent"`
			} `json:"_meta"`
		}
		if json.Unmarshal(m.Operations[0].Params, &params) == nil && parent.MatchString(params.Meta.Parent) {
			return params.Meta.Parent
		}
	}
	if all := h["Traceparent"]; len(all) == 1 && parent.MatchString(all[0]) {
		return all[0]
	}
	return ""
}
