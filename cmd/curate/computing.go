package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"curate/kernel"
	"curate/pipeline"
)

// computing are the flags of commands that run a model.
type computing struct {
	kernels, precision string
	workers            int
	memory             string
}

func (c *computing) flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.kernels, "kernels", kernel.Auto, "`NAME` of the kernels: portable, avx2, avx512, avx512bf16, or the best that the processor can run")
	fs.StringVar(&c.precision, "precision", "f32", "operands of products as `f32|bf16`; sums, weights and the optimiser are f32")
	fs.IntVarP(&c.workers, "jobs", "j", 0, "`N` workers; default one a core. The result does not depend on it")
	fs.StringVar(&c.memory, "memory", "", "`SIZE` that the process may take; default three quarters of the machine or cgroup")
}

// settle reads the flags that need no kernels: the number of workers, and the memory in bytes, to which it keeps the runtime.
func (c *computing) settle() (workers int, memory int64, err error) {
	if workers = c.workers; workers < 0 {
		return 0, 0, usage("-j %d: at least 1", workers)
	}
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	memory = machineMemory() / 4 * 3
	if c.memory != "" {
		if memory, err = parseSize("--memory", c.memory); err != nil {
			return 0, 0, err
		}
	}
	debug.SetMemoryLimit(memory - pipeline.NotHeap)
	return workers, memory, nil
}

// pool opens what the flags name. Close it.
func (c *computing) pool() (*kernel.Pool, kernel.Precision, error) {
	set, err := kernel.Named(c.kernels)
	if err != nil {
		return nil, 0, usage("--kernels: %v", err)
	}
	workers, _, err := c.settle()
	if err != nil {
		return nil, 0, err
	}
	precision, ok := map[string]kernel.Precision{"f32": kernel.F32, "bf16": kernel.BF16}[c.precision]
	if !ok {
		return nil, 0, usage("--precision %q: f32 or bf16", c.precision)
	}
	return kernel.NewPool(set, workers), precision, nil
}
