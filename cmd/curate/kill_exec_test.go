//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptExec: an interrupt ends a run whose program does not answer, and the program with all that it has
// started.
func TestInterruptExec(t *testing.T) {
	dir := t.TempDir()
	in, pids := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "pids")
	if err := os.WriteFile(in, []byte("{\"text\":\"a\"}\n{\"text\":\"b\"}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := curate(t, "exec", in, "-o", filepath.Join(dir, "out"), "--shell", "sleep 1000 & echo $$ $! end >"+pids+"; wait")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if b, err := os.ReadFile(pids); err == nil && strings.HasSuffix(string(b), "end\n") {
				cmd.Process.Signal(syscall.SIGINT)
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	code, said := exitCode(t, cmd)
	if code != 130 {
		t.Fatalf("exit code %d, want 130:\n%s", code, said)
	}
	<-ended
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(string(b))[:2] {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
			stat, err := os.ReadFile("/proc/" + f + "/stat")
			if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && strings.Contains(string(stat), ") Z ") {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("process %d is still there:\n%s", pid, said)
			}
		}
	}
}
