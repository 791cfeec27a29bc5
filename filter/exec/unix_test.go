//go:build unix

package exec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pidIn waits for a file with a process id.
func pidIn(t *testing.T, file string) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		b, err := os.ReadFile(file)
		if err == nil && strings.HasSuffix(string(b), "\n") {
			pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		if time.Now().After(end) {
			t.Fatalf("%s: no process id: %v", file, err)
		}
	}
}

// gone waits until there is no such process. One that init has still to wait for is gone, too.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

// TestGroup: a cancel kills the program and what it has started, at once; so does closing, of a program that ignores
// the end of its input's reader.
func TestGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	e, _ := open(t, Config{Shell: "sleep 1000 & echo $! >" + file + "; wait"})
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := errors.New("asked to stop")
	end := make(chan error, 1)
	go func() { end <- e.NewWorker().Map(ctx, texts("a")) }()
	pid := pidIn(t, file)
	cancel(asked)
	select {
	case err := <-end:
		if !errors.Is(err, asked) {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Map waits on")
	}
	gone(t, pid)
	e.Close()
	noChildren(t)
}

// TestLeftBehind: what a program leaves running when it ends by itself is ended, too.
func TestLeftBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	e, _ := open(t, Config{Shell: "sleep 1000 & echo $! >" + file + `; while read -r l; do echo '{"keep":true}'; done`})
	if err := e.NewWorker().Map(t.Context(), texts("a", "b")); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	gone(t, pidIn(t, file))
	noChildren(t)
}

func TestShell(t *testing.T) {
	e, _ := open(t, Config{Shell: "exec /no/such/program"})
	start := time.Now()
	err := e.NewWorker().Map(t.Context(), texts("a"))
	if err == nil || !strings.Contains(err.Error(), "cannot be started (exit status 127)") || time.Since(start) > 5*time.Second {
		t.Errorf("%v", err)
	}
	e, _ = open(t, Config{Shell: "kill -9 $$", Restarts: -1})
	if err := e.NewWorker().Map(t.Context(), texts("a")); err == nil || !strings.Contains(err.Error(), "ended with signal: killed") {
		t.Errorf("%v", err)
	}
	e, _ = open(t, Config{Shell: "tr -d '\\n' </dev/zero", Restarts: -1, StartTimeout: 100 * time.Millisecond, Timeout: 100 * time.Millisecond})
	if err := e.NewWorker().Map(t.Context(), texts("a")); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("%v", err)
	}
}
