//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// nearDuplicates writes files with documents that are alone, near-duplicates of others, chains of edits, texts that share
// a page's worth of boilerplate, and lines that are no documents.
func nearDuplicates(t *testing.T, rng *rand.Rand, files, documents int) []string {
	t.Helper()
	words := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("w%d", rng.IntN(3000))
		}
		return list
	}
	page := strings.Join(words(60), " ")
	var texts [][]string
	var names []string
	dir := t.TempDir()
	for f := range files {
		var b strings.Builder
		for i := range documents {
			switch k := rng.IntN(12); {
			case k < 5 || len(texts) == 0:
				texts = append(texts, words(10+rng.IntN(150)))
			case k < 7: // boilerplate, and little of its own
				texts = append(texts, append(strings.Fields(page), words(rng.IntN(40))...))
			default:
				from := texts[rng.IntN(len(texts))]
				if k < 9 {
					from = texts[len(texts)-1] // a chain goes on
				}
				edited := append([]string(nil), from...)
				for range rng.IntN(6) {
					edited[rng.IntN(len(edited))] = words(1)[0]
				}
				texts = append(texts, edited)
			}
			if rng.IntN(50) == 0 {
				b.WriteString("{\"text\":7}\nno json\n{\"text\":\"\",\"n\":NaN}\n")
			}
			fmt.Fprintf(&b, "{\"id\":\"%d-%d\",\"source\":%q,\"q\":%d,\"text\":%q}\n", f, i, []string{"web", "wiki"}[rng.IntN(2)], rng.IntN(9), strings.Join(texts[len(texts)-1], " "))
		}
		name := filepath.Join(dir, fmt.Sprintf("in-%02d.jsonl", f))
		raw := []byte(b.String())
		if f%2 == 0 {
			e, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			name, raw = name+".zst", e.EncodeAll(raw, nil)
		}
		if err := os.WriteFile(name, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// TestDedupRanks removes near-duplicates with ranks: of several world sizes, another one for each step, in any order, some
// twice at once, some killed. What is there in the end is, byte by byte, what one process makes.
func TestDedupRanks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := nearDuplicates(t, rng, 5, 400)
	killed, doubled, total := 0, 0, 0
	for _, c := range []struct {
		world int
		more  []string
	}{
		{1, []string{"--keep", "best:q", "--verify", "sketch"}},
		{3, []string{"--keep", "longest", "--repair", "nan"}}, // repaired lines are copied from one phase to the next
		{7, []string{"--format", "parquet", "--short", "characters", "--keep", "source-order", "--priority", "wiki,web", "--id-field", "q"}},
	} {
		world := c.world
		flags := append([]string{"--split-size", "64KiB", "--max-record", "1MiB", "--threshold", "0.7"}, c.more...)
		base := t.TempDir()
		cmd := curate(t, append(append([]string{"dedup", "-q", "--max-quarantined", "50%", "-o", filepath.Join(base, "out"), "--dropped", filepath.Join(base, "dropped.jsonl.zst")}, flags...), in...)...)
		if code, said := exitCode(t, cmd); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		want := tree(t, filepath.Join(base, "out"))
		dropped := 0
		for _, line := range recordsOf(t, filepath.Join(base, "dropped.jsonl.zst")) {
			if strings.Contains(line, `"duplicate_of"`) {
				dropped++
			}
		}
		if dropped < 100 || len(want) < 20 {
			t.Fatalf("%d dropped, %d files: this shows nothing", dropped, len(want))
		}
		total += dropped
		dir := filepath.Join(t.TempDir(), "run")
		run := func(args ...string) {
			t.Helper()
			if code, said := exitCode(t, curate(t, append([]string{"dedup"}, args...)...)); code != 0 {
				t.Fatalf("seed %d: dedup %v: exit %d: %s", seed, args, code, said)
			}
		}
		run(append(append([]string{"start", "-q", "--run", dir, "--ranges", fmt.Sprint(1 + rng.IntN(6))}, flags...), in...)...)
		for i := range rankSteps {
			step := &rankSteps[i]
			args := append(append([]string{}, strings.Fields(step.verb)...), "-q", "--run", dir, "--memory", []string{"320MiB", "1GiB"}[rng.IntN(2)], "-j", fmt.Sprint(1+rng.IntN(3)))
			if step.verb == "apply --finish" {
				args = append(args, "--max-quarantined", "50%")
			}
			ranks := 1
			if step.unit != "" {
				ranks = world
			}
			var twice sync.WaitGroup
			for _, rank := range rng.Perm(ranks) {
				mine := args
				if step.unit != "" {
					mine = append(mine[:len(mine):len(mine)], "--rank", fmt.Sprint(rank), "--world-size", fmt.Sprint(ranks))
				}
				if rng.IntN(3) == 0 { // killed, and repeated
					cmd := curate(t, append([]string{"dedup"}, mine...)...)
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
					_ = cmd.Process.Kill() // it may have ended
					_ = cmd.Wait()
					if exitOf(cmd.ProcessState) == 128+int(syscall.SIGKILL) {
						killed++
					}
				}
				if rng.IntN(3) == 0 && step.verb != "apply --finish" { // the same at once
					doubled++
					other := curate(t, append([]string{"dedup"}, mine...)...)
					twice.Go(func() {
						if code, said := exitCode(t, other); code != 0 {
							t.Errorf("seed %d: dedup %v, twice at once: exit %d: %s", seed, mine, code, said)
						}
					})
				}
				run(mine...)
			}
			twice.Wait()
			if t.Failed() {
				return
			}
		}
		got := tree(t, dir)
		for _, name := range []string{"dedup.json", "dedup.evidence.jsonl.zst", "dedup.clusters.jsonl.zst"} {
			if len(want["_curate/"+name]) < 100 {
				t.Errorf("one process finds nothing in %s: this shows nothing", name)
			}
		}
		if _, ok := got["_curate/ranks.json"]; !ok {
			t.Error("ranks.json is not there")
		}
		delete(got, "_curate/ranks.json")
		sameTree(t, fmt.Sprintf("seed %d, %d ranks", seed, world), got, want)
		// What one process would have made, it takes for its own.
		cmd = curate(t, append(append([]string{"dedup", "--max-quarantined", "50%", "-o", dir, "--dropped", filepath.Join(t.TempDir(), "again.jsonl.zst")}, flags...), in...)...)
		if code, said := exitCode(t, cmd); code != 0 || !strings.Contains(said, "is finished already") {
			t.Errorf("exit %d: %s", code, said)
		}
		if out, err := exec.Command("find", dir, "-name", ".*").Output(); err != nil || len(out) > 0 {
			t.Errorf("left: %s, %v", out, err)
		}
	}
	t.Logf("%d dropped; %d ranks killed, %d run twice at once", total, killed, doubled)
}
