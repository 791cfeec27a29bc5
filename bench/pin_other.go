//go:build !linux

package main

import "runtime"

func lastCore() int { return runtime.NumCPU() - 1 }

// pinned only starts: this system has no way to choose the core. GOMAXPROCS=1 holds nevertheless.
func pinned(_ int, start func() error) error { return start() }
