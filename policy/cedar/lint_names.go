package cedar

import (
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/mcp"
)

// toolsets warns of what a toolset names and nobody has accepted: a tool that was renamed has left it, and the forbids about it.
func (l *linter) toolsets() {
	m := l.e.manifest
	for _, s := range l.servers {
		if s.any { // what is not known yet may come
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(m.Toolsets)) {
			for _, pattern := range m.Toolsets[name] {
				if !strings.HasPrefix(pattern, s.name+"/") || slices.ContainsFunc(slices.Collect(maps.Keys(s.actions)), func(i mcp.Item) bool {
					return i.Kind == mcp.ItemTool && glob(pattern, s.name+"/"+i.Name)
				}) {
					continue
				}
				l.warn.add("bundle.yaml", 0, 0, "toolsets.%s: no tool that is accepted is %q: one that was renamed is in the toolset no more", name, pattern)
			}
		}
	}
}

// spellings warns of two names that differ only by case: they are two, and one of them is probably nobody's.
func (l *linter) spellings() {
	type name struct {
		kind cedar.EntityType
		id   string // in small letters
	}
	seen := map[name]cedar.EntityUID{}
	for uid := range l.e.entities {
		seen[name{uid.Type, strings.ToLower(string(uid.ID))}] = uid
	}
	for _, r := range l.rules {
		for uid := range entitiesIn(r.ast) {
			n := name{uid.Type, strings.ToLower(string(uid.ID))}
			other, known := seen[n]
			switch {
			case uid.Type == typeAction:
			case !known:
				seen[n] = uid
			case other != uid:
				l.warn.of(r, "%s and %s differ by case, and are not the same", uid, other)
			}
		}
	}
}
