//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestKillShards kills -9 a build of packed shards at random moments, every other time while it writes them, and goes
// on with other workers and another memory: the shard set is that of an undisturbed run.
func TestKillShards(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := killInputs(t, 1)
	tokenizer, err := filepath.Abs("../../tokenize/testdata/small")
	if err != nil {
		t.Fatal(err)
	}
	const folder = "length-128"
	args := func(out string, j int) []string {
		return append([]string{"shards", "build", "--tokenizer", tokenizer, "--pack", "--length", "128", "--shard-size", "400K", "-q", "-o", out,
			"--max-quarantined", "1%", "--split-size", "256KiB", "--max-record", "1MiB", "-j", fmt.Sprint(j), "--memory", []string{"640MiB", "1GiB"}[rng.IntN(2)]}, in...)
	}
	base := filepath.Join(t.TempDir(), "base")
	start := time.Now()
	if code, said := exitCode(t, curate(t, args(base, 2)...)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want := tree(t, filepath.Join(base, folder))
	if len(want) < 12 {
		t.Fatalf("only %d files: too few shards to show anything", len(want))
	}
	amid := 0
	for killed, runs := 0, 0; killed < 8; runs++ {
		out := filepath.Join(t.TempDir(), "out")
		for here := 0; ; here++ {
			cmd := curate(t, args(out, []int{1, 2, 7}[rng.IntN(3)])...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if here < 4 { // then it may come to its end
				if rng.IntN(2) == 0 {
					time.Sleep(time.Duration(rng.Int64N(int64(took))))
				} else {
					for began := time.Now(); time.Since(began) < took; time.Sleep(100 * time.Microsecond) {
						if _, err := os.Stat(filepath.Join(out, folder)); err == nil {
							time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)
							break
						}
					}
				}
				_ = cmd.Process.Kill() // it may have ended
			}
			<-ended
			if code := exitOf(cmd.ProcessState); code == 0 {
				break
			} else if code != 128+int(syscall.SIGKILL) {
				t.Fatalf("exit %d after %d kills", code, here)
			}
			if _, err := os.Stat(filepath.Join(out, folder)); err == nil {
				amid++
				if code, said := exitCode(t, curate(t, "shards", "verify", out)); code == 0 {
					if _, err := os.Stat(filepath.Join(out, folder, "done")); err != nil {
						t.Fatalf("a set without done is verified: %s", said)
					}
				}
			}
			killed++
		}
		sameTree(t, fmt.Sprintf("seed %d, run %d", seed, runs), tree(t, filepath.Join(out, folder)), want)
		if code, said := exitCode(t, curate(t, "shards", "verify", out)); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
	}
	t.Logf("%d of the kills came while shards were written", amid)
}
