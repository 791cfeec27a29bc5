//go:build unix

package sentencepiece

import "syscall"

// processorSeconds is what this process has used, which a busy machine does not change as it changes the time that
// passes.
func processorSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
