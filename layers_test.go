package doorward_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/doorward-mcp/doorward"

// layers is the architecture: a package may import packages on lines above its own, never its own line, never below.
// Each line ends in its name. A sub-directory is a package of its own; "." is the root package.
const layers = `
	oauth  mcp  audit/verify  internal/request  internal/crash                                     words
	token  internal/fetch  seal                                                                    trust
	grant  delegation  policy  audit  provider                                                     judgement
	policy/cedar  policy/authzen  client  guard  authserver  registration  login  account  stdio   roles
	guard/gosdk  guard/mcpgo  gateway  admin  bridge  audit/export  demo  check                                 compositions
	web  store  config                                                                             adapters
	.                                                                                              installation
	authtest  cmd/doorward                                                                         rim
`

// only names the packages that alone may import a package, or a module and all below it.
var only = map[string][]string{
	"code.dny.dev/ssrf":                      {"internal/fetch"},
	"database/sql":                           {"store"},
	"github.com/alecthomas/kong":             {"cmd/doorward"},
	"github.com/cedar-policy/cedar-go":       {"policy/cedar"},
	"github.com/go-webauthn/webauthn":        {"login"},
	"github.com/goccy/go-yaml":               {"config", "policy/cedar"},
	"github.com/jackc/pgx":                   {"store"},
	"github.com/mark3labs/mcp-go":            {"guard/mcpgo"},
	"github.com/maypok86/otter":              {"internal/request", "token", "provider", "registration", "login", "guard", "gateway", "."},
	"github.com/modelcontextprotocol/go-sdk": {"guard/gosdk", "bridge", "demo", "cmd/doorward"},
	"github.com/prometheus/client_golang":    {"gateway", "authserver", "audit/export", "."},
	"golang.org/x/crypto/argon2":             {"login"},
	"html/template":                          {"web"},
	"modernc.org/sqlite":                     {"store"},
	module + "/check":                        {"cmd/doorward"},
}

// alone names the packages that may import nothing of ours but these.
var alone = map[string][]string{
	"audit/verify": {},
	"check":        {"oauth", "mcp", "internal/fetch"},
	"demo":         {},
}

// without names what a program that imports only this package must not link: a package, or a module and all below it.
var without = map[string][]string{
	"oauth":      {"net/http", "database/sql"},
	"mcp":        {"net/http", "database/sql"},
	"token":      {"net/http", "database/sql"},
	"grant":      {"net/http", "database/sql"},
	"delegation": {"net/http", "database/sql"},
	"policy":     {"net/http", "database/sql"},
	"audit":      {"net/http", "database/sql"},
	"guard": {"database/sql", "html/template", "github.com/cedar-policy/cedar-go", "github.com/prometheus/client_golang",
		"github.com/modelcontextprotocol/go-sdk", "github.com/mark3labs/mcp-go", "modernc.org/sqlite", "github.com/jackc/pgx"},
	"gateway": {"github.com/cedar-policy/cedar-go", "database/sql", "html/template"},
	"login":   {"html/template", "database/sql"},
	"web":     {"database/sql"},
}

// The numbers of the house style.
const (
	deepest       = 8   // packages in the longest chain of imports
	methodsAtMost = 5   // in one interface
	linesAtMost   = 500 // in one file; about 150 is normal
	exportedMany  = 25  // names in one package: said
	exportedMost  = 40  // names in one package: refused
)

// under says whether a path is the module or package, or lies below it. A major version's suffix belongs to the module.
func under(p, of string) bool { return p == of || strings.HasPrefix(p, of+"/") }

// ours cuts the module's path off an import of this module.
func ours(p string) (string, bool) {
	if p == module {
		return ".", true
	}
	return strings.CutPrefix(p, module+"/")
}

// A file is one parsed Go file of the product: not of testdata, interop or examples.
type file struct {
	name string
	pkg  string // directory, relative to the root
	test bool
	ast  *ast.File
	set  *token.FileSet
}

// imports gives each import's path under the name by which the file calls it; unnamed ones under their last element.
func (f file) imports() map[string]string {
	by := map[string]string{}
	for _, s := range f.ast.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		name := path.Base(p)
		if s.Name != nil {
			name = s.Name.Name
		}
		by[name] = p
	}
	return by
}

func (f file) at(n ast.Node) string { return f.set.Position(n.Pos()).String() }

