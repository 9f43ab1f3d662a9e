package authzen

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNobody   = errors.New("asking a decision point: there is none")
	errDecision = errors.New("reading a decision: it is no JSON object with one decision that is true or false")
)

// readDecision reads an access evaluation response strictly: a name that stands twice, another case of it or another type is no
// decision, for somebody else could read it as the other one.
func readDecision(answer []byte) (allowed bool, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(answer))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return false, errDecision
	}
	found := false
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return false, errDecision
		}
		if name.String() != "decision" {
			if d.SkipValue() != nil {
				return false, errDecision
			}
			continue
		}
		v, err := d.ReadToken()
		if err != nil || v.Kind() != 't' && v.Kind() != 'f' {
			return false, errDecision
		}
		found, allowed = true, v.Kind() == 't'
	}
	if _, err := d.ReadToken(); err != nil || !found {
		return false, errDecision
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return false, errDecision
	}
	return allowed, nil
}
