package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/stdio"
)

// process holds how a server's command runs against itself. What this machine can do is seen at the start.
func (k checker) process(at string, s Server) {
	k.choice(under(at, "isolation"), string(s.Isolation), string(stdio.PerSession), string(stdio.PerPerson), string(stdio.SharedInsecure))
	k.environment(under(at, "environment"), s.Environment)
	if len(s.Command) == 0 {
		for key, given := range map[string]bool{"environment": len(s.Environment) > 0, "isolation": s.Isolation != "", "process": !reflect.DeepEqual(s.Process, Process{})} {
			if given {
				k.add(under(at, key), "it is for a command, and the server has none")
			}
		}
		return
	}
	if s.Open() && s.Isolation == stdio.PerPerson {
		k.add(under(at, "isolation"), "the server is open to everybody, and nobody is known to be a person")
	}
	k.bounds(under(at, "process"), s.Process.Bounds)
	if s.Process.Sandbox != nil {
		k.sandbox(under(at, "process.sandbox"), *s.Process.Sandbox)
	}
}

func (k checker) environment(at string, all []string) {
	for i, e := range all {
		name, value, literal := strings.Cut(e, "=")
		switch {
		case !variableName.MatchString(name):
			k.add(nth(at, i), "it is neither NAME, to pass on, nor NAME=value")
		case checkReferences(value) != "":
			k.add(nth(at, i), "%s", checkReferences(value))
		case literal && value != "" && secretive.MatchString(name) && !reference.MatchString(value):
			k.add(nth(at, i), "a secret seems to stand here in the clear: write %s alone, and it is passed on from the environment, or %s=${file:PATH}", name, name)
		}
	}
}

func (k checker) bounds(at string, b stdio.Bounds) {
	for key, n := range map[string]int64{"most": int64(b.Max), "most_per_person": int64(b.PerPerson), "memory_mib": int64(b.Memory), "processes": int64(b.Processes), "files": int64(b.Files)} {
		if n < 0 {
			k.add(under(at, key), "it is less than nothing")
		}
	}
	if b.PerPerson > b.WithDefaults().Max {
		k.add(under(at, "most_per_person"), "there are at most %d in all", b.WithDefaults().Max)
	}
	if b.Files > 0 && b.Files < 16 {
		k.add(under(at, "files"), "at least 16: a program opens what it is made of")
	}
	for key, d := range map[string]time.Duration{"idle": b.Idle, "start_timeout": b.Start} {
		if d < 0 || d > day {
			k.add(under(at, key), "at most 1d")
		}
	}
}

func (k checker) sandbox(at string, s stdio.Sandbox) {
	k.choice(under(at, "network"), s.Network, stdio.NetworkNone, stdio.NetworkInternet, stdio.NetworkAll)
	for key, paths := range map[string][]string{"read": s.Read, "write": s.Write} {
		for i, path := range paths {
			if clean := filepath.Clean(path); clean == "/" || clean == "/proc" || strings.HasPrefix(clean, "/proc/") {
				k.add(nth(under(at, key), i), "%s is no sandbox: our own data and our environment lie there", printable(path))
			}
		}
	}
}
