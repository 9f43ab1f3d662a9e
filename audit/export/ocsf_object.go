package export

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// fingerprint is SHA-256 over bytes as they are.
func fingerprint(b []byte) object {
	sum := sha256.Sum256(b)
	return object{
		"algorithm_id": 3, "algorithm": "SHA-256", "serialization_id": 1, "serialization": "Flat",
		"encoding_id": 1, "encoding": "Hex", "value": hex.EncodeToString(sum[:]),
	}
}

// actor is the person, as the log knows them, and the client that asked. The schema wants at least one of them.
func actor(e verify.Entry) object {
	a := object{}
	if e.Subject != nil {
		a["user"] = user(e)
	}
	set(a, "app_uid", e.Client)
	if len(a) == 0 {
		a["app_name"] = "unknown"
	}
	if p := e.Policy; p != nil {
		rule := object{"is_applied": true}
		set(rule, "uid", p.Bundle)
		set(rule, "type", "doorward")
		if len(p.Rules) > 0 {
			rule["name"] = p.Rules[0]
			rule["data"] = object{"rules": p.Rules}
		}
		a["authorizations"] = []object{{"decision": p.Verdict, "policy": rule}}
	}
	return a
}

// user is whom the record is about: a pseudonym, a commitment to what was typed, or nobody that is known.
func user(e verify.Entry) object {
	switch {
	case e.Subject != nil && e.Subject.Pseudonym != "":
		return object{"uid": e.Subject.Pseudonym, "type_id": 1, "type": "User"}
	case e.Name != "":
		return object{"uid": e.Name, "type_id": 0, "type": "Unknown"}
	}
	return object{"name": "unknown", "type_id": 0, "type": "Unknown"}
}

// endpoint is where the request came from: the log has a commitment to the address.
func endpoint(e verify.Entry) object {
	if e.Net == "" {
		return object{"name": "unknown"}
	}
	return object{"uid": e.Net}
}

// agent says who acted for the person, and under which authorization.
func agent(ev object, e verify.Entry) {
	if len(e.Chain) > 0 {
		a := object{}
		if set(a, "uid", e.Chain[0].Client); e.Chain[0].Client == "" {
			set(a, "uid", e.Chain[0].Pseudonym)
		}
		if len(a) > 0 {
			ev["ai_agent"] = a
		}
	}
	if e.Grant != "" {
		ev["delegation"] = object{"uid": e.Grant}
	}
}

// calls says which operations were asked for.
func calls(ev object, e verify.Entry) {
	api := object{"operation": e.Code, "group": object{"name": "mcp"}}
	var resources []object
	for i, c := range e.Calls {
		if i == 0 && c.Method != "" {
			api["operation"] = c.Method
		}
		one := object{"type": orUnknown(c.Method)}
		set(one, "name", c.Name)
		if c.Name == "" {
			set(one, "uid", c.NameSum)
		}
		set(one, "version", c.Definition)
		if len(one) > 1 {
			resources = append(resources, one)
		}
	}
	if e.Server != "" {
		api["service"] = object{"uid": e.Server, "name": e.Server}
	}
	set(api, "version", e.Proto)
	if e.Request != "" {
		api["request"] = object{"uid": e.Request}
	}
	ev["api"] = api
	if len(resources) > 0 {
		ev["resources"] = resources
	}
	if id, _ := trace(e.Trace); id != nil { // a span object has to have times, which the log has not
		ev["trace"] = object{"uid": hex.EncodeToString(id)}
	}
}

// privileges are the scopes that were given or shown. The schema wants the member even where there are none.
func privileges(e verify.Entry) []string {
	if len(e.Scopes) > 0 {
		return e.Scopes
	}
	out := []string{}
	for _, t := range e.Tokens {
		out = append(out, t.Scopes...)
	}
	return out
}

// entity is what the record is about.
func entity(e verify.Entry) object {
	out := object{"type_id": 99, "type": "Other", "name": e.Code}
	for _, uid := range []string{e.Grant, e.Client, e.About} { // the last one that is there says most
		set(out, "uid", uid)
	}
	if e.Subject != nil {
		out["user"] = user(e)
	}
	return out
}
