package config

import (
	"fmt"
	"strings"

	"github.com/doorward-mcp/doorward/stdio"
)

// Process is how the processes of a command run, and what they may take. The zero Process is stdio's defaults, without a sandbox.
type Process struct {
	stdio.Bounds      `yaml:",inline"`
	stdio.Confinement `yaml:",inline"`
	Directory         string `yaml:"directory"` // where they start; empty: where we did
}

// Variables is the environment of the command with its references looked up. The error names the variable and the reference, never a value.
func (s Server) Variables(lookup Lookup) ([]string, error) {
	all := make([]string, 0, len(s.Environment))
	for _, e := range s.Environment {
		name, value, given := strings.Cut(e, "=")
		if given {
			value, err := Text(value).Expand(lookup, nil)
			if err != nil {
				return nil, fmt.Errorf("environment variable %s: %w", name, err)
			}
			if strings.Contains(value, "\x00") {
				return nil, fmt.Errorf("environment variable %s: its value has a zero byte", name)
			}
			e = name + "=" + value
		}
		all = append(all, e)
	}
	return all, nil
}

// Private are the places that no process of a server may come to: the data, with its key and its administration, and the key of TLS.
func (c Config) Private() (all []string) {
	if c.Data != "" {
		all = append(all, c.Data)
	}
	if path, ok := strings.CutPrefix(string(c.Database), "sqlite:"); ok {
		all = append(all, path)
	}
	if c.TLS != nil && c.TLS.Key != "" {
		all = append(all, c.TLS.Key)
	}
	return all
}

// in is p with relative paths as they are seen from the file's directory.
func (p Process) in(from func(*string)) Process {
	from(&p.Directory)
	if p.Sandbox != nil {
		box := *p.Sandbox
		box.Read, box.Write = append([]string(nil), box.Read...), append([]string(nil), box.Write...)
		for i := range box.Read {
			from(&box.Read[i])
		}
		for i := range box.Write {
			from(&box.Write[i])
		}
		p.Sandbox = &box
	}
	return p
}
