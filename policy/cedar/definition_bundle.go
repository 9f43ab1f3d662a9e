package cedar

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
)

// readDefinitions reads schema/*.json of a bundle. A server without a file has no accepted definitions.
func readDefinitions(files Files, m manifest, p *problems) map[string]*Definitions {
	all := map[string]*Definitions{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(file, "schema/") || path.Ext(file) != ".json" {
			continue
		}
		name := strings.TrimSuffix(path.Base(file), ".json")
		if _, ok := m.Servers[name]; !ok {
			p.add(file, 0, 0, "bundle.yaml names no server %q", name)
			continue
		}
		d, err := ReadDefinitions(name, files[file])
		if wrong := (*definitionsError)(nil); errors.As(err, &wrong) {
			p.add(file, wrong.line, 1, "%v", wrong.err)
			continue
		}
		all[name] = d
	}
	return all
}
