//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKillRun kills -9 a whole pipeline at random moments and repeats the command: every byte is that of an undisturbed
// run, and so it is with 1, 2 and 7 workers, and in another run directory.
func TestKillRun(t *testing.T) {
	t.Parallel()
	const kills = 12
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := killInputs(t, 1)
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	text := fmt.Sprintf(`version: 1
run: set below
quarantine: {max: 2%%}
steps:
  - {name: clean, read: ['%s'], filter: {profile: gopher}, dedup: {minhash: {keep: longest, threshold: 0.6}}}
  - {name: vocabulary, from: clean, tokenizer: {vocab_size: 600}}
  - {name: packed, from: clean, shards: {tokenizer: vocabulary, schedule: [{length: 256}], pack: true, shard_size: 100K}}
  - {name: ids, from: clean, tokenize: {tokenizer: vocabulary}}
`, strings.Join(in, "', '"))
	if err := os.WriteFile(recipe, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	command := func(run string, j int) *exec.Cmd {
		return curate(t, "run", recipe, "-q", "--set", "run="+run, "--split-size", "256KiB", "--max-record", "1MiB", "-j", fmt.Sprint(j), "--memory", []string{"640MiB", "1GiB"}[rng.IntN(2)])
	}
	var want map[string]string
	var took time.Duration
	for _, j := range []int{2, 1, 7} {
		run := filepath.Join(t.TempDir(), "run")
		start := time.Now()
		if code, said := exitCode(t, command(run, j)); code != 0 {
			t.Fatalf("-j %d: exit %d: %s", j, code, said)
		}
		if want == nil {
			took, want = time.Since(start), tree(t, run)
			if len(want) < 60 {
				t.Fatalf("only %d files: too few splits to show anything", len(want))
			}
			continue
		}
		sameTree(t, fmt.Sprintf("-j %d", j), tree(t, run), want)
	}
	for done := 0; done < kills; {
		run := filepath.Join(t.TempDir(), "run")
		inRun := 0
		for {
			cmd := command(run, []int{1, 2, 7}[rng.IntN(3)])
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if done < kills {
				time.Sleep(time.Duration(rng.Int64N(int64(took))))
				_ = cmd.Process.Kill() // it may have ended
			}
			<-ended
			if code := exitOf(cmd.ProcessState); code == 0 {
				break
			} else if code != 128+int(syscall.SIGKILL) {
				t.Fatalf("exit %d after %d kills", code, inRun)
			}
			done++
			inRun++
		}
		t.Logf("one run through after %d kills", inRun)
		sameTree(t, fmt.Sprintf("seed %d, after %d kills", seed, inRun), tree(t, run), want)
		if t.Failed() {
			return
		}
	}
}