// read parses every Go file of the product.
func read(t *testing.T) []file {
	t.Helper()
	var files []file
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." {
			if strings.HasPrefix(base, ".") || slices.Contains([]string{"testdata", "interop", "examples", "bin"}, base) {
				return filepath.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		files = append(files, file{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), parsed, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// lines gives the line of each package of the layers.
func lines(t *testing.T) map[string]int {
	line := map[string]int{}
	for n, l := range strings.Split(strings.TrimSpace(layers), "\n") {
		words := strings.Fields(l)
		for _, p := range words[:len(words)-1] {
			if _, twice := line[p]; twice {
				t.Errorf("the layers name %s twice", p)
			}
			line[p] = n
		}
	}
	return line
}

// TestLayers holds the layers against the imports of every file that is not a test.
func TestLayers(t *testing.T) {
	line := lines(t)
	in := map[string]map[string]bool{} // :: package → what its non-test files import
	for _, f := range read(t) {
		if f.test {
			continue
		}
		if in[f.pkg] == nil {
			in[f.pkg] = map[string]bool{}
		}
		for _, s := range f.ast.Imports {
			p, _ := strconv.Unquote(s.Path.Value)
			in[f.pkg][p] = true
		}
	}
	for pkg, imports := range in {
		if _, ok := line[pkg]; !ok {
			t.Errorf("%s is on no layer", pkg)
			continue
		}
		for p := range imports {
			judgeImport(t, line, pkg, p)
		}
	}
	for pkg := range in {
		if chain := longest(in, pkg); len(chain) > deepest {
			t.Errorf("imports are %d deep, at most %d: %s", len(chain), deepest, strings.Join(chain, " → "))
		}
	}
}

func judgeImport(t *testing.T, line map[string]int, pkg, p string) {
	t.Helper()
	for m, who := range only {
		if under(p, m) && !slices.Contains(who, pkg) {
			t.Errorf("%s must not import %s: only %s may", pkg, p, strings.Join(who, ", "))
		}
	}
	dep, mine := ours(p)
	if !mine {
		standard := !strings.Contains(strings.Split(p, "/")[0], ".")
		if pkg == "audit/verify" && !standard && !under(p, "golang.org/x/mod") {
			t.Errorf("audit/verify must not import %s: an auditor reads it with the standard library and x/mod alone", p)
		}
		return
	}
	if at, ok := line[dep]; !ok || at >= line[pkg] {
		t.Errorf("%s must not import %s: it is not on a line above", pkg, dep)
	}
	if may, ok := alone[pkg]; ok && !slices.Contains(may, dep) {
		t.Errorf("%s must not import %s: it stands alone", pkg, dep)
	}
}

// longest gives the longest chain of imports of ours that begins at a package. The compiler has refused cycles.
func longest(in map[string]map[string]bool, pkg string) []string {
	var tail []string
	for p := range in[pkg] {
		if dep, mine := ours(p); mine {
			if c := longest(in, dep); len(c) > len(tail) {
				tail = c
			}
		}
	}
	return append([]string{pkg}, tail...)
}

// TestTablesNameLayers keeps a misspelt package from weakening the tables of this file.
func TestTablesNameLayers(t *testing.T) {
	line := lines(t)
	known := func(table, pkg string) {
		if _, ok := line[pkg]; !ok {
			t.Errorf("%s names %s, which is on no layer", table, pkg)
		}
	}
	for _, who := range only {
		for _, pkg := range who {
			known("only", pkg)
		}
	}
	for pkg, may := range alone {
		known("alone", pkg)
		for _, p := range may {
			known("alone", p)
		}
	}
	for pkg := range without {
		known("without", pkg)
	}
}

// TestLinks asks the go command what a program that imports only one package links.
func TestLinks(t *testing.T) {
	args := []string{"list", "-json=ImportPath,Deps"}
	for pkg := range without {
		if _, err := os.Stat(pkg); err == nil {
			args = append(args, "./"+pkg)
		}
	}
	if len(args) == 2 {
		t.Skip("none of the packages exists")
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath string
			Deps       []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkg, _ := ours(p.ImportPath)
		for _, dep := range p.Deps {
			for _, not := range without[pkg] {
				// net/http/internal and its like are of use to nobody else; net/http itself is what may not be linked.
				if dep == not || strings.Contains(not, ".") && under(dep, not) {
					t.Errorf("%s links %s", pkg, dep)
				}
			}
		}
	}
}
