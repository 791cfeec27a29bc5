package main

import (
	"runtime"

	"github.com/spf13/pflag"

	"curate/kernel"
)

// computing are the flags of commands that run a model.
type computing struct {
	kernels, precision string
	workers            int
}

func (c *computing) flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.kernels, "kernels", kernel.Auto, "`NAME` of the kernels: portable, avx2, avx512, avx512bf16, or the best that the processor can run")
	fs.StringVar(&c.precision, "precision", "f32", "operands of products as `f32|bf16`; sums, weights and the optimiser are f32")
	fs.IntVarP(&c.workers, "workers", "j", runtime.GOMAXPROCS(0), "`N` cores; the result does not depend on it")
}

// pool opens what the flags name. Close it.
func (c *computing) pool() (*kernel.Pool, kernel.Precision, error) {
	set, err := kernel.Named(c.kernels)
	if err != nil {
		return nil, 0, usage("--kernels: %v", err)
	}
	if c.workers < 1 {
		return nil, 0, usage("-j %d: at least 1", c.workers)
	}
	precision, ok := map[string]kernel.Precision{"f32": kernel.F32, "bf16": kernel.BF16}[c.precision]
	if !ok {
		return nil, 0, usage("--precision %q: f32 or bf16", c.precision)
	}
	return kernel.NewPool(set, c.workers), precision, nil
}
