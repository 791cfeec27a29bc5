// Command kernels writes the assembly of package kernel. Run it with "make kernels"; what it writes is committed, and
// scripts/check wants it to be the same.
//
// gemm.go makes the inner loops of the products, rows.go the functions over rows; each has a function for each set.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kernels DIRECTORY-OF-PACKAGE-KERNEL")
		os.Exit(2)
	}
}
