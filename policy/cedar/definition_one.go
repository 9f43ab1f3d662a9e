package cedar

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// readDefinition reads a definition as a list of the server has it, and prepares what calls are checked by.
func readDefinition(kind string, raw jsontext.Value) (name string, one *definition, err error) {
	name, one, members, err := nameDefinition(kind, raw)
	if err != nil {
		return "", nil, err
	}
	err = checkName(kind, name)
	switch {
	case err != nil:
	case kind == mcp.ItemTool:
		err = one.readTool(members)
	case kind == mcp.ItemPrompt:
		err = one.readPrompt(members)
	}
	if err != nil {
		return "", nil, fmt.Errorf("accepting %s: %w", visible(name), err)
	}
	return name, one, nil
}

// nameDefinition reads what a definition is called, whatever else is wrong with it.
func nameDefinition(kind string, raw jsontext.Value) (name string, one *definition, members map[string]json.RawMessage, err error) {
	order := kindOrder(kind)
	if order < 0 {
		return "", nil, nil, fmt.Errorf("accepting a definition: there is none of %q", kind)
	}
	if len(raw) > maxDefinition {
		return "", nil, nil, fmt.Errorf("accepting a definition: it has more than %d bytes", maxDefinition)
	}
	one = &definition{hash: mcp.HashDefinition(raw), raw: raw.Clone()}
	if one.hash == (mcp.Hash{}) || raw.Kind() != '{' || one.raw.Format(jsontext.ReorderRawObjects(true)) != nil {
		return "", nil, nil, errors.New("accepting a definition: it is no JSON object that two readers would understand alike")
	}
	if json.Unmarshal(raw, &members) != nil { // a map: names of a struct would match in any case
		return "", nil, nil, errors.New("accepting a definition: it is no JSON that can be read")
	}
	if json.Unmarshal(members[definitionKinds[order].name], &name) != nil {
		name = ""
	}
	return name, one, members, nil
}

// readTool is MCP, Tools.
func (d *definition) readTool(members map[string]json.RawMessage) error {
	if members["inputSchema"] == nil {
		return errors.New("it has no input schema")
	}
	root, full, err := readSchema(jsontext.Value(members["inputSchema"]))
	if err != nil {
		return err
	}
	plain := root.plain(false)
	if plain.kinds &= kindObject; plain.kinds == 0 { // arguments are never anything else
		return errors.New("its input schema is not that of an object")
	}
	if d.typ, _ = (&typer{}).of(root); d.typ == nil || d.typ.kind != valueRecord {
		d.typ = &valueType{kind: valueRecord}
	}
	d.form = form{root, full}
	return d.tool.read(members["annotations"])
}

// readPrompt is MCP, Prompts: its arguments are strings.
func (d *definition) readPrompt(members map[string]json.RawMessage) error {
	var list []map[string]json.RawMessage
	if raw := members["arguments"]; raw != nil && json.Unmarshal(raw, &list) != nil {
		return errors.New("its arguments are no list of objects")
	}
	text := &shape{kinds: kindString, maxLength: -1, maxItems: -1, maxMembers: -1}
	root := &shape{kinds: kindObject, additional: text, properties: map[string]*property{}, maxLength: -1, maxItems: -1, maxMembers: -1}
	for i, argument := range list {
		one := &shape{kinds: kindString, maxLength: -1, maxItems: -1, maxMembers: -1}
		p := &property{at: i, shape: one, declared: true}
		if json.Unmarshal(argument["name"], &p.name) != nil || root.properties[p.name] != nil {
			return errors.New("an argument has no name, or one that another has as well")
		}
		for raw, into := range map[string]any{"description": &one.about, "required": &p.required} {
			if argument[raw] != nil && json.Unmarshal(argument[raw], into) != nil {
				return fmt.Errorf("the %s of an argument cannot be read", raw)
			}
		}
		if root.properties[p.name] = p; p.required {
			root.required = append(root.required, p.name)
		}
	}
	d.form = form{shape: root}
	if d.typ, _ = (&typer{}).of(root); d.typ == nil {
		d.typ = &valueType{kind: valueRecord}
	}
	return nil
}

// toolHints are the annotations of a tool, or of several accepted definitions of it. The zero toolHints are of no tool.
type toolHints struct{ destructive, readOnly, idempotent, openWorld bool }

// read reads annotations. What is not said is what MCP says (schema.ts, ToolAnnotations): the worse one. What only reads destroys
// nothing, whatever it says.
func (t *toolHints) read(raw json.RawMessage) error {
	*t = toolHints{destructive: true, openWorld: true}
	if raw == nil {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return errors.New("its annotations are no object")
	}
	for name, into := range map[string]*bool{"destructiveHint": &t.destructive, "readOnlyHint": &t.readOnly, "idempotentHint": &t.idempotent, "openWorldHint": &t.openWorld} {
		if members[name] != nil && json.Unmarshal(members[name], into) != nil {
			return fmt.Errorf("its annotation %s is no boolean", name)
		}
	}
	t.destructive = t.destructive && !t.readOnly
	return nil
}

// worse are the hints of two definitions: the worse of each.
func (t toolHints) worse(u toolHints) toolHints {
	return toolHints{t.destructive || u.destructive, t.readOnly && u.readOnly, t.idempotent && u.idempotent, t.openWorld || u.openWorld}
}

// record are the hints as rules see them.
func (t toolHints) record() types.RecordMap {
	return types.RecordMap{
		"destructive": types.Boolean(t.destructive), "read_only": types.Boolean(t.readOnly), "idempotent": types.Boolean(t.idempotent), "open_world": types.Boolean(t.openWorld),
	}
}
