package audit

import "slices"

// Level is how much of a call is recorded. The zero Level is LevelMetadata.
type Level string

// The levels, each with all of the one before it.
const (
	LevelNone     Level = "none"     // no record; of ping alone
	LevelMetadata Level = "metadata" // who, what and why, with commitments to the arguments; also the empty Level
	LevelArgs     Level = "args"     // the arguments, sealed in the vault
	LevelFull     Level = "full"     // the answer too
)

var order = map[Level]int{LevelNone: 0, "": 1, LevelMetadata: 1, LevelArgs: 2, LevelFull: 3}

// Known reports whether l is a level.
func (l Level) Known() bool {
	_, ok := order[l]
	return ok
}

// atLeast reports whether l records what of does.
func (l Level) atLeast(of Level) bool { return order[l] >= order[of] }

// LevelRule gives a level to calls. A member that is empty holds for all.
type LevelRule struct {
	Servers []string `yaml:"servers,omitempty"` // resource identifiers
	Methods []string `yaml:"methods,omitempty"` // such as tools/call
	Names   []string `yaml:"names,omitempty"`   // of tools and prompts
	Clients []string `yaml:"clients,omitempty"` // client_id
	Level   Level    `yaml:"level"`
}

// Levels are rules of which the first that fits decides. Where none fits, the level is LevelMetadata.
type Levels []LevelRule

// of is the level of a record: what the rules say or what the policy asks for, whichever is more. A batch has the level of its
// most telling operation.
func (all Levels) of(r *Record) Level {
	level := Level("")
	for i, op := range r.Message.Operations {
		l := all.first(r, op.Method, op.Name)
		if l == LevelNone && op.Method != "ping" {
			l = LevelMetadata
		}
		if i == 0 || !level.atLeast(l) {
			level = l
		}
	}
	if asked := Level(r.Level); asked != "" && asked.Known() && !level.atLeast(asked) {
		return asked
	}
	return level
}

func (all Levels) first(r *Record, method, name string) Level {
	for i := range all {
		l := &all[i]
		if fits(l.Servers, r.Server) && fits(l.Methods, method) && fits(l.Names, name) && fits(l.Clients, r.Caller.Client) {
			return l.Level
		}
	}
	return LevelMetadata
}

func fits(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
