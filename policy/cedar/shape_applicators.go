package cedar

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
)

// applicator reads a keyword that holds schemas, JSON Schema 2020-12 core §10 and §11. What is none is an annotation.
func (k *keywords) applicator(name string, v any) error {
	switch name {
	case "properties":
		return k.readProperties(name, v)
	case "required":
		return k.readRequired(name, v)
	case "additionalProperties":
		if v == true {
			return nil
		}
		s, err := k.below(v, name)
		k.additional = s
		k.reaches.members = append(k.reaches.members, s)
		return err
	case "items":
		if _, tuple := v.([]any); tuple { // draft-07 §6.4.1
			return k.each(name, v, &k.reaches.elements)
		}
		s, err := k.below(v, name)
		if k.all["prefixItems"] == nil { // then it is about the others
			k.items = s
		}
		k.reaches.elements = append(k.reaches.elements, s)
		return err
	case "allOf", "anyOf", "oneOf":
		return k.readBranches(name, v)
	case "not", "if", "then", "else":
		return k.one(name, v, &k.reaches.same)
	case "dependentSchemas", "dependencies":
		return k.each(name, v, &k.reaches.same)
	case "prefixItems":
		return k.each(name, v, &k.reaches.elements)
	case "patternProperties":
		return k.each(name, v, &k.reaches.members)
	case "additionalItems", "contains", "unevaluatedItems":
		return k.one(name, v, &k.reaches.elements)
	case "propertyNames", "unevaluatedProperties":
		return k.one(name, v, &k.reaches.members)
	case "dependentRequired", "minContains", "maxContains":
		k.partial = true
	}
	return nil
}

// one reads a keyword with one schema, which the walk does not cover.
func (k *keywords) one(name string, v any, into *[]*shape) error {
	k.partial = true
	s, err := k.below(v, name)
	*into = append(*into, s)
	return err
}

// each reads a keyword with several schemas, which the walk does not cover. Those of dependencies may be lists of names.
func (k *keywords) each(name string, v any, into *[]*shape) error {
	k.partial = true
	read := func(key string, v any) error {
		if _, names := v.([]any); names && name == "dependencies" {
			return nil
		}
		s, err := k.below(v, name, key)
		*into = append(*into, s)
		return err
	}
	switch v := v.(type) {
	case []any:
		for i, one := range v {
			if err := read(strconv.Itoa(i), one); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := read(key, v[key]); err != nil {
				return err
			}
		}
		return nil
	}
	return k.wrong(name, "it holds no schemas")
}

// readBranches is allOf, anyOf and oneOf. What stands alone and has one branch is that branch, and with a second one for null it
// is the branch or null: so several generators write references and what may be null.
func (k *keywords) readBranches(name string, v any) error {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return k.wrong(name, "it is no list of schemas")
	}
	k.choice = k.choice || name != "allOf"
	before := len(k.reaches.same)
	if err := k.each(name, v, &k.reaches.same); err != nil {
		return err
	}
	if k.counted > 1 {
		return nil
	}
	branches := k.reaches.same[before:]
	if len(branches) == 1 {
		k.same, k.partial = branches[0], false
		return nil
	}
	null := slices.IndexFunc(list, func(v any) bool {
		m, ok := v.(map[string]any)
		return ok && m["type"] == "null" && len(m) == 1
	})
	if name == "allOf" || len(branches) != 2 || null < 0 {
		return nil
	}
	// Of oneOf the library says whether null fits only once.
	k.same, k.orNull, k.partial = branches[1-null], true, name == "oneOf"
	return nil
}

func (k *keywords) readProperties(name string, v any) error {
	all, ok := v.(map[string]any)
	if !ok {
		return k.wrong(name, "it is no object")
	}
	k.properties = make(map[string]*property, len(all))
	for _, member := range slices.Sorted(maps.Keys(all)) {
		s, err := k.below(all[member], name, member)
		if err != nil {
			return err
		}
		k.properties[member] = &property{name: member, shape: s, declared: true}
		k.reaches.named = append(k.reaches.named, s)
	}
	return nil
}

func (k *keywords) readRequired(name string, v any) error {
	list, ok := v.([]any)
	if !ok {
		return k.wrong(name, "it is no list of names")
	}
	for _, one := range list {
		member, ok := one.(string)
		if !ok {
			return k.wrong(name, "it is no list of names")
		}
		if !slices.Contains(k.required, member) {
			k.required = append(k.required, member)
		}
	}
	return nil
}

// unescapeFragment is a pointer in a fragment without the escapes of addresses. RFC 6901 §6.
func unescapeFragment(fragment string) (string, bool) {
	pointer, err := url.PathUnescape(fragment)
	return pointer, err == nil
}
