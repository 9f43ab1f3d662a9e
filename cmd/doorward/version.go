package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the module's version and the commit that it was built from.
func (versionCmd) Run(io streams) error {
	version, commit := "devel", ""
	if b, ok := debug.ReadBuildInfo(); ok {
		if b.Main.Version != "" {
			version = b.Main.Version
		}
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	if io.json {
		return printJSON(io.out, map[string]string{"version": version, "commit": commit})
	}
	_, err := fmt.Fprintln(io.out, "doorward", version, commit)
	return err
}
