package pipeline

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestTempFolder: the sweep removes what a killed run of this user on this host has left, and nothing else.
func TestTempFolder(t *testing.T) {
	dir := t.TempDir()
	prefix := filepath.Join(dir, tempFolderPrefix+hostName()+"-")
	make := func(name, lock string) string {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if lock != "" {
			if err := os.WriteFile(filepath.Join(name, lock), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return name
	}
	stale := make(prefix+"1", tempFolderLock)
	keep := []string{make(prefix+"2", ""), make(prefix+"3", "lock"), make(filepath.Join(dir, tempFolderPrefix+"another-host-4"), tempFolderLock)}
	if runtime.GOOS != "windows" {
		link := make(prefix+"5", "")
		if err := os.Symlink(filepath.Join(dir, "target"), filepath.Join(link, tempFolderLock)); err != nil {
			t.Fatal(err)
		}
		open := make(prefix+"6", tempFolderLock)
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, link, open)
	}
	one, err := newTempFolder(dir, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	two, err := newTempFolder(dir, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("what a killed run has left is still there")
	}
	for _, name := range append(keep, one.name) {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "target")); err == nil {
		t.Error("a link was followed")
	}
	one.remove()
	two.remove()
	if left, _ := filepath.Glob(prefix + "[0-9]*"); len(left) != len(keep)-1 {
		t.Errorf("left: %v", left)
	}
}
