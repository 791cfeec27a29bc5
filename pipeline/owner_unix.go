//go:build unix

package pipeline

import (
	"os"
	"syscall"
)

// ownFolder says whether name is a folder of this user's that nobody else may write to.
func ownFolder(name string) bool {
	info, err := os.Lstat(name)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
