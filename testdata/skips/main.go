// Command skips reads the events of `go test -json` and prints what `go test` would print. Then it lists the tests that
// were skipped, and fails when one of them is named as evidence by a page: a skipped test proves nothing. It fails too
// when a test or a build failed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	module := flag.String("module", "github.com/doorward-mcp/doorward", "the `path` that package paths are cut by")
	flag.Parse()
	var pages strings.Builder
	for _, name := range flag.Args() {
		b, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "skips:", err)
			os.Exit(2)
		}
		pages.Write(b)
	}
	ok, skipped, err := relay(os.Stdin, os.Stdout, *module)
	if err != nil {
		fmt.Fprintln(os.Stderr, "skips:", err)
		os.Exit(2)
	}
	for _, name := range skipped {
		if page := named(pages.String(), name); page != "" {
			fmt.Printf("skipped, but named as proof: %s\n", page)
			ok = false
		} else {
			fmt.Printf("skipped: %s\n", name)
		}
	}
	if !ok {
		os.Exit(1)
	}
}

type event struct{ Action, Package, Test, Output, ImportPath string }

// relay prints the lines of packages and of failed tests, and gives the skipped tests as pages name them.
func relay(in io.Reader, out io.Writer, module string) (ok bool, skipped []string, err error) {
	ok = true
	held := map[string][]string{} // :: package and test → its lines, until it is known whether it failed
	for d := json.NewDecoder(in); ; {
		var e event
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return ok, skipped, nil
		} else if err != nil {
			return false, nil, err
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output":
			switch {
			case e.Test != "":
				held[key] = append(held[key], e.Output)
			case e.Output != "PASS\n":
				io.WriteString(out, e.Output)
			}
		case "build-output":
			io.WriteString(out, e.Output)
		case "skip":
			if e.Test != "" {
				skipped = append(skipped, name(module, e))
			}
			delete(held, key)
		case "pass":
			delete(held, key)
		case "fail", "build-fail":
			ok = false
			// A package that ends by a panic or a time-out leaves tests that never said how they ended.
			for _, k := range slices.Sorted(maps.Keys(held)) {
				if k != key && (e.Test != "" || !strings.HasPrefix(k, key)) {
					continue
				}
				for _, line := range slices.DeleteFunc(held[k], isProgress) {
					io.WriteString(out, line)
				}
				delete(held, k)
			}
		}
	}
}

// isProgress says whether a line is one that go test prints only when it is asked for every test.
func isProgress(line string) bool {
	return strings.HasPrefix(line, "=== ")
}

func name(module string, e event) string {
	pkg := strings.TrimPrefix(strings.TrimPrefix(e.Package, module), "/")
	if pkg == "" {
		pkg = "."
	}
	return pkg + " " + e.Test
}

// named gives the name by which a page cites the skipped test or one that it is part of.
func named(pages, test string) string {
	for {
		if strings.Contains(pages, "| "+test+" |") || strings.Contains(pages, "`"+test+"`") {
			return test
		}
		i := strings.LastIndex(test, "/")
		if i < strings.Index(test, " ") {
			return ""
		}
		test = test[:i]
	}
}
