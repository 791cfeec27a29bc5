//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKillTraining kills -9 or interrupts the training of a small model at random moments, while it learns, validates and writes
// or removes checkpoints, and goes on with other workers: all but times is as in an undisturbed run.
func TestKillTraining(t *testing.T) {
	killTraining(t, 8, nil, "--width", "32", "--layers", "1", "--heads", "2", "--epochs", "1.5", "--validation", "shards")
}

// TestKillLoRA does so with adapters, with noise and until the validation no longer falls: the rate is too high.
func TestKillLoRA(t *testing.T) {
	killTraining(t, 4, []string{"--width", "32", "--layers", "1", "--heads", "2", "--steps", "4", "--tokenizer", "tokenizer.json"},
		"--from", "base", "--lora-rank", "4", "--neftune", "5", "--epochs", "1.5", "--learning-rate", "0.3", "--schedule", "constant", "--validation", "shards", "--early-stopping", "3")
}

// killTraining trains as more says, from a model as base says, if it says anything.
func killTraining(t *testing.T, usual int, base []string, more ...string) {
	kills := killsOf(t, usual)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	var docs bytes.Buffer
	for n := range 24 {
		prose(rand.New(rand.NewPCG(1, uint64(n))), &docs, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "docs.jsonl"), docs.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) {
		t.Helper()
		cmd := curate(t, args...)
		cmd.Dir = dir
		if code, said := exitCode(t, cmd); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
	}
	do("tokenizer", "train", "-q", "--vocab-size", "300", "-o", "tokenizer.json", "docs.jsonl")
	do("shards", "build", "-q", "--pack", "--schedule", "64:75%,256:25%", "--tokens-per-step", "1024", "--tokenizer", "tokenizer.json", "-o", "shards", "docs.jsonl")
	if base != nil {
		do(append([]string{"train", "shards", "-o", "base", "-q"}, base...)...)
	}
	args := func(out string) []string {
		return append([]string{"train", "shards", "-o", out, "--tokenizer", "tokenizer.json", "--checkpoint-every", "5",
			"--validate-every", "4", "--validate-rows", "8", "-q", "-j", fmt.Sprint(1 + rng.IntN(3))}, more...)
	}
	start := time.Now()
	do(args("whole")...)
	took := time.Since(start)
	want := trained(t, filepath.Join(dir, "whole"))
	if len(want) < 10 {
		t.Fatalf("only %d files", len(want))
	}
	for done, runs := 0, 0; done < kills; runs++ {
		out := fmt.Sprint("out-", runs)
		here := 0
		for {
			cmd := curate(t, args(out)...)
			cmd.Dir = dir
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			sig, code := syscall.SIGKILL, 128+int(syscall.SIGKILL)
			if here < 4 { // then it may come to its end
				if rng.IntN(3) == 0 {
					sig, code = syscall.SIGINT, 130
				}
				time.Sleep(time.Duration(rng.Int64N(int64(took))))
				_ = cmd.Process.Signal(sig) // it may have ended
			}
			<-ended
			is := exitOf(cmd.ProcessState)
			if is == 0 {
				break
			}
			if is != code && is != 128+int(syscall.SIGINT) { // by the signal itself, before it is heeded
				t.Fatalf("seed %d: exit %d after %d kills: %s", seed, is, here, stderr.String())
			}
			here++
			done++
		}
		got := trained(t, filepath.Join(dir, out))
		for name := range want {
			if _, ok := got[name]; !ok && !strings.HasPrefix(name, "checkpoints/") {
				t.Errorf("seed %d, after %d kills: %s is missing", seed, here, name)
			}
		}
		for name, content := range got {
			// Which checkpoint before the last is kept depends on where the run was stopped.
			if was, ok := want[name]; ok && was != content || !ok && !strings.HasPrefix(name, "checkpoints/") {
				t.Errorf("seed %d, after %d kills: %s is another", seed, here, name)
			}
			if t.Failed() {
				return
			}
		}
		if name := strings.TrimSpace(want["done"]) + "/model.safetensors"; got[name] == "" || got[name] != want[name] {
			t.Fatalf("seed %d, after %d kills: %s is another", seed, here, name)
		}
	}
}

// trained are the files of a training run that decide something.
func trained(t *testing.T, dir string) map[string]string {
	files := tree(t, dir)
	for name := range files {
		if strings.HasPrefix(name, "_curate/") || name == "timing.json" {
			delete(files, name)
		}
	}
	return files
}
