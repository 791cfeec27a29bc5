//go:build unix

package exec

import (
	osexec "os/exec"
	"syscall"
)

func shell(line string) *osexec.Cmd {
	cmd := osexec.Command("sh", "-c", line)
	ownGroup(cmd)
	return cmd
}

// ownGroup gives the process a group of its own, so that an interrupt of the terminal does not reach it: what is in
// hand is finished, or given up with the whole group.
func ownGroup(cmd *osexec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the process and all in its group, also when it has ended itself and left others behind.
func killGroup(cmd *osexec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
