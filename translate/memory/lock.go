package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// takeLock locks the file name, and waits for it until ctx ends if another process has it; waiting is told once what is known
// of that one. The kernel lets go of the lock when the process ends, however it ends; the file's text only tells people who
// holds it. none says that the file system has no locks.
func takeLock(ctx context.Context, name string, poll time.Duration, waiting func(owner string)) (l *flock.Flock, none bool, err error) {
	l = flock.New(name, flock.SetPermissions(0o666))
	told := false
	for {
		got, err := l.TryLock()
		if errors.Is(err, errors.ErrUnsupported) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		if got {
			host, _ := os.Hostname()
			text := fmt.Sprintf("pid %d on %s since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
			_ = os.WriteFile(name, []byte(text), 0o666) // it only informs
			return l, false, nil
		}
		text, _ := os.ReadFile(name)
		owner := strings.TrimSpace(string(text))
		if owner == "" {
			owner = "it has not said who it is"
		}
		if !told && waiting != nil {
			waiting(owner)
		}
		told = true
		select {
		case <-ctx.Done():
			return nil, false, fmt.Errorf("%s: another curate has this translation memory (%s); wait for it, or stop it: %w", name, owner, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}

// releaseLock gives the lock free. The file stays: who removed it would let in two at once.
func releaseLock(l *flock.Flock) {
	if l != nil {
		_ = os.Truncate(l.Path(), 0)
		_ = l.Unlock() // the end of the process would do it, too
	}
}
