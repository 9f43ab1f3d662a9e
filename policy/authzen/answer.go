package authzen

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/policy"
)

var (
	errNobody   = errors.New("asking a decision point: there is none")
	errDecision = errors.New("reading a decision: it is no JSON object with one decision that is true or false")
)

// readDecision reads an access evaluation response strictly: a name that stands twice, another case of it or another type is no
// decision, for somebody else could read it as the other one.
//
// What must be done besides stands in context, as the obligations profile of AuthZEN has it, in the types of our own decisions:
// whoever enforces the decision refuses one that it does not know.
func readDecision(answer []byte) (allowed bool, must []policy.Obligation, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(answer))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return false, nil, errDecision
	}
	found := false
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return false, nil, errDecision
		}
		switch name.String() {
		case "context":
			if must, err = readObligations(d); err != nil {
				return false, nil, errDecision
			}
			continue
		case "decision":
		default:
			if d.SkipValue() != nil {
				return false, nil, errDecision
			}
			continue
		}
		v, err := d.ReadToken()
		if err != nil || v.Kind() != 't' && v.Kind() != 'f' {
			return false, nil, errDecision
		}
		found, allowed = true, v.Kind() == 't'
	}
	if _, err := d.ReadToken(); err != nil || !found {
		return false, nil, errDecision
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return false, nil, errDecision
	}
	return allowed, must, nil
}

// readObligations reads the context of an answer. Whatever else stands there is the decision point's own.
func readObligations(d *jsontext.Decoder) (must []policy.Obligation, err error) {
	var said struct {
		Obligations []obligation `json:"obligations"`
	}
	if err := json.UnmarshalDecode(d, &said); err != nil {
		return nil, err
	}
	for _, o := range said.Obligations {
		must = append(must, policy.Obligation{Name: o.Type, Value: o.Properties["value"], Rule: o.ID})
	}
	return must, nil
}
