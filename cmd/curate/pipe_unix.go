//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

var (
	sigPipe     = []os.Signal{syscall.SIGPIPE}
	sigProgress = []os.Signal{syscall.SIGUSR1}
)

// dieOfBrokenPipe ends the process as a reader that went away ends any Unix filter, so that a shell sees 141
// and says nothing.
func dieOfBrokenPipe() {
	signal.Reset(syscall.SIGPIPE)
	_ = syscall.Kill(os.Getpid(), syscall.SIGPIPE) // if it does not kill, the exit code says the same
}
