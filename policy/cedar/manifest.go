package cedar

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"

	"github.com/doorward-mcp/doorward/mcp"
)

// How a server's definitions count.
const (
	definitionsAccepted = "accepted" // what the operator has not accepted is not used
	definitionsAny      = "any"      // everything may be used, as far as rules that look at no arguments allow
)

// manifest is bundle.yaml.
type manifest struct {
	ID         string                    `yaml:"id"`
	Servers    map[string]manifestServer `yaml:"servers"`    // :: name → server
	Toolsets   map[string][]string       `yaml:"toolsets"`   // :: name → SERVER/TOOL, in which * stands for any characters
	Attributes map[string]string         `yaml:"attributes"` // :: name of an attribute of people → its type
}

type manifestServer struct {
	Definitions string `yaml:"definitions"` // empty: definitionsAccepted
}

// The names that a bundle gives. A server's is that of the configuration.
var (
	bundleName    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	attributeName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// attributeTypes are what an attribute of a person can be.
var attributeTypes = []string{"String", "Long", "Bool", "Set<String>"}

func readManifest(files Files, p *problems) (m manifest) {
	const file = "bundle.yaml"
	if !readYAML(file, files[file], &m, p) {
		return m
	}
	if !bundleName.MatchString(m.ID) {
		p.add(file, 0, 0, "id: it is missing, or not a name of small letters, digits, dots and dashes")
	}
	if len(m.Servers) == 0 {
		p.add(file, 0, 0, "servers: no server is named: with nothing to decide about, everything is denied")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Servers)) {
		switch d := m.Servers[name].Definitions; {
		case !bundleName.MatchString(name):
			p.add(file, 0, 0, "servers: %q is not the name of a server", name)
		case d != "" && d != definitionsAccepted && d != definitionsAny:
			p.add(file, 0, 0, "servers.%s.definitions: there is no %q: accepted and any are", name, d)
		}
	}
	m.checkToolsets(file, p)
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		switch kind := m.Attributes[name]; {
		case !attributeName.MatchString(name):
			p.add(file, 0, 0, "attributes: %q is not a name of small letters, digits and _", name)
		case slices.Contains([]string{"issuer", "subject", "name"}, name):
			p.add(file, 0, 0, "attributes.%s: everybody has it already", name)
		case !slices.Contains(attributeTypes, kind):
			p.add(file, 0, 0, "attributes.%s: there is no type %q: %s are", name, kind, strings.Join(attributeTypes, ", "))
		}
	}
	return m
}

func (m manifest) checkToolsets(file string, p *problems) {
	for _, name := range slices.Sorted(maps.Keys(m.Toolsets)) {
		if !bundleName.MatchString(name) {
			p.add(file, 0, 0, "toolsets: %q is not a name of small letters, digits, dots and dashes", name)
		}
		if len(m.Toolsets[name]) == 0 {
			p.add(file, 0, 0, "toolsets.%s: it is empty, so that rules about it never match", name)
		}
		for _, tool := range m.Toolsets[name] {
			server, _, found := strings.Cut(tool, "/")
			if _, ok := m.Servers[server]; !found || !ok {
				p.add(file, 0, 0, "toolsets.%s: %q is not SERVER/TOOL of a server that is named here", name, tool)
			}
		}
	}
}

// accepted reports whether only definitions that the operator accepted count.
func (m manifest) accepted(server string) bool {
	return m.Servers[server].Definitions != definitionsAny
}

// toolsetsOf are the toolsets that a tool is in.
func (m manifest) toolsetsOf(server, tool string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(m.Toolsets)) {
		if slices.ContainsFunc(m.Toolsets[name], func(pattern string) bool { return glob(pattern, server+"/"+tool) }) {
			names = append(names, name)
		}
	}
	return names
}

// namedIn are the tools of a server that toolsets name in full.
func (m manifest) namedIn(server string) (all []mcp.Item) {
	for _, tools := range m.Toolsets {
		for _, tool := range tools {
			if name, ok := strings.CutPrefix(tool, server+"/"); ok && name != "" && !strings.Contains(name, "*") {
				all = append(all, mcp.Item{Kind: mcp.ItemTool, Name: name})
			}
		}
	}
	return all
}

// patterned are the toolsets in which a tool of a server can be that nobody named.
func (m manifest) patterned(server string) (groups []string) {
	for _, name := range slices.Sorted(maps.Keys(m.Toolsets)) {
		if slices.ContainsFunc(m.Toolsets[name], func(tool string) bool { return strings.HasPrefix(tool, server+"/") && strings.Contains(tool, "*") }) {
			groups = append(groups, "@"+name)
		}
	}
	return groups
}

// glob matches a pattern in which * stands for any characters.
func glob(pattern, name string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	parts := strings.Split(rest, "*")
	for _, part := range parts[:len(parts)-1] {
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name = name[at+len(part):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}

// readYAML reads a file of a bundle into v, strictly, and reports whether it could.
func readYAML(file string, content []byte, v any, p *problems) (ok bool) {
	// The parser is somebody else's, and a file that breaks it is a file that cannot be read.
	defer func() {
		if recover() != nil {
			ok = false
			p.add(file, 0, 0, "this is not YAML that can be read")
		}
	}()
	if deep(lexer.Tokenize(string(content))) { // the parser follows what is nested as deep as it goes
		p.add(file, 0, 0, "this is nested deeper than anything that a bundle has")
		return false
	}
	err := yaml.UnmarshalWithOptions(content, v, yaml.Strict())
	if err == nil {
		return true
	}
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p.add(file, at.GetToken().Position.Line, at.GetToken().Position.Column, "%s", at.GetMessage())
		return false
	}
	p.add(file, 0, 0, "this is not YAML that can be read: %s", firstLine(err))
	return false
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(fmt.Sprint(err), "\n")
	return line
}
