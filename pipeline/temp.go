package pipeline

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	old, _ := filepath.Glob(filepath.Join(dir, tempFolderPrefix+"*", tempFolderLock)) // its only error is a bad pattern
	for _, name := range old {
		if f, got, err := tryLock(name); err == nil && got {
			_ = os.RemoveAll(filepath.Dir(name)) // somebody else's may not be ours to remove
			_ = f.Unlock()
		}
	}
	for try := 0; ; try++ {
		name, err := os.MkdirTemp(dir, tempFolderPrefix)
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
}
