//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shardsKill is a build that TestKillShards kills. Only what it names of in is read, --source aside.
type shardsKill struct {
	what  string
	flags []string
	files []string // below the folder of inputs
	amid  []string // patterns below the output: files that are there while the build does what the case is about
	want  []string // of the shard sets, as patterns: each has files
}

// shardsKills are builds of all kinds: what is put aside while they write, how files are nested, and what is sorted.
var shardsKills = []shardsKill{
	{"packed rows", []string{"--pack", "--length", "128", "--shard-size", "400K"},
		[]string{"text"}, []string{"length-128"},
		[]string{"length-128/shard-00003.bin", "length-128/shard-00000.idx"}},
	{"a mixture in two lengths", []string{"--pack", "--schedule", "64:40%,256", "--shard-size", "500K", "--source", "a=IN/text/in-1.jsonl", "--source", "b=IN/text/in-2.jsonl.zst",
		"--source", "c=IN/text/in-0.jsonl.zst", "--mix", "a:epochs=2.5", "--mix", "b:epochs=4", "--mix", "*:epochs=1"},
		nil, []string{"_curate/phase1/order-*", "_curate/phase1/.order-*", "length-256"},
		[]string{"length-64/shard-00000.bin", "length-256/shard-00001.bin"}},
	{"chats and pairs with masks", []string{"--chat-template", "chatml", "--pack", "--length", "512", "--shard-size", "200K"},
		[]string{"chats", "text/in-1.jsonl"}, []string{"length-512", "preference"},
		[]string{"length-512/shard-00003.loss", "preference/shard-00001.parquet"}},
	{"mds", []string{"--format", "mds", "--shard-size", "400K"},
		[]string{"text"}, []string{"_curate/phase1/spool-*", "length-2048"},
		[]string{"length-2048/shard-00003.mds", "length-2048/index.json"}},
	{"nanogpt", []string{"--format", "nanogpt", "--chat-template", "chatml"},
		[]string{"chats", "text/in-0.jsonl.zst"}, []string{"_curate/phase1/.spool-*", "_curate/phase1/spool-*"},
		[]string{"length-2048/train.bin", "length-2048/train.loss", "length-2048/train.bounds"}},
	{"parquet", []string{"--format", "parquet", "--chat-template", "chatml", "--pack", "--length", "256", "--shard-size", "200K"},
		[]string{"chats", "text/in-1.jsonl"}, []string{"length-256"},
		[]string{"length-256/shard-00003.parquet"}},
}

// TestKillShards kills -9 builds of shards at random moments, every other time while they write them or sort for them,
// and goes on with other workers and another memory: the shard sets are those of an undisturbed run. CURATE_KILLS sets
// how often each is killed at least.
func TestKillShards(t *testing.T) {
	kills := killsOf(t, 2)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := shardsKillInputs(t)
	for _, c := range shardsKills {
		if t.Run(c.what, func(t *testing.T) { c.run(t, rng, seed, in, kills) }); t.Failed() {
			return
		}
	}
}

// shardsKillInputs are a folder with text, and chats and pairs in two files.
func shardsKillInputs(t *testing.T) string {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.Mkdir(text, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range killInputs(t, 1) {
		if err := os.Rename(name, filepath.Join(text, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	some := func(most int) string {
		var b strings.Builder
		for range 1 + rng.IntN(most) {
			b.WriteString(words[rng.IntN(len(words))] + " ")
		}
		return b.String()
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	if err := os.Mkdir(filepath.Join(dir, "chats"), 0o777); err != nil {
		t.Fatal(err)
	}
	for f, n := range []int{1500, 900} {
		var b bytes.Buffer
		for range n {
			var row any
			if rng.IntN(3) > 0 {
				var list []message
				for range 1 + rng.IntN(3) {
					list = append(list, message{"user", some(20)}, message{"assistant", some(40)})
				}
				row = map[string]any{"messages": list}
			} else {
				row = map[string]any{"prompt": []message{{"user", some(20)}}, "chosen": []message{{"assistant", "yes " + some(40)}}, "rejected": []message{{"assistant", "no " + some(40)}}}
			}
			line, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		if err := os.WriteFile(filepath.Join(dir, "chats", fmt.Sprintf("chats-%d.jsonl", f)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (c *shardsKill) run(t *testing.T, rng *rand.Rand, seed uint64, in string, kills int) {
	tokenizer, err := filepath.Abs("../../tokenize/testdata/small")
	if err != nil {
		t.Fatal(err)
	}
	args := func(out string, j int) []string {
		list := slices.Concat([]string{"shards", "build", "--tokenizer", tokenizer, "-q", "-o", out, "--max-quarantined", "1%", "--split-size", "256KiB", "--max-record", "1MiB",
			"-j", fmt.Sprint(j), "--memory", []string{"640MiB", "1GiB"}[rng.IntN(2)]}, c.flags)
		for i, flag := range list {
			list[i] = strings.Replace(flag, "=IN/", "="+in+"/", 1)
		}
		for _, name := range c.files {
			list = append(list, filepath.Join(in, name))
		}
		return list
	}
	base := filepath.Join(t.TempDir(), "base")
	start := time.Now()
	if code, said := exitCode(t, curate(t, args(base, 2)...)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want := tree(t, base)
	for _, pattern := range c.want {
		if !there(base, pattern) {
			t.Fatalf("there is no %s: the case does not show what it is for", pattern)
		}
	}
	hit := map[string]int{}
	for killed, runs := 0, 0; killed < kills; runs++ {
		out := filepath.Join(t.TempDir(), "out")
		for here := 0; ; here++ {
			cmd := curate(t, args(out, []int{1, 2, 7}[rng.IntN(3)])...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if here < 4 { // then it may come to its end
				wait := time.Duration(rng.Int64N(int64(took)))
				if rng.IntN(3) > 0 {
					wait = time.Duration(rng.IntN(20_000)) * time.Microsecond
					until(out, c.amid[rng.IntN(len(c.amid))], took)
				}
				time.Sleep(wait)
				_ = cmd.Process.Kill() // it may have ended
			}
			<-ended
			if code := exitOf(cmd.ProcessState); code == 0 {
				break
			} else if code != 128+int(syscall.SIGKILL) {
				t.Fatalf("exit %d after %d kills", code, here)
			}
			for _, pattern := range c.amid {
				if there(out, pattern) {
					hit[pattern]++
				}
			}
			sets, _ := filepath.Glob(filepath.Join(out, "[lp]*[0-9e]")) // length-128, preference
			for _, set := range sets {
				if there(set, "done") {
					continue
				}
				if code, said := exitCode(t, curate(t, "shards", "verify", set)); code == 0 {
					t.Fatalf("%s has no done and is verified: %s", set, said)
				}
			}
			killed++
		}
		sameTree(t, fmt.Sprintf("seed %d, run %d", seed, runs), tree(t, out), want)
		if code, said := exitCode(t, curate(t, "shards", "verify", out)); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
	}
	t.Logf("took %v undisturbed; of the kills these came while files were there: %v", took.Round(time.Millisecond), hit)
}

// until waits for a file like the pattern to be there, at most so long.
func until(dir, pattern string, most time.Duration) {
	for began := time.Now(); time.Since(began) < most && !there(dir, pattern); {
		time.Sleep(100 * time.Microsecond)
	}
}

// there says whether a file is like the pattern.
func there(dir, pattern string) bool {
	names, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	return len(names) > 0
}
