package pipeline

import "os"

// ownFolder says whether name is a folder; the system's temporary folder is this user's own.
func ownFolder(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}
