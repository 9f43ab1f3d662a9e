package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A patch is one file of testdata/sabotage.
type patch struct {
	name   string // of the file, without .patch
	path   string
	pkg    string // as the go command takes it: ./token
	test   string // with / for a sub-test
	attack string
	flags  []string // of go test
}

func readPatches(dir string) ([]patch, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var all []patch
	for _, file := range files {
		p, err := readPatch(file)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// readPatch reads the header: the lines before the first diff.
func readPatch(file string) (patch, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return patch{}, err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return patch{}, err
	}
	p := patch{name: strings.TrimSuffix(filepath.Base(file), ".patch"), path: abs}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "diff ") || strings.HasPrefix(line, "--- ") {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch words := strings.Fields(value); key {
		case "Test":
			if len(words) != 2 {
				return patch{}, fmt.Errorf("%s: Test: takes a package and a test's name", file)
			}
			p.pkg, p.test = "./"+strings.TrimPrefix(words[0], "./"), words[1]
		case "Attack":
			p.attack = value
		case "Flags":
			p.flags = words
		}
	}
	if p.test == "" || p.attack == "" {
		return patch{}, fmt.Errorf("%s: begins with the lines Test: PACKAGE NAME and Attack: WORDS", file)
	}
	return p, nil
}

// choose gives part i of n. A patch stays in its part when others come and go, but for those at a part's edge.
func choose(all []patch, shard string) ([]patch, error) {
	var i, n int
	if c, err := fmt.Sscanf(shard, "%d/%d", &i, &n); c != 2 || err != nil || i < 1 || i > n {
		return nil, fmt.Errorf("shard %q is not i/n with 1 ≤ i ≤ n", shard)
	}
	hash := func(p patch) uint32 {
		h := fnv.New32a()
		h.Write([]byte(p.name))
		return h.Sum32()
	}
	byHash := slices.SortedFunc(slices.Values(all), func(a, b patch) int { return cmp.Compare(hash(a), hash(b)) })
	var part []patch
	for k, p := range byHash {
		if k%n == i-1 {
			part = append(part, p)
		}
	}
	slices.SortFunc(part, func(a, b patch) int { return cmp.Compare(a.name, b.name) })
	return part, nil
}
