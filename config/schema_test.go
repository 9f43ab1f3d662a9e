package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/doorward-mcp/doorward/config"
)

var update = flag.Bool("update", false, "write schema.json")

// rows are the meaning and the default of each key, as docs/configuration.md has them.
func rows(t *testing.T) map[string][2]string {
	t.Helper()
	all := map[string][2]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\| ([^|]*) \\|$").FindAllStringSubmatch(page(t), -1) {
		all[m[1]] = [2]string{strings.ReplaceAll(m[2], "`", ""), strings.ReplaceAll(m[3], "`", "")}
	}
	return all
}

// object is the schema of a struct, whose members stand at path.
func object(typ reflect.Type, path string, said map[string][2]string) map[string]any {
	properties, required := map[string]any{}, []string{}
	var add func(typ reflect.Type)
	add = func(typ reflect.Type) {
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
			switch {
			case strings.Contains(options, "inline"):
				add(typ.Field(i).Type)
			case name != "" && name != "-":
				at := strings.TrimPrefix(path+"."+name, ".")
				member := schemaOf(typ.Field(i).Type, at, said)
				if row, ok := said[at]; ok {
					member["description"] = strings.TrimSpace(row[0] + ". Default: " + row[1])
				}
				properties[name] = member
				if must := said[at][1]; strings.HasPrefix(must, "must be written") || at == "servers" || at == "registration" {
					required = append(required, name)
				}
			}
		}
	}
	add(typ)
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if slices.Sort(required); len(required) > 0 {
		s["required"] = required
	}
	return s
}

// words are the members that are one of a few words.
var words = map[string][]any{
	"policy": {"scopes-only"}, "registration.mode": {"listed", "review", "open"}, "assertion_issuers[].kind": {"workload", "identity"},
	"servers.NAME.isolation": {"session", "person", "shared_insecure"}, "servers.NAME.process.sandbox.network": {"none", "internet", "all"},
	"servers.NAME.balance": {"least-busy", "round-robin"}, "servers.NAME.transport": {"streamable-http", "sse"}, "servers.NAME.caller_header": {"on", "off"},
	"issuers.NAME.profile":                        {"auth0", "cognito", "entra", "keycloak", "okta"},
	"issuers.NAME.introspection.method":           {"client_secret_basic", "client_secret_post", "none"},
	"clients.listed[].token_endpoint_auth_method": {"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
}

func schemaOf(typ reflect.Type, path string, said map[string][2]string) map[string]any {
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9]+(d|h|m|s|ms))+$`}
	case typ == reflect.TypeFor[netip.Prefix]():
		return map[string]any{"type": "string"}
	case path == "policy":
		return map[string]any{"anyOf": []any{map[string]any{"enum": words[path]}, object(typ, path, said)}}
	case words[path] != nil:
		return map[string]any{"enum": words[path]}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return schemaOf(typ.Elem(), path, said)
	case reflect.Struct:
		return object(typ, path, said)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(typ.Elem(), path+".NAME", said)}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(typ.Elem(), path+"[]", said)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer", "minimum": 1}
	}
	return map[string]any{"type": "string", "minLength": 1}
}

// The published schema is that of the types and of the page, and it takes what Read takes.
func TestSchema(t *testing.T) {
	made := object(reflect.TypeFor[config.Config](), "", rows(t))
	made["$schema"], made["title"] = "https://json-schema.org/draft/2020-12/schema", "doorward.yaml"
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile("schema.json", text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, config.Schema) {
		t.Error("schema.json is not what the types and docs/configuration.md say: go test ./config -run TestSchema -update")
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(config.Schema, &s); err != nil {
		t.Fatal(err)
	}
	judge, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t), -1) {
		if err := judge.Validate(value(t, b[1])); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
	for name, wrong := range map[string]string{"an unknown key": "lisen: x\n", "a wrong type": "servers: []\n", "a wrong word": "policy: everything\n", "a missing key": "servers: {a: {demo: true}}\n"} {
		if err := judge.Validate(value(t, wrong)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// value is a text of YAML as JSON has it.
func value(t *testing.T, text string) (v any) {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
