package doorward_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

const schemaPage = "docs/audit-schema.md"

// The page of the schema has every member of a record, and no other.
func TestTheSchemaPageHasEveryMember(t *testing.T) {
	told := column(t, "member", "type", "means")
	there := members(reflect.TypeFor[verify.Entry](), "")
	both(t, "member", told, there)
	for name, cells := range told {
		if want := there[name]; cells[1] != want && !(want == "text" && cells[1] == "time") {
			t.Errorf("%s: the type of %s is %s, not %s", schemaPage, name, want, cells[1])
		}
	}
}

// The page of the schema has every code with its class, and every notice.
func TestTheSchemaPageHasEveryCode(t *testing.T) {
	told := column(t, "code", "class", "phases", "when")
	there := classes(t)
	both(t, "code", told, there)
	for name, cells := range told {
		if cells[1] != there[name] {
			t.Errorf("%s: %s is %s, not %s", schemaPage, name, there[name], cells[1])
		}
		for phase := range strings.SplitSeq(cells[2], ", ") {
			if phase != verify.Intent && phase != verify.Outcome && phase != verify.Refusal {
				t.Errorf("%s: %s has the phase %q", schemaPage, name, phase)
			}
		}
	}
	notices := map[string]string{}
	for _, value := range constants(t, "audit/verify/entry.go", "") {
		if strings.HasPrefix(value, "log.") {
			notices[value] = ""
		}
	}
	both(t, "notice", column(t, "code", "when", "says"), notices)
}

// column are the rows of a table of the page by the name in their first cell.
func column(t *testing.T, header ...string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, r := range rows(t, schemaPage, header...) {
		name := strings.Trim(r.cells[0], "`")
		if all[name] != nil {
			t.Errorf("%s:%d: %s stands there twice", schemaPage, r.line, name)
		}
		all[name] = r.cells
	}
	return all
}

func both[V any](t *testing.T, what string, told map[string][]string, there map[string]V) {
	t.Helper()
	if len(there) == 0 {
		t.Fatalf("no %s was found", what)
	}
	for name := range there {
		if told[name] == nil {
			t.Errorf("%s does not explain the %s %s", schemaPage, what, name)
		}
	}
	for name := range told {
		if _, ok := there[name]; !ok {
			t.Errorf("%s explains the %s %s, which is not there", schemaPage, what, name)
		}
	}
}

// members are the JSON members of a type, with those of its members, and what they are in the page's words.
func members(typ reflect.Type, under string) map[string]string {
	all := map[string]string{}
	for f := range fields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		name, inner := under+name, f.Type
		all[name] = word(inner)
		at := name + "."
		switch inner.Kind() {
		case reflect.Pointer:
			inner = inner.Elem()
		case reflect.Slice:
			inner, at = inner.Elem(), name+"[]."
		}
		if inner.Kind() == reflect.Struct {
			for n, w := range members(inner, at) {
				all[n] = w
			}
		}
	}
	return all
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

func word(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "yes or no"
	case reflect.Slice:
		return "list"
	case reflect.Pointer, reflect.Struct:
		return "object"
	}
	return "number"
}

// classes are the codes with their class in the page's words. A code without a row of kinds is strict.
func classes(t *testing.T) map[string]string {
	t.Helper()
	codes := constants(t, "audit/codes.go", "Code")
	all := map[string]string{}
	for _, value := range codes {
		all[value] = "strict"
	}
	ast.Inspect(parsed(t, "audit/codes.go"), func(n ast.Node) bool {
		row, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isCode := row.Key.(*ast.Ident)
		kind, isKind := row.Value.(*ast.CompositeLit)
		if !isCode || !isKind || codes[key.Name] == "" {
			return true
		}
		for _, e := range kind.Elts {
			if m := e.(*ast.KeyValueExpr); m.Key.(*ast.Ident).Name == "class" {
				all[codes[key.Name]] = strings.ToLower(m.Value.(*ast.Ident).Name)
			}
		}
		return true
	})
	for code := range all {
		if audit.Code(code).TakesPower() {
			all[code] += ", always"
		}
	}
	return all
}

// constants are the texts of a file's constants of a type, by name.
func constants(t *testing.T, file, typ string) map[string]string {
	t.Helper()
	all := map[string]string{}
	ast.Inspect(parsed(t, file), func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		of := ""
		if id, ok := v.Type.(*ast.Ident); ok {
			of = id.Name
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING && of == typ {
			all[v.Names[0].Name], _ = strconv.Unquote(lit.Value)
		}
		return true
	})
	return all
}

func parsed(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
