package curate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"testing"
)

func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

// TestTree holds the rules of the house that a compiler does not: nothing runs before main, and only the
// command ends the process.
func TestTree(t *testing.T) {
	goFiles(t, func(file, pkg string) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Error(err)
			return
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init() hides work from main; use a table or a package variable", file)
			}
		}
		if f.Name.Name == "main" && path.Base(file) == "main.go" {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "os" && sel.Sel.Name == "Exit" || x.Name == "log" && len(sel.Sel.Name) >= 5 && sel.Sel.Name[:5] == "Fatal") {
				t.Errorf("%s: %s.%s outside the main.go of a command", file, x.Name, sel.Sel.Name)
			}
			return true
		})
	})
}
