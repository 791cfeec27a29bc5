//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"curate/corpus/store/storetest/s3test"
)

// TestKillStepIndex: a step that keeps an index, to whose inputs files come twice. Its directories keep what commands with --index keep of
// the same additions; and killed at random moments and repeated, or by ranks, or in a bucket, every byte is that of undisturbed runs.
func TestKillStepIndex(t *testing.T) {
	t.Parallel()
	const kills = 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := nearDuplicates(t, rng, 5, 40)
	goes := [][]string{in[1:3], {in[0], in[1], in[2], in[4]}, in} // some come before others by name
	additions := [][]string{in[1:3], {in[0], in[4]}, in[3:4]}
	method := []string{"minhash: {threshold: 0.7, index: true}", "exact: {index: true}"}[rng.IntN(2)]
	t.Log(method)
	var recipes []string
	for i, files := range goes {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		text := fmt.Sprintf(`version: 1
run: set below
quarantine: {max: 50%%}
steps:
  - {name: unique, read: ['%s'], dedup: {%s}}
  - {name: long, from: unique, filter: {profile: slimpajama}}
`, strings.Join(files, "', '"), method)
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		recipes = append(recipes, name)
	}
	command := func(recipe, run string, more ...string) *exec.Cmd {
		return curate(t, append([]string{"run", recipe, "-q", "--set", "run=" + run, "--split-size", "16KiB", "--max-record", "1MiB",
			"-j", fmt.Sprint(1 + rng.IntN(3)), "--memory", []string{"640MiB", "1GiB"}[rng.IntN(2)]}, more...)...)
	}
	must := func(cmd *exec.Cmd) {
		t.Helper()
		if code, said := exitCode(t, cmd); code != 0 {
			t.Fatalf("seed %d: %v: exit %d: %s", seed, cmd.Args, code, said)
		}
	}
	dir := func(root string, i int) string {
		if i == 0 {
			return root
		}
		return filepath.Join(root, fmt.Sprintf("parts-%05d", i+1))
	}

	alone, out := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "out")
	var took time.Duration
	var want []map[string]string // after each go
	for i, recipe := range recipes {
		start := time.Now()
		must(command(recipe, alone))
		took = max(took, time.Since(start))
		want = append(want, tree(t, alone))
		flags := []string{"dedup", "-q", "--max-quarantined", "50%", "--index", out + "-seen", "-o", dir(out, i)}
		if strings.HasPrefix(method, "exact") {
			flags = append(flags, "--method", "exact")
		} else {
			flags = append(flags, "--threshold", "0.7")
		}
		must(curate(t, append(flags, additions[i]...)...))
		kept, expected := recordsOf(t, dir(filepath.Join(alone, "unique"), i)), recordsOf(t, dir(out, i))
		if len(kept) == 0 || !slices.Equal(kept, expected) {
			t.Errorf("seed %d: addition %d: the step keeps %d records, and the command %d, or others", seed, i+1, len(kept), len(expected))
		}
	}
	if t.Failed() {
		return
	}

	run := filepath.Join(t.TempDir(), "run")
	killed := 0
	for i, recipe := range recipes {
		for {
			cmd := command(recipe, run)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.NewTimer(time.Hour)
			if killed < kills*(i+1)/len(recipes) {
				timer.Reset(time.Duration(rng.Int64N(int64(took))))
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-timer.C:
				_ = cmd.Process.Kill()
				<-ended
			case <-ended:
			}
			timer.Stop()
			code := exitOf(cmd.ProcessState)
			if code == 0 {
				break
			}
			if killed++; code != 128+int(syscall.SIGKILL) {
				t.Fatalf("seed %d: exit %d", seed, code)
			}
		}
		sameTree(t, fmt.Sprintf("seed %d, addition %d, after %d kills", seed, i+1, killed), tree(t, run), want[i])
	}

	// By ranks: the first directory is theirs, all else for --finish; in a bucket, which has no locks.
	server := s3test.Start("bucket")
	defer server.Close()
	inBucket := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Env = append(cmd.Env, server.Environment()...)
		return cmd
	}
	const bucket = "s3://bucket/run"
	for i, recipe := range recipes[:2] {
		rounds := 0
		untilDone(t,
			func() *exec.Cmd { return inBucket(command(recipe, bucket, "--finish")) },
			func() {
				rounds++
				must(inBucket(command(recipe, bucket, "--rank", "0", "--world-size", "1")))
			})
		if (i == 0) != (rounds > 0) {
			t.Errorf("seed %d: ranks had %d rounds of work, before additions: %t", seed, rounds, i == 0)
		}
	}
	got := map[string]string{}
	for _, key := range server.Keys("bucket", "run/") {
		switch filepath.Base(key) {
		case "journal", "timing.json", "lock":
			continue
		}
		b, _ := server.Get("bucket", key)
		got[strings.TrimPrefix(key, "run/")] = string(b)
	}
	sameTree(t, fmt.Sprintf("seed %d, by ranks in a bucket", seed), got, want[1])
}
