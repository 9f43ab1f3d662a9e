package token

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// foreign is what a token of another issuer, or its introspection, says.
type foreign map[string]jsontext.Value

func readForeign(body []byte) (foreign, error) {
	var c foreign
	err := strict.Unmarshal(body, &c)
	return c, err
}

// find is the value of a claim. null is the same as none.
func (c foreign) find(name string) (jsontext.Value, bool) {
	if !strings.HasPrefix(name, "/") {
		v, ok := c[name]
		return v, ok && v.Kind() != 'n'
	}
	var v jsontext.Value
	at := c
	for i, part := range strings.Split(name[1:], "/") {
		if i > 0 {
			at = nil
			if strict.Unmarshal(v, &at) != nil {
				return nil, false
			}
		}
		v = at[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
		if v == nil || v.Kind() == 'n' {
			return nil, false
		}
	}
	return v, true
}

// first is the text of the first of names that the token has; empty: it has none, or it is no text.
func (c foreign) first(names []string, otherwise string) string {
	for _, name := range or(names, otherwise) {
		if v, ok := c.find(name); ok {
			all, _ := words(v)
			if len(all) == 1 && v.Kind() == '"' {
				return all[0]
			}
			return ""
		}
	}
	return ""
}

func or(names []string, otherwise string) []string {
	if len(names) == 0 && otherwise != "" {
		return []string{otherwise}
	}
	return names
}

// words are the texts of a claim that is one or an array of them.
func words(v jsontext.Value) ([]string, bool) {
	var a audience
	if k := v.Kind(); k != '"' && k != '[' || json.Unmarshal(v, &a) != nil {
		return nil, false
	}
	return a, true
}

// is reports whether a claim is or holds one of values.
func (c foreign) is(name string, values []string) bool {
	v, ok := c.find(name)
	if !ok {
		return false
	}
	if v.Kind() == '"' || v.Kind() == '[' {
		all, ok := words(v)
		return ok && slices.ContainsFunc(values, func(want string) bool { return slices.Contains(all, want) })
	}
	return slices.Contains(values, string(v))
}

// all reports whether every claim is or holds one of its values.
func (c foreign) all(want map[string][]string) bool {
	for name, values := range want {
		if !c.is(name, values) {
			return false
		}
	}
	return true
}

// has reports whether a claim is there and says anything.
func (c foreign) has(name string) bool {
	v, ok := c.find(name)
	return ok && string(v) != `""` && string(v) != "[]"
}

// times reads when the token is good. A token without an end is refused: streams end with their token.
func (c foreign) times(g *genuine) error {
	for name, to := range map[string]func(seconds){
		"exp": func(s seconds) { g.caller.Expires = s.time() }, "iat": func(s seconds) { g.caller.Issued = s.time() },
		"nbf": func(s seconds) { g.notBefore = s.time() }, "auth_time": func(s seconds) { g.caller.Authenticated = s.time() },
	} {
		v, ok := c.find(name)
		if !ok {
			continue
		}
		s, err := number(v)
		if err != nil {
			return invalid("claims", "the token's times cannot be read")
		}
		to(s)
	}
	if g.caller.Expires.IsZero() {
		return invalid("claims", "the token does not say when it ends")
	}
	return nil
}

// number reads a NumericDate. A few issuers write it as text.
func number(v jsontext.Value) (s seconds, err error) {
	if v.Kind() == '"' {
		text, err := strconv.Unquote(string(v))
		if err != nil {
			return 0, err
		}
		v = jsontext.Value(text)
	}
	err = s.UnmarshalJSON(v)
	return s, err
}

// narrowed reads what makes a token less than its subject's whole power: a key, actors, a task. What cannot be read would
// leave it wider, so it is refused.
func (c foreign) narrowed(said *Caller) error {
	if v, ok := c.find("cnf"); ok {
		var bound confirmation
		if strict.Unmarshal(v, &bound) != nil {
			return invalid("bound_otherwise", "the token is bound in a way that is not taken here")
		}
		var err error
		if said.Key, err = bound.key(); err != nil {
			return err
		}
	}
	if v, ok := c.find("act"); ok {
		var by *act
		if strict.Unmarshal(v, &by) != nil {
			return invalid("claims", "it cannot be read who acts with the token")
		}
		for ; by != nil; by = by.Act {
			// RFC 8693 §4.1: the actor is identified by sub, and by iss where the issuer is another one.
			if by.Subject == "" {
				return invalid("claims", "it cannot be read who acts with the token")
			}
			if by.Issuer == "" {
				by.Issuer = said.Issuer
			}
			said.Chain = append(said.Chain, Actor{Principal{by.Issuer, by.Subject}, by.Client, by.How})
		}
	}
	v, _ := c.find("authorization_details")
	task, err := taskOf(json.RawMessage(v))
	if err != nil {
		return invalid("task", "the task in the token cannot be read")
	}
	said.Task = task
	return nil
}
