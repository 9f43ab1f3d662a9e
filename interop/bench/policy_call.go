package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	upstream "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/token"
)

// orderSchema is an input schema as servers have them.
const orderSchema = `{"type":"object","additionalProperties":false,"required":["customer","lines","currency"],"properties":{
	"customer":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","minimum":1},"name":{"type":"string","maxLength":200},"tier":{"enum":["free","team","enterprise"]},"email":{"type":"string","format":"email"}}},
	"lines":{"type":"array","minItems":1,"maxItems":100,"items":{"type":"object","required":["sku","quantity"],"properties":{"sku":{"type":"string","minLength":3},"quantity":{"type":"integer","minimum":1},"price":{"type":"number","minimum":0}}}},
	"currency":{"type":"string","enum":["EUR","USD","JPY"]},"express":{"type":"boolean","default":false},"discount":{"type":["number","null"],"maximum":1},
	"notes":{"type":"string"},"ship_to":{"$ref":"#/$defs/address"},"tags":{"type":"array","items":{"type":"string"}},"reference":{"type":"string"}},
	"$defs":{"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},"country":{"type":"string","minLength":2,"maxLength":2}}}}}`

// order is arguments of 1 KB with a discount.
func order(discount string) []byte {
	return fmt.Appendf(nil, `{"customer":{"id":48213,"name":"Österreichische Werkzeug GmbH","tier":"enterprise","email":"einkauf@werkzeug.example"},
	"lines":[{"sku":"HMR-2201","quantity":40,"price":18.95},{"sku":"SAW-0031","quantity":12,"price":64.5},{"sku":"DRL-7780","quantity":3,"price":219}],
	"currency":"EUR","express":true,"discount":%s,"reference":"2026/11/4711",
	"notes":"Please deliver to the rear entrance; the front gate is closed until the end of the month.\nCall the warehouse half an hour before, and have the driver ask for the shift lead. Pallets go back with the same truck. The last delivery was short by two boxes of HMR-2201: add them to this one, without charge, as agreed on the telephone with your colleague. Invoices go to the address below and, as before, in copy to the branch in Linz.",
	"ship_to":{"street":"Industriestraße 14","city":"Graz","country":"AT"},"tags":["tools","rush","q4"]}`, discount)
}

var (
	callTime   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	callGroups = []string{"sales", "g0", "g1", "g2", "g3"}
)

const ourIssuer = "https://house.example"

// request is the call as our engine is asked about it.
func request(discount string) policy.Request {
	op := mcp.Item{Kind: mcp.ItemTool, Name: "order"}.Use()
	op.Args = order(discount)
	return policy.Request{Now: callTime, Server: "s0", Operation: op, Client: netip.MustParseAddr("192.0.2.7"),
		Caller: token.Caller{Principal: token.Principal{Issuer: ourIssuer, Subject: "alice"}, Client: "app", Scopes: oauth.NewScopes("mcp", "orders"), Groups: callGroups,
			Issued: callTime.Add(-time.Minute), Expires: callTime.Add(9 * time.Minute), Authenticated: callTime.Add(-time.Hour), ACR: "mfa"}}
}

// input is the call as OPA is asked about it, its groups with what they are in.
func input(discount string) (map[string]any, error) {
	var args any
	if err := json.Unmarshal(order(discount), &args); err != nil {
		return nil, err
	}
	groups := []any{"staff"}
	for _, g := range callGroups {
		groups = append(groups, g)
	}
	return map[string]any{"action": "s0/order", "groups": groups, "args": args,
		"token": map[string]any{"scopes": []any{"mcp", "orders"}}, "delegation": map[string]any{"human": true, "client": "app"}, "time": map[string]any{"hour": 12}}, nil
}

// plain is the call as Cedar's own authorizer is asked about it, with the members of the arguments that rules read.
func plain(discount string) (upstream.Request, upstream.EntityMap, error) {
	portion, err := types.ParseDecimal(discount)
	if err != nil {
		return upstream.Request{}, nil, err
	}
	uid := func(kind types.EntityType, id string) types.EntityUID {
		return types.NewEntityUID(kind, types.String(id))
	}
	text := func(s string) types.Value { return types.String(s) }
	record := func(m types.RecordMap) types.Value { return types.NewRecord(m) }
	args := record(types.RecordMap{
		"customer": record(types.RecordMap{"id": types.Long(48213), "tier": text("enterprise"), "email": text("einkauf@werkzeug.example")}),
		"currency": text("EUR"), "express": types.True, "discount": record(types.RecordMap{"null": types.False, "value": portion}), "reference": text("2026/11/4711"),
		"ship_to": record(types.RecordMap{"city": text("Graz"), "country": text("AT")}), "tags": types.NewSet(text("tools"), text("rush"), text("q4")),
	})
	alice, app, sales := uid("User", "alice"), uid("Agent", "app"), uid("Group", "sales")
	var groups []types.EntityUID
	for _, g := range callGroups {
		groups = append(groups, uid("Group", g))
	}
	entities := upstream.EntityMap{alice: {UID: alice, Parents: types.NewEntityUIDSet(groups...)}, app: {UID: app, Parents: types.NewEntityUIDSet(uid("ClientSet", "approved"))}, sales: {UID: sales, Parents: types.NewEntityUIDSet(uid("Group", "staff"))}}
	return upstream.Request{Principal: alice, Action: uid("Action", "s0/order"), Resource: uid("Server", "s0"), Context: types.NewRecord(types.RecordMap{
		"args": args, "token": record(types.RecordMap{"scopes": types.NewSet(text("mcp"), text("orders"))}),
		"delegation": record(types.RecordMap{"human": types.True, "client": app}), "time": record(types.RecordMap{"hour": types.Long(12)}),
	})}, entities, nil
}

// bundle is rules as our engine loads them. The server of the call has a hundred tools.
func bundle(rules []ruled) (cedar.Files, error) {
	d := cedar.NewDefinitions("s0")
	for i := range 100 {
		name := fmt.Sprintf("t%d", i)
		if i == 0 {
			name = "order"
		}
		if _, err := d.Accept(mcp.ItemTool, fmt.Appendf(nil, `{"name":%q,"inputSchema":%s}`, name, orderSchema)); err != nil {
			return nil, err
		}
	}
	files := cedar.Files{"schema/s0.json": d.Bytes(), "bundle.yaml": []byte("id: bench\nservers:\n  s0: {}\n"),
		"entities/all.yaml": []byte("- uid: {type: Agent, id: app}\n  parents: [{type: ClientSet, id: approved}]\n- uid: {type: Group, id: sales}\n  parents: [{type: Group, id: staff}]\n")}
	for s := 1; s < 10; s++ {
		files["bundle.yaml"] = fmt.Appendf(files["bundle.yaml"], "  s%d: {definitions: any}\n", s)
	}
	for _, r := range rules {
		file := fmt.Sprintf("servers/s%d/rules.cedar", r.server)
		if r.tool == "" {
			file = "guardrails/all.cedar"
		}
		files[file] = append(files[file], r.inCedar()...)
	}
	return files, nil
}
