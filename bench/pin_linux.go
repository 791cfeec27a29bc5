package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// lastCore is the last core this process may run on.
func lastCore() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 0
	}
	last := 0
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			last = i
		}
	}
	return last
}

// pinned calls start on a thread that may run on one core alone: a process started there inherits that.
func pinned(core int, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	err := start()
	if again := unix.SchedSetaffinity(0, &before); err == nil {
		err = again
	}
	return err
}
