package gateway

import (
	"bytes"
	"encoding/json"

	"github.com/doorward-mcp/doorward/mcp"
)

// A receipt is the random id of a call's record: with it the caller, and nobody else, is given the proof that its call is in the audit log. It
// stands in a header of every answer, and in the _meta of the result of a request whose own _meta asks for it (MetaReceipt: true).
const (
	ReceiptHeader = "Doorward-Receipt"
	MetaReceipt   = "io.github.doorward-mcp/receipt"
)

// wantsReceipts reports whether a request of the call asks for its receipt in _meta.
func (f *filter) wantsReceipts() bool {
	for i := range f.call.Message.Operations {
		if asksReceipt(&f.call.Message.Operations[i]) {
			return true
		}
	}
	return false
}

// wantsReceipt is wantsReceipts of one request.
func (f *filter) wantsReceipt(id string) bool {
	for i := range f.call.Message.Operations {
		if op := &f.call.Message.Operations[i]; op.ID == id && asksReceipt(op) {
			return true
		}
	}
	return false
}

func asksReceipt(op *mcp.Operation) bool {
	if op.Kind != mcp.KindRequest || !bytes.Contains(op.Params, []byte(MetaReceipt)) {
		return false
	}
	var params struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	return json.Unmarshal(op.Params, &params) == nil && string(params.Meta[MetaReceipt]) == "true"
}

func (f *filter) withReceipt(data []byte) []byte {
	return mcp.WithMeta(data, MetaReceipt, []byte(`"`+f.id+`"`))
}
