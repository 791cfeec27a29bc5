package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"curate/corpus/store"
)

// lock keeps a second process out of an output. The kernel lets go of it when this process ends, however it
// ends; the file's text only tells people who holds it.
type lock struct {
	f    *flock.Flock
	name string
}

// takeLock locks the file name, which guards what. A file system without locks is told and passed over. Object storage
// has none, and what is written there needs none: two runs of one command write the same bytes under the same names.
func takeLock(name, what string, log *slog.Logger) (*lock, error) {
	if store.IsURL(name) {
		return &lock{}, nil
	}
	name = filepath.FromSlash(name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, err
	}
	f, got, err := tryLock(name)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		log.Warn(fmt.Sprintf("%s: this file system has no locks; see to it that no second run writes here", what))
		return &lock{}, nil
	case err != nil:
		return nil, err
	case !got:
		owner, _ := os.ReadFile(name)
		return nil, fmt.Errorf("%s: another curate is writing here (%s); wait for it, or stop it", what, strings.TrimSpace(string(owner)))
	}
	host, _ := os.Hostname()
	text := fmt.Sprintf("pid %d on %s since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	_ = os.WriteFile(name, []byte(text), 0o666) // it only informs
	return &lock{f, name}, nil
}

// tryLock locks the file that has the name now: one that its last owner has removed in the meantime, between
// our opening and locking it, keeps nobody out.
func tryLock(name string) (f *flock.Flock, got bool, err error) {
	for range 10 {
		f = flock.New(name, flock.SetPermissions(0o666))
		if got, err = f.TryLock(); err != nil || !got {
			return f, got, err
		}
		mine, err := f.Stat()
		if err != nil {
			return f, false, err
		}
		if now, err := os.Stat(name); err == nil && os.SameFile(mine, now) {
			return f, true, nil
		}
		_ = f.Unlock() // of a file that is gone
	}
	return f, false, nil
}

func (l *lock) release(remove bool) {
	if l.f == nil {
		return
	}
	if remove {
		_ = os.Remove(l.name) // before the unlock, so that nobody's lock is removed
	}
	_ = l.f.Unlock() // the end of the process would do it, too
}

// Lock keeps other processes out of what name says until release. path is the lock's file, which stays.
func Lock(path, name string, log *slog.Logger) (release func(), err error) {
	l, err := takeLock(path, name, log)
	if err != nil {
		return nil, err
	}
	return func() { l.release(false) }, nil
}
