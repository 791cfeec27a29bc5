//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	sigPipe     = []os.Signal{syscall.SIGPIPE}
	sigProgress = []os.Signal{syscall.SIGUSR1}
)

// closedAtStart says whether a standard stream was closed when the process began. The runtime has then put
// /dev/null in its place, open for reading and writing, which a redirection to /dev/null is not.
func closedAtStart(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	is, err := f.Stat()
	if err != nil || !os.SameFile(is, null) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// dieOfBrokenPipe ends the process as a reader that went away ends any Unix filter, so that a shell sees 141
// and says nothing.
func dieOfBrokenPipe() {
	signal.Reset(syscall.SIGPIPE)
	_ = syscall.Kill(os.Getpid(), syscall.SIGPIPE) // if it does not kill, the exit code says the same
}
