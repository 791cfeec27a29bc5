//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/corpus/store/storetest/faults"
	"curate/corpus/store/storetest/s3test"
)

// twiceRecipe is a recipe of all that --finish does: decisions between phases, directories made whole, and tasks, which are a
// training run and its measurement.
const twiceRecipe = `version: 1
run: set below
quarantine: {max: 20%%}
steps:
  - {name: clean, read: ['%s'], filter: {profile: gopher}, dedup: {minhash: {keep: longest, threshold: 0.6}}}
  - {name: vocabulary, from: clean, tokenizer: {vocab_size: 300}}
  - {name: shards, from: clean, shards: {tokenizer: vocabulary, schedule: [{length: 32}], pack: true, tokens_per_step: 64}}
  - {name: base, train: {shards: shards, tokenizer: vocabulary, model: {width: 16, layers: 1, heads: 2}, steps: 3, learning_rate: 1e-2, checkpoint_every: 1}}
  - {name: measured, eval: {models: [{model: base}], tokenizer: vocabulary, shards: [{path: shards}]}}
`

// explained is what a --finish says that another one has got in the way of.
var explained = regexp.MustCompile("another process with --finish|since this rank began")

// TestFinishTwiceOnS3: two --finish at once, over a bucket where no lock keeps them apart and whose server is slow now and then, end as
// one would, or say why not; the bytes are those of a run on a disk. Tasks are theirs alone: no rank begins one.
func TestFinishTwiceOnS3(t *testing.T) {
	t.Parallel()
	server := s3test.Start("bucket")
	defer server.Close()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	var files []string
	for i := range 3 {
		var b bytes.Buffer
		for k := range 20 {
			prose(rng, &b, k)
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("in-%d.jsonl", i)))
		if err := os.WriteFile(files[i], b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	recipe := filepath.Join(dir, "recipe.yaml")
	if err := os.WriteFile(recipe, fmt.Appendf(nil, twiceRecipe, strings.Join(files, "', '")), 0o666); err != nil {
		t.Fatal(err)
	}
	command := func(run string, more ...string) *exec.Cmd {
		cmd := curate(t, append([]string{"run", recipe, "-q", "--set", "run=" + run, "--max-record", "1MiB", "-j", "1", "--memory", "512MiB"}, more...)...)
		cmd.Env = append(cmd.Env, server.Environment()...)
		return cmd
	}
	alone := filepath.Join(dir, "alone")
	if code, said := exitCode(t, command(alone)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	// Who is first at what is the server's to say.
	delays := rand.New(rand.NewPCG(seed, 1))
	server.SetFaults(func(string, int) faults.Fault {
		if delays.IntN(4) > 0 {
			return faults.Fault{}
		}
		return faults.Fault{Delay: time.Duration(1+delays.IntN(20)) * time.Millisecond}
	})
	const run = "s3://bucket/run"
	tasks := func() string {
		for _, step := range []string{"base", "measured"} {
			if len(server.Keys("bucket", "run/"+step+"/")) > 0 {
				return step
			}
		}
		return ""
	}
	refused := 0
	for round := 0; ; round++ {
		if round == 50 {
			t.Fatal("no end")
		}
		begun := tasks()
		for _, rank := range rng.Perm(2) {
			if code, said := exitCode(t, command(run, "--rank", fmt.Sprint(rank), "--world-size", "2")); code != 0 {
				t.Fatalf("rank %d: exit %d: %s", rank, code, said)
			}
		}
		if now := tasks(); now != begun {
			t.Fatalf("a rank has begun the step %s, which is --finish's", now)
		}
		var out, said [2]bytes.Buffer
		var codes [2]int
		var both sync.WaitGroup
		for i := range 2 {
			cmd := command(run, "--finish")
			cmd.Stdout, cmd.Stderr = &out[i], &said[i]
			both.Go(func() {
				_ = cmd.Run()
				codes[i] = exitOf(cmd.ProcessState)
			})
		}
		both.Wait()
		done := 0
		for i := range 2 {
			t.Logf("round %d: exit %d %q %s", round, codes[i], out[i].String(), said[i].String())
			switch word := strings.TrimSpace(out[i].String()); {
			case codes[i] == 0 && word == "done":
				done++
			case codes[i] == 0 && word == "ranks":
			case codes[i] == 1 && word == "" && explained.MatchString(said[i].String()):
				refused++
			default:
				t.Errorf("round %d: --finish: exit %d, said %q: %s", round, codes[i], word, said[i].String())
			}
		}
		if done == 2 || t.Failed() {
			break
		}
	}
	t.Logf("%d refused", refused)
	server.SetFaults(nil)
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
	for _, files := range []map[string]string{got, want} {
		for name := range files { // of tasks these name the steps that they read by their paths
			if namesInputs(name) && (name == "_curate/run.json" || strings.HasPrefix(name, "base/") || strings.HasPrefix(name, "measured/")) || name == "measured/eval.json" {
				delete(files, name)
			}
		}
	}
	if len(want["base/checkpoints/step-00000003/model.safetensors"]) == 0 || len(want["measured/eval.txt"]) == 0 {
		t.Error("the tasks have made nothing that could be compared")
	}
	sameTree(t, fmt.Sprintf("seed %d", seed), got, want)
}
