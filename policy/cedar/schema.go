package cedar

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"

	"github.com/doorward-mcp/doorward/mcp"
)

// Schema is schema/NAME.cedarschema: what rules about the server can read, as Cedar's own tools read it, with a comment on what
// they cannot and why. It is for people and tools; Load makes the types anew.
func (d *Definitions) Schema() []byte {
	w := &schemaWriter{named: map[string]string{}}
	w.line("// What rules about %s can read. Made by doorward policy schema: changes are lost.", comment(d.server))
	w.common()
	for _, group := range []string{":prompts", ":resources", ":tools"} {
		w.line("action %s in %s;", schemaText(d.server+group), schemaText(d.server+"/*"))
	}
	w.line("action %s;", schemaText(d.server+"/*"))
	w.line("")
	for _, one := range d.items() {
		w.action(d, one)
	}
	w.action(d, addresses)
	w.action(d, &accepted{})
	return append(bytes.TrimRight(w.b.Bytes(), "\n"), '\n')
}

// schemaWriter writes Cedar's schema language, with comments, which Cedar's own writer has none of.
type schemaWriter struct {
	b      bytes.Buffer
	indent int
	named  map[string]string // :: member of the context → common type
}

func (w *schemaWriter) line(format string, args ...any) {
	if format != "" {
		w.b.WriteString(strings.Repeat("\t", w.indent))
	}
	fmt.Fprintf(&w.b, format+"\n", args...)
}

// common writes what is the same for every server: the entity types, and the records of the context as types with a name.
func (w *schemaWriter) common() {
	entities, _ := schema.NewSchemaFromAST(&ast.Schema{Entities: entityTypes(nil)}).MarshalCedar() // it has no errors
	w.b.Write(entities)
	w.line("")
	context := contextType(nil, true)
	for _, name := range slices.Sorted(maps.Keys(context)) {
		if r, ok := context[name].Type.(ast.RecordType); ok {
			w.named[string(name)] = strings.ToUpper(string(name[:1])) + string(name[1:])
			w.line("type %s = {", w.named[string(name)])
			w.attributes(r)
			w.line("};")
		}
	}
	w.line("")
}

func (w *schemaWriter) attributes(r ast.RecordType) {
	w.indent++
	for _, name := range slices.Sorted(maps.Keys(r)) {
		a := r[name]
		said := w.named[string(name)]
		if said == "" {
			said = plainType(a.Type)
		}
		w.line("%s%s: %s,", attribute(string(name)), mark(a.Optional), said)
	}
	w.indent--
}

// plainType is a type of the context that is no record.
func plainType(t ast.IsType) string {
	switch t := t.(type) {
	case ast.SetType:
		return "Set<" + plainType(t.Element) + ">"
	case ast.EntityTypeRef:
		return string(t)
	case ast.ExtensionType:
		return string(t)
	case ast.LongType:
		return "Long"
	case ast.BoolType:
		return "Bool"
	}
	return "String"
}

// action writes the action of one item.
func (w *schemaWriter) action(d *Definitions, a *accepted) {
	for _, hash := range a.hashes {
		w.line("// %s", hash)
	}
	in := ""
	for _, g := range groupsOf(manifest{}, d.server, a.item) {
		in += ", " + schemaText(g)
	}
	if in != "" {
		in = " in [" + in[2:] + "]"
	}
	w.line("action %s%s appliesTo {", schemaText(actionID(d.server, a.item)), in)
	w.indent++
	w.line("principal: [User, Agent, Workload],")
	w.line("resource: Server,")
	w.line("context: {")
	w.attributes(contextType(nil, a.item.Kind == mcp.ItemTool))
	if a.typ != nil {
		w.indent++
		w.b.WriteString(strings.Repeat("\t", w.indent) + "args: ")
		w.value(a.typ)
		w.b.WriteString(",\n")
		w.indent--
	}
	w.line("}")
	w.indent--
	w.line("};")
	w.line("")
}

// value writes a type, in which what cannot be read is a comment.
func (w *schemaWriter) value(t *valueType) {
	switch t.kind {
	case valueSet:
		w.b.WriteString("Set<")
		w.value(t.of)
		w.b.WriteString(">")
	case valueNullable:
		w.b.WriteString("{null: Bool, value?: ")
		w.value(t.of)
		w.b.WriteString("}")
	case valueRecord:
		w.b.WriteString("{\n")
		w.members(t)
		w.b.WriteString(strings.Repeat("\t", w.indent) + "}")
	default:
		w.b.WriteString([...]string{valueString: "String", valueLong: "Long", valueDecimal: "decimal", valueBool: "Bool"}[t.kind])
	}
}

func (w *schemaWriter) members(t *valueType) {
	w.indent++
	for _, name := range slices.Sorted(maps.Keys(t.members)) {
		m := t.members[name]
		for _, note := range append([]string{m.about}, m.notes...) {
			if note != "" {
				w.line("// %s", comment(note))
			}
		}
		w.b.WriteString(strings.Repeat("\t", w.indent) + attribute(name) + mark(m.optional) + ": ")
		w.value(m.valueType)
		w.b.WriteString(",\n")
	}
	for _, name := range slices.Sorted(maps.Keys(t.opaque)) {
		w.line("// rules cannot read %s: %s", comment(visible(name)), comment(t.opaque[name]))
	}
	w.indent--
}

func mark(optional bool) string {
	if optional {
		return "?"
	}
	return ""
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reserved   = []string{"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"}
)

// attribute is a name as an attribute's: in quotes where it is no identifier.
func attribute(name string) string {
	if identifier.MatchString(name) && !slices.Contains(reserved, name) {
		return name
	}
	return schemaText(name)
}

// schemaText is a string literal of Cedar. Everything but plain ASCII is escaped.
func schemaText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case ' ' <= r && r < 0x7f:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// maxComment is how much of a description is shown: the file of definitions has all of it.
const maxComment = 120

// comment is a text in one line, cut, with everything escaped that cannot be seen.
func comment(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Trim(visible(text), `"`)
	if utf8.RuneCountInString(text) > maxComment {
		text = string([]rune(text)[:maxComment]) + "…"
	}
	return text
}
