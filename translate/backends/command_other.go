//go:build !unix && !windows

package backends

import "os/exec"

func shell(line string) *exec.Cmd { return exec.Command("sh", "-c", line) }

func killGroup(cmd *exec.Cmd) { cmd.Process.Kill() }
