//go:build unix

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTranslateLocalKill: a run with a model in the process goes on after kills from what it had answered, on another number of
// cores, and makes the bytes of an undisturbed one, those of ledger and quarantine among them.
func TestTranslateLocalKill(t *testing.T) {
	t.Parallel()
	file, _ := translateRows(t, 300)
	dir := t.TempDir()
	model := filepath.Join(dir, "model")
	if err := os.Mkdir(model, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(model, "config.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	command := func(pause, tm, out string, args ...string) *exec.Cmd {
		cmd := curate(t, append([]string{"translate", "--from", "en", "--to", "eu", "--backend", "marian", "--model", model,
			"--memory-dir", filepath.Join(dir, tm), "--split-size", "20k", "--max-quarantined", "11", "-o", filepath.Join(dir, out), file}, args...)...)
		cmd.Env = append(cmd.Env, pseudoEngine+"="+pause, pseudoLoses+"=XQ", pseudoEmpty+"=house 29")
		return cmd
	}
	if code, said := exitCode(t, command("0s", "tm1", "want", "-j", "2")); code != 0 {
		t.Fatal(code, said)
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	kills := 0
	for round := 0; ; round++ {
		cmd := command("1ms", "tm2", "got", "-j", []string{"1", "2", "3"}[round%3])
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 6 {
			kills++
			time.Sleep(time.Duration(100+rng.IntN(500)) * time.Millisecond)
			if round%2 == 0 {
				_ = cmd.Process.Kill()
			} else {
				_ = cmd.Process.Signal(os.Interrupt)
			}
		}
		err := cmd.Wait()
		if err == nil {
			break
		}
		if code := exitOf(cmd.ProcessState); code != 128+int(syscall.SIGKILL) && code != exitInterrupted || kills > 6 {
			t.Fatalf("seed %d: %v\n%s", seed, err, &stderr)
		}
	}
	want := tree(t, filepath.Join(dir, "want"))
	if !strings.Contains(want["_curate/ledger.json"], `"quarantined": 11`) {
		t.Errorf("rows are quarantined that should not be, or kept: %s", want["_curate/ledger.json"])
	}
	sameTree(t, "", tree(t, filepath.Join(dir, "got")), want)
}
