package mcp

import (
	"encoding/base64"
	"mime"
	"net/textproto"
	"strings"
	"unicode/utf8"
)

const (
	maxHeader      = 8 << 10 // bytes of one mirrored header's value
	maxParamFields = 64      // Mcp-Param header lines
)

// checkContent refuses content that the server behind might decode into other text than was judged here.
func checkContent(h textproto.MIMEHeader) *Error {
	for _, value := range h["Content-Type"] {
		if value == "application/json" {
			continue
		}
		media, parameters, err := mime.ParseMediaType(value)
		if err != nil || media != "application/json" {
			return refuse(415, InvalidRequest, "Content-Type must be application/json")
		}
		// RFC 8259 §8.1: JSON between systems is UTF-8. A reader that honours another charset sees other members.
		if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
			return refuse(415, InvalidRequest, "the charset must be UTF-8")
		}
	}
	for _, value := range h["Content-Encoding"] {
		if !strings.EqualFold(value, "identity") {
			return refuse(415, InvalidRequest, "Content-Encoding must be identity")
		}
	}
	return nil
}

// single returns a header's value, which may stand on several lines only if all say the same (TR-HDR-VALIDATE).
func single(h textproto.MIMEHeader, name string) (value string, given, agree bool) {
	lines := h[name]
	if len(lines) == 0 {
		return "", false, true
	}
	value = strings.Trim(lines[0], " \t")
	for _, line := range lines[1:] {
		if strings.Trim(line, " \t") != value {
			return "", true, false
		}
	}
	return value, true, true
}

// revisionHeader reads MCP-Protocol-Version (TR-PV-INVALID-400).
func revisionHeader(h textproto.MIMEHeader) (r Revision, given bool, err *Error) {
	value, given, agree := single(h, "Mcp-Protocol-Version")
	if !agree {
		return "", true, refuse(400, InvalidRequest, "MCP-Protocol-Version stands twice with different values")
	}
	r = Revision(value)
	if given && !r.Known() {
		e := refuse(400, UnsupportedRevision, "Unsupported protocol version")
		e.Data = struct {
			Supported []Revision `json:"supported"`
			Requested string     `json:"requested"`
		}{Supported(), value[:min(len(value), 64)]}
		return "", true, e
	}
	return r, given, nil
}

// sessionHeader reads Mcp-Session-Id. TR-SID-ASCII: a session id is visible ASCII.
func sessionHeader(h textproto.MIMEHeader) (string, *Error) {
	value, _, agree := single(h, "Mcp-Session-Id")
	visible := strings.IndexFunc(value, func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
	if !agree || !visible {
		return "", refuse(400, InvalidRequest, "Mcp-Session-Id must be one value of visible ASCII characters")
	}
	return value, nil
}

// checkMirrored compares the headers of 2026-07-28 with the one operation of the body (TR-HDR-VALIDATE). The specification leaves the
// headers of a notification open: they may be missing, but not wrong. Mcp-Param headers are forwarded unread (GW-XHDR-FORWARD) within
// their bounds (GW-HEADER-LIMITS).
func checkMirrored(h textproto.MIMEHeader, o Operation) *Error {
	fields := 0
	for name, lines := range h {
		if !strings.HasPrefix(name, "Mcp-") {
			continue
		}
		for _, line := range lines {
			if len(line) > maxHeader {
				return refuse(431, InvalidRequest, "%.40s is longer than %d bytes", name, maxHeader)
			}
		}
		if strings.HasPrefix(name, "Mcp-Param-") {
			fields += len(lines)
		}
	}
	if fields > maxParamFields {
		return refuse(431, InvalidRequest, "there are more than %d Mcp-Param headers", maxParamFields)
	}
	method, given, agree := single(h, "Mcp-Method")
	if !agree || given && method != o.Method || !given && o.Kind == KindRequest {
		return mismatch("Mcp-Method", "method", given)
	}
	return checkName(h, o)
}

func checkName(h textproto.MIMEHeader, o Operation) *Error {
	value, given, agree := single(h, "Mcp-Name")
	if !given {
		switch o.Method {
		case "tools/call", "resources/read", "prompts/get":
			if o.Kind == KindRequest {
				return mismatch("Mcp-Name", "name", false)
			}
		}
		return nil
	}
	name, ok := DecodeHeader(value)
	if !agree || !ok || o.Name != "" && name != o.Name {
		return mismatch("Mcp-Name", "name", true)
	}
	return nil
}

func mismatch(header, member string, given bool) *Error {
	if !given {
		return refuse(400, HeaderMismatch, "Header mismatch: %s is missing", header)
	}
	return refuse(400, HeaderMismatch, "Header mismatch: %s is not the %s in the body", header, member)
}

// The marks of an encoded value, in exactly this case.
const (
	encodedPrefix = "=?base64?"
	encodedSuffix = "?="
)

// DecodeHeader returns what a value of Mcp-Name or Mcp-Param-* stands for (TR-HDR-B64-DECODE). ok is false if it holds characters that
// a header must not have, or is marked as Base64 and is no Base64 of UTF-8.
func DecodeHeader(value string) (decoded string, ok bool) {
	for i := range len(value) {
		if c := value[i]; c != '\t' && (c < ' ' || c > '~') {
			return "", false
		}
	}
	inner, marked := strings.CutPrefix(value, encodedPrefix)
	if marked {
		inner, marked = strings.CutSuffix(inner, encodedSuffix)
	}
	if !marked {
		return value, true
	}
	text, err := base64.StdEncoding.Strict().DecodeString(inner)
	return string(text), err == nil && utf8.Valid(text)
}

// EncodeHeader returns the value of Mcp-Name or Mcp-Param-* that stands for s (TR-HDR-B64).
func EncodeHeader(s string) string {
	plain := s == strings.Trim(s, " \t") && !(strings.HasPrefix(s, encodedPrefix) && strings.HasSuffix(s, encodedSuffix))
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] <= '~'
	}
	if plain {
		return s
	}
	return encodedPrefix + base64.StdEncoding.EncodeToString([]byte(s)) + encodedSuffix
}
