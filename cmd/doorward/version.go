package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the module's version and the commit that it was built from.
func (versionCmd) Run(io streams) error {
	version, commit := built()
	if io.json {
		return printJSON(io.out, map[string]string{"version": version, "commit": commit})
	}
	_, err := fmt.Fprintln(io.out, "doorward", version, commit)
	return err
}

// built is what the program was built from.
func built() (version, commit string) {
	version = "devel"
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if b.Main.Version != "" {
		version = b.Main.Version
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version, commit
}
