//go:build !unix && !windows

package exec

import osexec "os/exec"

func shell(line string) *osexec.Cmd { return osexec.Command("sh", "-c", line) }

func ownGroup(*osexec.Cmd) {}

func killGroup(cmd *osexec.Cmd) { cmd.Process.Kill() }
