package pipeline

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// tempFolder holds what a run without a directory of its own must keep until its end.
type tempFolder struct {
	name string // slash-separated
	lock *lock
}

const (
	tempFolderPrefix = "curate-tmp-"
	tempFolderLock   = "curate-tmp-lock"
)

// newTempFolder makes a folder in dir ("": the system's), and removes those there that killed runs have left: the
// kernel has let go of their locks.
func newTempFolder(dir string, log *slog.Logger) (*tempFolder, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	prefix := tempFolderPrefix + hostName() + "-"           // on a shared file system, locks may be another host's own affair
	old, _ := filepath.Glob(filepath.Join(dir, prefix+"*")) // its only error is a bad pattern
	for _, name := range old {
		lock := filepath.Join(name, tempFolderLock)
		if !ownFolder(name) || !isRegular(lock) {
			continue
		}
		if f, got, err := tryLock(lock); err == nil && got {
			_ = os.RemoveAll(name) // what stays the next run removes
			_ = f.Unlock()
		}
	}
	for try := 0; ; try++ {
		name, err := os.MkdirTemp(dir, prefix)
		if err != nil {
			return nil, fmt.Errorf("no place for what must be kept until the end of the run: %w; name another with --tmp DIR", err)
		}
		l, err := takeLock(filepath.ToSlash(filepath.Join(name, tempFolderLock)), name, log)
		if err == nil {
			return &tempFolder{name: filepath.ToSlash(name), lock: l}, nil
		}
		_ = os.RemoveAll(name) // err says more
		if try == 5 {          // another run has swept it away between our two steps, but not five times
			return nil, err
		}
	}
}

func (t *tempFolder) remove() {
	_ = os.RemoveAll(filepath.FromSlash(t.name)) // what is left the next run removes
	t.lock.release(false)
	_ = os.RemoveAll(filepath.FromSlash(t.name)) // the lock, where an open file cannot be removed
}

// hostName is this host's, as it may stand in a file's name.
func hostName() string {
	host, _ := os.Hostname()
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-') {
			return r
		}
		return '_'
	}, host)
}

// isRegular says whether name is a file and nothing else: not a link, and not a pipe, whose opening would block.
func isRegular(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}
