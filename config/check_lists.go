package config

import "slices"

// toolSearch holds that the tools whose results list tools have names.
func (k checker) toolSearch(at string, s Server) {
	for i, name := range s.ToolSearch {
		switch here := nth(under(at, "tool_search"), i); {
		case name == "":
			k.add(here, "it is empty: the name of a tool whose result lists tools")
		case slices.Index(s.ToolSearch, name) < i:
			k.add(here, "it stands here a second time")
		}
	}
}
