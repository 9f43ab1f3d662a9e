package cedar

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// orderSchema is an input schema as servers have them, and order a call's arguments by it: 1 KB.
const orderSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"required":["customer","lines","currency"],"properties":{
	"customer":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","minimum":1},"name":{"type":"string","maxLength":200},"tier":{"enum":["free","team","enterprise"]},"email":{"type":"string","format":"email"}}},
	"lines":{"type":"array","minItems":1,"maxItems":100,"items":{"type":"object","required":["sku","quantity"],"properties":{"sku":{"type":"string","minLength":3},"quantity":{"type":"integer","minimum":1},"price":{"type":"number","minimum":0}}}},
	"currency":{"type":"string","enum":["EUR","USD","JPY"]},"express":{"type":"boolean","default":false},"discount":{"type":["number","null"],"maximum":1},
	"notes":{"type":"string"},"ship_to":{"$ref":"#/$defs/address"},"bill_to":{"anyOf":[{"$ref":"#/$defs/address"},{"type":"null"}]},"tags":{"type":"array","items":{"type":"string"}},"reference":{"type":"string"}},
	"$defs":{"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},"country":{"type":"string","minLength":2,"maxLength":2}}}}}`

const order = `{"customer":{"id":48213,"name":"Österreichische Werkzeug GmbH","tier":"enterprise","email":"einkauf@werkzeug.example"},
	"lines":[{"sku":"HMR-2201","quantity":40,"price":18.95},{"sku":"SAW-0031","quantity":12,"price":64.5},{"sku":"DRL-7780","quantity":3,"price":219}],
	"currency":"EUR","express":true,"discount":0.15,"reference":"2026/11/4711",
	"notes":"Please deliver to the rear entrance; the front gate is closed until the end of the month.\nCall the warehouse half an hour before, and have the driver ask for the shift lead. Pallets go back with the same truck. The last delivery was short by two boxes of HMR-2201: add them to this one, without charge, as agreed on the telephone with your colleague. Invoices go to the address below and, as before, in copy to the branch in Linz.",
	"ship_to":{"street":"Industriestraße 14","city":"Graz","country":"AT"},"bill_to":{"street":"Ring 1","city":"Wien","country":"AT"},
	"tags":["tools","rush","q4"]}`

// Issue 5, proof 6: what arguments of 1 KB cost.
func BenchmarkArguments(b *testing.B) {
	d := NewDefinitions("crm")
	if _, err := d.Accept(mcp.ItemTool, jsontext.Value(`{"name":"order","inputSchema":`+orderSchema+`}`)); err != nil {
		b.Fatal(err)
	}
	a := d.items()[0]
	read := func(names ...string) *reading {
		r := &reading{members: map[string]*reading{}}
		for _, n := range names {
			r.members[n] = everything
		}
		return r
	}
	for _, c := range []struct {
		name  string
		reads *reading
	}{
		{"checked", nil}, {"one read", &reading{members: map[string]*reading{"customer": read("id")}}},
		{"ten read", &reading{members: map[string]*reading{
			"customer": read("id", "tier", "email"), "ship_to": read("city", "country"),
			"currency": everything, "express": everything, "discount": everything, "reference": everything, "tags": everything,
		}}}, {"all read", everything},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(order)))
			b.ReportAllocs()
			op := mcp.Operation{Args: jsontext.Value(order)}
			for b.Loop() {
				if _, refused := a.read(op, c.reads); refused != nil {
					b.Fatal(refused)
				}
			}
		})
	}
}
