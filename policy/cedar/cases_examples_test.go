package cedar_test

import (
	"os"
	"path"
	"testing"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// The example bundles are whole, their tests pass, cover every rule, and fail whatever is taken away. Their rules are in the one
// layout.
func TestExamples(t *testing.T) {
	for _, name := range []string{"crm", "codehost"} {
		t.Run(name, func(t *testing.T) {
			files, err := cedar.ReadFiles(os.DirFS("../../examples/policy/" + name))
			if err != nil {
				t.Fatal(err)
			}
			e, err := cedar.Load(files, cedar.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range e.Warnings() {
				t.Error(w)
			}
			held(t, e, files)
			d, err := cedar.ReadDefinitions(name, files["schema/"+name+".json"])
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Schema()) != string(files["schema/"+name+".cedarschema"]) || string(d.Bytes()) != string(files["schema/"+name+".json"]) {
				t.Error("the schema is not what the definitions make")
			}
			for file, text := range files {
				if path.Ext(file) == ".cedar" {
					if laid, err := cedar.Format(file, text); err != nil || string(laid) != string(text) {
						t.Errorf("%s is not in the layout (%v):\n%s", file, err, laid)
					}
				}
			}
		})
	}
}

// held runs everything that holds a bundle to its tests.
func held(t *testing.T, e *cedar.Engine, files cedar.Files) {
	t.Helper()
	cases, err := files.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range e.Test(cases) {
		if len(r.Wrong) > 0 {
			t.Errorf("%s:%d: %s: %q", r.Case.File, r.Case.Line, r.Case.Name, r.Wrong)
		}
	}
	open, of := e.Coverage(cases)
	if of == 0 {
		t.Error("there is nothing to cover")
	}
	for _, p := range open {
		t.Error(p)
	}
	m, err := files.Mutate(cedar.Options{}, cases, 10_000)
	if err != nil || m.Tried < of || m.Tried != m.Of {
		t.Errorf("%d of %d weaker bundles were tried: %v", m.Tried, m.Of, err)
	}
	for _, p := range m.Survivors {
		t.Error(p)
	}
}
