//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"curate/corpus/store/storetest/faults"
	"curate/corpus/store/storetest/s3test"
)

// rankRecipe is a recipe from a filter to shards, over files.
func rankRecipe(t *testing.T, files []string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "recipe.yaml")
	text := fmt.Sprintf(`version: 1
run: set below
quarantine: {max: 2%%}
steps:
  - {name: clean, read: ['%s'], filter: {profile: gopher}, dedup: {minhash: {keep: longest, threshold: 0.6}}}
  - {name: vocabulary, from: clean, tokenizer: {vocab_size: 400}}
  - {name: packed, from: clean, shards: {tokenizer: vocabulary, schedule: [{length: 256}], pack: true, shard_size: 100K}}
`, strings.Join(files, "', '"))
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// untilDone does rounds of ranks until the command with --finish says that all is done. ranks are of one round, begun and
// awaited by it.
func untilDone(t *testing.T, finish func() *exec.Cmd, ranks func()) {
	t.Helper()
	for range 200 {
		cmd := finish()
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		err := cmd.Run()
		switch code := exitOf(cmd.ProcessState); {
		case code == 0 && out.String() == "done\n":
			return
		case code == 0 && out.String() == "ranks\n":
		case code == 1 && out.Len() == 0 && strings.Contains(said.String(), "ranks are missing"):
		case code == 128+int(syscall.SIGKILL):
		default:
			t.Fatalf("--finish: %v, exit %d, said %q: %s", err, code, out.String(), said.String())
		}
		ranks()
	}
	t.Fatal("no end")
}

// TestKillRanks kills -9 ranks and --finish of a whole pipeline at random moments, runs ranks twice at once and with another
// number of them each round: every byte is that of a run without ranks.
func TestKillRanks(t *testing.T) {
	t.Parallel()
	const kills = 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	recipe := rankRecipe(t, killInputs(t, 1))
	command := func(run string, more ...string) *exec.Cmd {
		args := append([]string{"run", recipe, "-q", "--set", "run=" + run, "--split-size", "256KiB", "--max-record", "1MiB", "-j", fmt.Sprint(1 + rng.IntN(2)), "--memory", "640MiB"}, more...)
		return curate(t, args...)
	}
	alone := filepath.Join(t.TempDir(), "run")
	start := time.Now()
	if code, said := exitCode(t, command(alone)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want := tree(t, alone)
	run := filepath.Join(t.TempDir(), "run")
	killed := 0
	kill := func(cmd *exec.Cmd) { // at a random moment of its life, maybe
		if killed < kills {
			timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took)/2)), func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		_ = cmd.Wait()
		switch code := exitOf(cmd.ProcessState); code {
		case 128 + int(syscall.SIGKILL):
			killed++
		case 0:
		default:
			t.Errorf("exit %d", code)
		}
	}
	untilDone(t,
		func() *exec.Cmd {
			if cmd := command(run, "--finish"); killed < kills {
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(time.Duration(rng.Int64N(int64(took)/2)), func() { _ = cmd.Process.Kill() })
				_ = cmd.Wait()
				if exitOf(cmd.ProcessState) == 128+int(syscall.SIGKILL) {
					killed++
				}
			}
			return command(run, "--finish")
		},
		func() {
			world := []int{1, 3, 5}[rng.IntN(3)]
			for _, rank := range rng.Perm(world) {
				var twice []*exec.Cmd
				for range 1 + rng.IntN(2) {
					cmd := command(run, "--rank", fmt.Sprint(rank), "--world-size", fmt.Sprint(world))
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					twice = append(twice, cmd)
				}
				for _, cmd := range twice {
					kill(cmd)
				}
			}
		})
	t.Logf("%d killed", killed)
	sameTree(t, fmt.Sprintf("seed %d", seed), tree(t, run), want)
}

// TestRanksOnS3: the same recipe by ranks in a bucket, whose server fails now and then, has the bytes of the run on a disk.
func TestRanksOnS3(t *testing.T) {
	t.Parallel()
	server := s3test.Start("bucket")
	defer server.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	recipe := rankRecipe(t, killInputs(t, 1)[1:]) // without the large one
	command := func(run string, more ...string) *exec.Cmd {
		cmd := curate(t, append([]string{"run", recipe, "-q", "--set", "run=" + run, "--split-size", "256KiB", "--max-record", "1MiB", "-j", "2", "--memory", "640MiB"}, more...)...)
		cmd.Env = append(cmd.Env, server.Environment()...)
		return cmd
	}
	alone := filepath.Join(t.TempDir(), "run")
	if code, said := exitCode(t, command(alone)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	rounds := 0
	untilDone(t,
		func() *exec.Cmd { return command("s3://bucket/run", "--finish") },
		func() {
			if rounds++; rounds == 2 { // in one of them
				server.SetFaults(faults.Storm(5))
			}
			for _, rank := range rng.Perm(3) {
				for range 1 + rng.IntN(2) {
					if code, said := exitCode(t, command("s3://bucket/run", "--rank", fmt.Sprint(rank), "--world-size", "3")); code != 0 {
						t.Fatalf("rank %d: exit %d: %s", rank, code, said)
					}
				}
			}
			server.SetFaults(nil)
		})
	if server.Hurt() == 0 {
		t.Fatal("no request failed: that was no storm")
	}
	want := tree(t, alone)
	got := map[string]string{}
	for _, key := range server.Keys("bucket", "run/") {
		switch filepath.Base(key) {
		case "journal", "timing.json", "lock":
			continue
		}
		b, _ := server.Get("bucket", key)
		got[strings.TrimPrefix(key, "run/")] = string(b)
	}
	// Inputs made by steps are named below the run directory, so all but its own name is the same.
	delete(got, "_curate/run.json")
	delete(want, "_curate/run.json")
	sameTree(t, "in the bucket", got, want)
}
