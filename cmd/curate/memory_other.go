//go:build !linux && !darwin

package main

// machineMemory is a modest guess where the system is not asked; --memory says better.
func machineMemory() int64 { return 8 << 30 }
