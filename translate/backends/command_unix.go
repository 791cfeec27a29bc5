//go:build unix

package backends

import (
	"os/exec"
	"syscall"
)

// shell runs the line in a process group of its own, so that an interrupt of the terminal does not reach it: what is in
// flight is waited for.
func shell(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// killGroup ends the process and all in its group, also when it has ended itself and left others behind.
func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
