package cedar

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
)

// The entity types. An action is one of Cedar's own.
const (
	typeUser      = "User"
	typeAgent     = "Agent"
	typeWorkload  = "Workload"
	typeGroup     = "Group"
	typeClientSet = "ClientSet"
	typeServer    = "Server"
	typeEnv       = "Env"
	typeAction    = "Action"
)

// writtenEntity is an entity as a file has it: in Cedar's JSON form, of which what is empty may be left out.
type writtenEntity struct {
	UID     writtenUID     `yaml:"uid" json:"uid"`
	Attrs   map[string]any `yaml:"attrs" json:"attrs"`
	Parents []writtenUID   `yaml:"parents" json:"parents"`
}

type writtenUID struct {
	Type string `yaml:"type" json:"type"`
	ID   string `yaml:"id" json:"id"`
}

// readEntities reads entities/*. JSON is YAML too.
func readEntities(files Files, p *problems) cedar.EntityMap {
	all := cedar.EntityMap{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		var entities []writtenEntity
		if !strings.HasPrefix(file, "entities/") || !readYAML(file, files[file], &entities, p) {
			continue
		}
		for _, written := range entities {
			e, err := written.entity()
			switch _, twice := all[e.UID]; {
			case err != nil:
				p.add(file, 0, 0, "%s::%q: %s", written.UID.Type, written.UID.ID, firstLine(err))
			case twice:
				p.add(file, 0, 0, "%s stands here a second time: of two, one would be left out", e.UID)
			case e.UID.Type == typeAction:
				p.add(file, 0, 0, "%s: actions come from the definitions of servers and from `toolsets`", e.UID)
			}
			all[e.UID] = e
		}
	}
	return all
}

func (w writtenEntity) entity() (e cedar.Entity, err error) {
	if w.Attrs == nil {
		w.Attrs = map[string]any{}
	}
	if w.Parents == nil {
		w.Parents = []writtenUID{}
	}
	b, err := json.Marshal(w)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	return e, err
}

// within is everything that entities are in, themselves first. A circle ends where it began.
func within(entities cedar.EntityMap, of ...cedar.EntityUID) []cedar.EntityUID {
	all := make([]cedar.EntityUID, 0, 2*len(of))
	var known map[cedar.EntityUID]bool // of many: looking through them all for each would take too long
	if len(of) > 32 {
		known = make(map[cedar.EntityUID]bool, 2*len(of))
	}
	add := func(one cedar.EntityUID) {
		if known[one] || known == nil && slices.Contains(all, one) {
			return
		}
		if all = append(all, one); known != nil {
			known[one] = true
		}
	}
	for _, one := range of {
		add(one)
	}
	for at := 0; at < len(all); at++ {
		for parent := range entities[all[at]].Parents.All() {
			add(parent)
		}
	}
	return all
}
