// Command kernels writes the assembly of package kernel. Run it with "make kernels"; what it writes is committed, and
// scripts/check wants it to be the same.
//
// gemm.go makes the inner loops of the products, rows.go the functions over rows; each has a function for each set.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// outputs are NAME_amd64.s and NAME_stubs_amd64.go, and what writes their functions.
var outputs = []struct {
	name string
	make func(*build.Context)
}{
	{"gemm", gemm},
	{"rows", rowFunctions},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kernels DIRECTORY-OF-PACKAGE-KERNEL")
		os.Exit(2)
	}
	for _, o := range outputs {
		if err := write(filepath.Join(os.Args[1], o.name), o.make); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", o.name, err)
			os.Exit(1)
		}
	}
	if err := rowMethods(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "rows: %v\n", err)
		os.Exit(1)
	}
}

// compiled is the file of functions that f makes.
func compiled(f func(*build.Context)) (*ir.File, error) {
	c := build.NewContext()
	c.ConstraintExpr("!noasm")
	f(c)
	file, err := c.Result()
	if err != nil {
		return nil, err
	}
	return file, pass.Compile.Execute(file)
}

func write(path string, f func(*build.Context)) error {
	file, err := compiled(f)
	if err != nil {
		return err
	}
	config := printer.Config{Name: "tools/kernels", Pkg: "kernel"}
	for suffix, p := range map[string]printer.Printer{"_amd64.s": printer.NewGoAsm(config), "_stubs_amd64.go": printer.NewStubs(config)} {
		text, err := p.Print(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path+suffix, text, 0o666); err != nil {
			return err
		}
	}
	return nil
}
