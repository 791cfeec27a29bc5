// Command kernels writes the assembly of package kernel. Run it with "make kernels"; what it writes is committed, and
// scripts/check wants it to be the same.
//
// gemm.go makes the inner loops of the products, rows.go the functions over rows; each has a function for each set.
package main

import (
	"fmt"
	"os"
)

// outputs write files into the directory of package kernel.
var outputs = []func(dir string) error{
	writeRows,
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kernels DIRECTORY-OF-PACKAGE-KERNEL")
		os.Exit(2)
	}
	for _, write := range outputs {
		if err := write(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "kernels:", err)
			os.Exit(1)
		}
	}
}
