package main

import "golang.org/x/sys/unix"

// machineMemory is the machine's memory, in bytes.
func machineMemory() int64 {
	if n, err := unix.SysctlUint64("hw.memsize"); err == nil {
		return int64(n)
	}
	return 4 << 30
}
