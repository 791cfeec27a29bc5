package exec

import (
	osexec "os/exec"
	"strconv"
	"syscall"
)

func shell(line string) *osexec.Cmd {
	cmd := osexec.Command("cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `/S /C "` + line + `"`, CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
	return cmd
}

// ownGroup keeps an interrupt of the console from the process.
func ownGroup(cmd *osexec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends the process and its children, which only taskkill finds.
func killGroup(cmd *osexec.Cmd) {
	osexec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run()
	cmd.Process.Kill()
}
