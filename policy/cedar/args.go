package cedar

import (
	"sync/atomic"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// refusal is why arguments are refused. It never repeats a value, nor a name that only the caller gave.
type refusal struct {
	code string
	at   string // JSON pointer into the arguments; * stands for a member that the definition does not name; empty: all of them
	why  string
}

func (r *refusal) Error() string {
	if r.at == "" {
		return "the arguments: " + r.why
	}
	return "the argument " + r.at + ": " + r.why
}

// The codes of refusals.
const (
	refusedSchema = "args.schema" // they do not fit the input schema
	refusedNumber = "args.number" // a rule reads a number that not all readers read alike
	refusedURI    = "args.uri"    // a rule reads an address that not all readers read alike
	refusedBounds = "args.bounds" // there is more than is looked at
)

// What is looked at of the arguments of one call.
const (
	maxArgumentDepth = 100
	maxValues        = 10_000 // that rules read, in all
	maxElements      = 1000   // of one array that a rule reads: Cedar's sets are slow for those who make them so
)

// accepted is what the accepted definitions of one tool, prompt or template say of its arguments. nil: nothing is known, rules
// cannot read them, and they are not checked.
type accepted struct {
	item     mcp.Item
	forms    []form // a call must fit one of them
	typ      *valueType
	tool     toolHints
	template *template // of an action about addresses
	hashes   []mcp.Hash
	prepared atomic.Pointer[prepared]
}

// form is one accepted definition.
type form struct {
	shape *shape
	full  *fullCheck // nil: the walk covers the schema
}

// prepared is the plan for what was read last: of one action always the same.
type prepared struct {
	reads *reading
	plan  *plan
}

// record is the Cedar type of the arguments. nil: rules cannot look at them.
func (a *accepted) record() ast.RecordType {
	if a == nil || a.typ == nil {
		return nil
	}
	return a.typ.recordType()
}

// hints are the annotations of a tool as rules see them. Of one that nobody accepted they are the worst.
func (a *accepted) hints() types.RecordMap {
	if a == nil {
		return toolHints{destructive: true, openWorld: true}.record()
	}
	return a.tool.record()
}

// read checks the arguments of a call and makes values of what rules read of them; nil: nothing. reads does not change after.
func (a *accepted) read(op mcp.Operation, reads *reading) (types.Record, *refusal) {
	if a == nil {
		return types.Record{}, nil
	}
	if a.template != nil {
		return a.template.read(op.Name, reads)
	}
	p := a.prepared.Load()
	if p == nil || p.reads != reads {
		p = &prepared{reads, planOf(a.typ, reads)}
		a.prepared.Store(p)
	}
	return a.values(op.Args, p.plan)
}

// values reads arguments, which are JSON without duplicate names. None are those of an object: {}.
func (a *accepted) values(raw jsontext.Value, p *plan) (types.Record, *refusal) {
	if raw == nil {
		raw = jsontext.Value("{}")
	}
	var last *refusal
	for i := len(a.forms) - 1; i >= 0; i-- { // the newest first: it is what most calls fit
		record, refused := a.forms[i].read(raw, p)
		if refused == nil {
			return record, nil
		}
		if last == nil || last.code == refusedSchema && refused.code != refusedSchema {
			last = refused
		}
	}
	return types.Record{}, last
}

// read holds arguments against one definition. What is built of them does not hang on which one it is: that is the plan's.
func (f form) read(raw jsontext.Value, p *plan) (types.Record, *refusal) {
	w := borrowWalk(raw)
	defer w.giveBack()
	v, ok := w.value(f.shape, p)
	if ok && w.peek() != 0 {
		ok = w.fail("something follows it")
	}
	if !ok {
		return types.Record{}, w.refusal()
	}
	if f.full != nil {
		if refused := f.full.check(raw); refused != nil {
			return types.Record{}, refused
		}
	}
	record, _ := v.(types.Record)
	return record, nil
}
