package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// ownBundle is where in a data directory the policy bundle lies that protect begins with.
const ownBundle = "policy"

// openBundle writes a bundle to begin with, where the one that decides is to lie in the data directory and is not there. A bundle
// anywhere else is somebody's, and its absence a mistake.
func openBundle(c config.Config) error {
	dir := filepath.Join(c.Data, ownBundle)
	if c.Policy.Bundle != dir {
		return nil
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := cedar.Starter("doorward", slices.Collect(maps.Keys(c.Servers))...).Write(dir); err != nil {
		return usage("%w", err)
	}
	return nil
}
