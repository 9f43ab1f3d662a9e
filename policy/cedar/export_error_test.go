package cedar

import (
	"github.com/cedar-policy/cedar-go"
)

// Break has a rule read what no call has, wherever it is about: what would come of it, had it been loaded.
func (e *Engine) Break(id string) {
	effect := "forbid"
	if e.rules[id].permits() {
		effect = "permit"
	}
	var broken cedar.Policy
	if err := broken.UnmarshalCedar([]byte(effect + " (principal, action, resource) when { context.nowhere.at.all };")); err != nil {
		panic(err)
	}
	in := func(all []compiled) {
		for i := range all {
			if string(all[i].id) == id {
				all[i].policy = &broken
			}
		}
	}
	for _, s := range e.servers {
		for _, a := range s.all() {
			for _, set := range []*ruleSet{&a.decide, &a.remedy, &a.open} {
				in(set.all)
				for _, some := range set.some {
					in(some)
				}
			}
		}
	}
}
