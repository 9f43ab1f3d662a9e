package doorward_test

import (
	"go/ast"
	"go/token"
	"slices"
	"testing"
)

// TestShape holds every file to the numbers of the house style.
func TestShape(t *testing.T) {
	files := read(t)
	interfaces := map[string]*ast.InterfaceType{} // :: package.Name → an interface that another may embed
	for _, f := range files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok {
				if i, ok := s.Type.(*ast.InterfaceType); ok {
					interfaces[f.pkg+"."+s.Name.Name] = i
				}
			}
			return true
		})
	}
	exported := map[string]int{}
	for _, f := range files {
		if n := f.set.File(f.ast.Pos()).LineCount(); n > linesAtMost {
			t.Errorf("%s has %d lines, at most %d: it is more than one subject", f.name, n, linesAtMost)
		}
		if f.test {
			continue
		}
		exported[f.pkg] += exports(f.ast)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				if m := methods(interfaces, f.pkg, i); m > methodsAtMost {
					t.Errorf("%s: an interface of %d methods, at most %d", f.at(n), m, methodsAtMost)
				}
			}
			return true
		})
	}
	for pkg, n := range exported {
		switch {
		case n > exportedMost:
			t.Errorf("%s exports %d names, at most %d", pkg, n, exportedMost)
		case n > exportedMany:
			t.Logf("%s exports %d names; about %d is the aim", pkg, n, exportedMany)
		}
	}
}

// methods counts the methods of an interface with those of the interfaces that it embeds; one from elsewhere counts as one.
func methods(known map[string]*ast.InterfaceType, pkg string, i *ast.InterfaceType) int {
	n := 0
	for _, m := range i.Methods.List {
		switch typ := m.Type.(type) {
		case *ast.FuncType, *ast.SelectorExpr:
			n++
		case *ast.Ident:
			if embedded := known[pkg+"."+typ.Name]; embedded != nil {
				n += methods(known, pkg, embedded)
			}
		}
	}
	return n
}

// exports counts exported types, functions, variables and blocks of constants. A block is one thing to learn: its type's values.
func exports(f *ast.File) int {
	n := 0
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				n++
			}
		case *ast.GenDecl:
			names := 0
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						names++
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if name.IsExported() {
							names++
						}
					}
				}
			}
			if d.Tok == token.CONST {
				names = min(names, 1)
			}
			n += names
		}
	}
	return n
}

// TestOneHand holds what only one package may do, tests of the others included where they could do it too.
func TestOneHand(t *testing.T) {
	// Requests to addresses that came from outside go through internal/fetch: these have no limits and follow redirects.
	unlimited := []string{"Get", "Head", "Post", "PostForm", "DefaultClient"}
	for _, f := range read(t) {
		by := f.imports()
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if s, ok := n.Type.(*ast.SelectorExpr); ok && selects(by, s, module+"/audit", "Intent") {
					t.Errorf("%s: only audit.Do makes an audit.Intent", f.at(n))
				}
			case *ast.SelectorExpr:
				if !f.test && f.pkg != "internal/fetch" && selects(by, n, "net/http", unlimited...) {
					t.Errorf("%s: http.%s; use internal/fetch, or a client that the caller gave", f.at(n), n.Sel.Name)
				}
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" && !f.test {
					t.Errorf("%s: init; build the value where it is used", f.at(n))
				}
			}
			return true
		})
	}
}

// selects says whether the expression is one of the names of the imported package.
func selects(by map[string]string, s *ast.SelectorExpr, pkg string, names ...string) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && by[x.Name] == pkg && slices.Contains(names, s.Sel.Name)
}
