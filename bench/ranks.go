package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"curate/corpus/store/storetest/faults"
	"curate/corpus/store/storetest/s3test"
)

// runRanks does examples/basque/recipe.yaml without ranks, and by ranks: in random order, some twice at once, some killed, and
// --finish killed, too. All bytes must be the same.
func runRanks(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	dir, err := root()
	if err != nil {
		return err
	}
	command := func(run string, more ...string) *exec.Cmd {
		cmd := exec.Command(bin, append([]string{"run", "-q", "--set", "run=" + run, "--max-record", "16MiB", "examples/basque/recipe.yaml"}, more...)...)
		cmd.Dir = dir
		return cmd
	}
	run := filepath.Join(s.dir, "run") // always the same, since models' files say where their data was
	began := time.Now()
	if out, err := command(run).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	took := time.Since(began)
	want, err := filesOfRun(run)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(run); err != nil {
		return err
	}
	check := &verdict{Numbers: map[string]any{"files": len(want), "alone_s": took.Seconds()}}
	for _, world := range strings.Split(s.options.ranks, ",") {
		if world == "s3" {
			if err := onStorage(bin, dir, took, want, check); err != nil {
				return err
			}
			continue
		}
		n, err := strconv.Atoi(world)
		if err != nil || n < 1 {
			return fmt.Errorf("-ranks %s: numbers of ranks or s3, with commas between", s.options.ranks)
		}
		began := time.Now()
		killed, rounds, err := byRanks(n, took, func(more ...string) *exec.Cmd { return command(run, more...) })
		if err != nil {
			return fmt.Errorf("%d ranks: %w", n, err)
		}
		got, err := filesOfRun(run)
		if err != nil {
			return err
		}
		differ := 0
		for name, b := range want {
			if g, ok := got[name]; !ok || !bytes.Equal(g, b) {
				differ++
				check.Failures = append(check.Failures, fmt.Sprintf("%d ranks: %s differs", n, name))
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				differ++
				check.Failures = append(check.Failures, fmt.Sprintf("%d ranks: %s should not be there", n, name))
			}
		}
		fmt.Printf("ranks: %d ranks, %d rounds, %d killed, %.0f s (alone %.0f s): %d of %d files differ\n", n, rounds, killed, time.Since(began).Seconds(), took.Seconds(), differ, len(want))
		check.Numbers["killed_"+world] = killed
		check.Numbers["rounds_"+world] = rounds
		if err := os.RemoveAll(run); err != nil {
			return err
		}
	}
	return s.say("ranks", check)
}

// onStorage does the same recipe from and to a bucket of an S3 server in this process that fails a third of all requests. Files in which inputs
// stand by their paths and versions are not compared.
func onStorage(bin, dir string, alone time.Duration, want map[string][]byte, check *verdict) error {
	server := s3test.Start("bench")
	defer server.Close()
	server.SetFaults(faults.Storm(14))
	const example = "examples/basque/"
	text, err := os.ReadFile(filepath.Join(dir, example, "recipe.yaml"))
	if err != nil {
		return err
	}
	for _, pattern := range []string{"*.jsonl.zst", "raw/*"} {
		names, err := filepath.Glob(filepath.Join(dir, example, filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			server.Put("bench", example+path.Join(path.Dir(pattern), filepath.Base(name)), b)
		}
	}
	server.Put("bench", "recipe.yaml", bytes.ReplaceAll(text, []byte("read: "+example), []byte("read: s3://bench/"+example)))
	began := time.Now()
	cmd := exec.Command(bin, "run", "-q", "--set", "run=s3://bench/run", "--max-record", "16MiB", "s3://bench/recipe.yaml")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), server.Environment()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var differ, compared, named int
	for name, b := range want {
		got, ok := server.Get("bench", "run/"+name)
		switch path.Base(name) {
		case "manifest.json", "config.json", "provenance.json", "run.json", "train.json", "results.json", "trainer.json":
			named++
			if ok {
				continue
			}
		}
		if strings.Contains(name, "quarantine/") { // each line names its file
			named++
			continue
		}
		if compared++; !ok || !bytes.Equal(got, b) {
			differ++
			check.Failures = append(check.Failures, fmt.Sprintf("s3: %s differs", name))
		}
	}
	fmt.Printf("s3: %d requests hurt, %.0f s (alone %.0f s): %d of %d files differ; %d name inputs and are not compared\n", server.Hurt(), time.Since(began).Seconds(), alone.Seconds(), differ, compared, named)
	check.Numbers["s3_hurt"], check.Numbers["s3_compared"], check.Numbers["s3_differ"] = server.Hurt(), compared, differ
	return nil
}

// byRanks does a run by n ranks; so many processes are killed as there are ranks, and two at least.
func byRanks(n int, took time.Duration, command func(more ...string) *exec.Cmd) (killed, rounds int, err error) {
	rng := rand.New(rand.NewPCG(uint64(n), 14))
	left := max(2, n) // to kill
	start := func(more ...string) (wait func() error, out *bytes.Buffer, err error) {
		cmd := command(more...)
		out = &bytes.Buffer{}
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = out, &said
		if err := cmd.Start(); err != nil {
			return nil, nil, err
		}
		hit := false
		var timer *time.Timer
		if left > 0 && rng.IntN(2) == 0 {
			left--
			hit = true
			timer = time.AfterFunc(time.Duration(rng.Int64N(int64(took/8)+1)), func() { _ = cmd.Process.Kill() })
		}
		return func() error {
			err := cmd.Wait()
			if hit {
				timer.Stop()
				if cmd.ProcessState.ExitCode() < 0 { // by a signal
					killed++
					return errKilled
				}
			}
			if err != nil && !strings.Contains(said.String(), "ranks are missing") {
				return fmt.Errorf("%s: %w\n%s", more, err, said.String())
			}
			return nil
		}, out, nil
	}
	for ; rounds < 100; rounds++ {
		wait, out, err := start("--finish")
		if err != nil {
			return killed, rounds, err
		}
		if err := wait(); err != nil && err != errKilled {
			return killed, rounds, err
		}
		if out.String() == "done\n" {
			return killed, rounds, nil
		}
		// At most two at a time, since a whole array on one machine would be a test of its memory.
		var two sync.WaitGroup
		var mu sync.Mutex
		var failed error
		places := make(chan struct{}, 2)
		ranks := rng.Perm(n)
		for _, r := range slices.Clone(ranks) {
			if rng.IntN(3) == 0 {
				ranks = append(ranks, r) // again, while others are at work
			}
		}
		for _, r := range ranks {
			places <- struct{}{}
			wait, _, err := start("--rank", strconv.Itoa(r), "--world-size", strconv.Itoa(n), "-j", "1")
			if err != nil {
				return killed, rounds, err
			}
			two.Go(func() {
				mu.Lock()
				defer mu.Unlock()
				if err := wait(); err != nil && err != errKilled {
					failed = err
				}
				<-places
			})
		}
		two.Wait()
		if failed != nil {
			return killed, rounds, failed
		}
	}
	return killed, rounds, fmt.Errorf("no end after %d rounds", rounds)
}

var errKilled = fmt.Errorf("killed")

// filesOfRun are the files of a run directory, but for what holds times, the order of things, and what is remembered on this
// machine.
func filesOfRun(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(filepath.ToSlash(rel), "_curate/translations") {
				return filepath.SkipDir
			}
			return nil
		}
		switch d.Name() {
		case "journal", "timing.json", "lock":
			return nil
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(name)
		return err
	})
	return files, err
}
