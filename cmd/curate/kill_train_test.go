//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestKillTrain kills -9 the training of a vocabulary at random moments, while it counts and while it merges, and
// goes on with other workers and another memory: the file is that of an undisturbed run.
func TestKillTrain(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := killInputs(t, 1)
	args := func(out string, j int) []string {
		return append([]string{"tokenizer", "train", "--vocab-size", "6000", "--min-frequency", "1", "-q", "-o", out, "--max-quarantined", "1%",
			"--split-size", "256KiB", "--max-record", "1MiB", "-j", fmt.Sprint(j), "--memory", []string{"320MiB", "1GiB"}[rng.IntN(2)]}, in...)
	}
	dir := t.TempDir()
	start := time.Now()
	if code, said := exitCode(t, curate(t, args(filepath.Join(dir, "tokenizer.json"), 2)...)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	for killed, runs := 0, 0; killed < 8; runs++ {
		out := filepath.Join(dir, fmt.Sprint("out-", runs))
		for here := 0; ; here++ {
			cmd := curate(t, args(out, []int{1, 2, 7}[rng.IntN(3)])...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if here < 4 { // then it may come to its end
				time.Sleep(time.Duration(rng.Int64N(int64(took))))
				_ = cmd.Process.Kill() // it may have ended
			}
			<-ended
			if code := exitOf(cmd.ProcessState); code == 0 {
				break
			} else if code != 128+int(syscall.SIGKILL) {
				t.Fatalf("exit %d after %d kills", code, here)
			}
			killed++
		}
		got, err := os.ReadFile(filepath.Join(out, "tokenizer.json"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: after %d kills the vocabulary is another", seed, killed)
		}
	}
}
