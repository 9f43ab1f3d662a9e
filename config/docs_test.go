package config_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every file that docs/configuration.md shows is one.
func TestThePagesExamplesAreRead(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		c, err := config.Read("docs/configuration.md", []byte(b[1]))
		if err != nil {
			t.Errorf("%v\n%s", err, b[1])
			continue
		}
		comesBack(t, c)
	}
}

// The tables of docs/configuration.md have every key, and none besides.
func TestThePageHasEveryKey(t *testing.T) {
	written := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(page(t), -1) {
		if written[m[1]] {
			t.Errorf("%s stands there twice", m[1])
		}
		written[m[1]] = true
	}
	known := map[string]bool{}
	keys(reflect.TypeFor[config.Config](), "", known)
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if !written[key] {
			t.Errorf("docs/configuration.md lacks %s", key)
		}
		delete(written, key)
	}
	for key := range written {
		t.Errorf("docs/configuration.md has %s, which is no key", key)
	}
}

func keys(typ reflect.Type, path string, known map[string]bool) {
	for i := range typ.NumField() {
		name, options, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
		at, f := strings.TrimPrefix(path+"."+name, "."), typ.Field(i).Type
		switch {
		case strings.Contains(options, "inline"):
			keys(f, path, known)
		case options == "word": // the mapping's own name has a row: its one word
			known[path] = true
		case name == "" || name == "-":
		case f.Kind() == reflect.Pointer:
			keys(f.Elem(), at, known)
		case f.Kind() == reflect.Struct:
			keys(f, at, known)
		case f.Kind() == reflect.Slice && f.Elem().Kind() == reflect.Struct && f.Elem().PkgPath() != "net/netip":
			keys(f.Elem(), at+"[]", known)
		case f.Kind() == reflect.Map && f.Elem().Kind() == reflect.Struct:
			keys(f.Elem(), at+".NAME", known)
		default:
			known[at] = true
		}
	}
}

// Every file that docs/servers.md shows is one.
func TestTheServersOfThePage(t *testing.T) {
	b, err := os.ReadFile("../docs/servers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(b), -1)
	if len(blocks) == 0 {
		t.Fatal("no file is shown")
	}
	for _, block := range blocks {
		if _, err := config.Read("docs/servers.md", []byte(block[1])); err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
	}
}
