// Command kernels writes the assembly of packages kernel and dedup. Run it with "make kernels"; what it writes is
// committed, and scripts/check wants it to be the same.
//
// blocks.go makes products with weights in blocks of 8 and 4 bits, gather.go attention of one query, gemm.go the inner loops of the products, int8.go those in 8 bits, rows.go the functions
// over rows, minhash.go the permutations of MinHash; each has a function for each set.
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

// outputs are NAME_amd64.s and NAME_stubs_amd64.go in the folder of a package, and what writes their functions.
var outputs = []struct {
	pkg  string
	name string
	make func(*build.Context)
}{
	{"kernel", "blocks", blocked},
	{"kernel", "gather", gathered},
	{"kernel", "gemm", gemm},
	{"kernel", "int8", int8Tiles},
	{"kernel", "rows", rowFunctions},
	{"dedup", "minhash", minhash},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kernels DIRECTORY-OF-THE-PACKAGES")
		os.Exit(2)
	}
	root := os.Args[1]
	for _, o := range outputs {
		if err := write(root, o.pkg, o.name, o.make); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", o.name, err)
			os.Exit(1)
		}
	}
	if err := rowMethods(filepath.Join(root, "kernel")); err != nil {
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

func write(root, pkg, name string, f func(*build.Context)) error {
	file, err := compiled(f)
	if err != nil {
		return err
	}
	config := printer.Config{Name: "tools/kernels", Pkg: pkg}
	for suffix, p := range map[string]printer.Printer{"_amd64.s": printer.NewGoAsm(config), "_stubs_amd64.go": printer.NewStubs(config)} {
		text, err := p.Print(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, pkg, name+suffix), text, 0o666); err != nil {
			return err
		}
	}
	return nil
}
