//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

// recordsOf are the readable records of files and of output directories, as lines, in order.
func recordsOf(t *testing.T, names ...string) []string {
	t.Helper()
	var all []string
	for _, name := range names {
		files := []string{name}
		if st, err := os.Stat(name); err == nil && st.IsDir() {
			if files, err = filepath.Glob(name + "/part-*"); err != nil || len(files) == 0 {
				t.Fatalf("%s: %d parts, %v", name, len(files), err)
			}
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err == nil && strings.HasSuffix(f, ".zst") {
				var r *zstd.Decoder
				if r, err = zstd.NewReader(bytes.NewReader(b)); err == nil {
					b, err = io.ReadAll(r)
				}
			}
			if err != nil {
				t.Fatal(f, err)
			}
			for line := range strings.Lines(string(b)) {
				if jsontext.Value(line).IsValid() {
					all = append(all, strings.TrimSuffix(line, "\n"))
				}
			}
		}
	}
	return all
}

// TestKillSplit kills -9 a split into four parts at random moments and repeats the command: every byte is that of an
// undisturbed run, and each record of the inputs is in one part, with all others of the same text.
func TestKillSplit(t *testing.T) {
	const kills = 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := killInputs(t, 1)
	records := recordsOf(t, in...)
	held := filepath.Join(t.TempDir(), "held.jsonl")
	if err := os.WriteFile(held, []byte(records[10]+"\n"+records[500]+"\n{\"text\":\"another\"}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	parts := []string{"train", "validation", "test", "held_out"}
	command := func(out string, j int) *exec.Cmd {
		return curate(t, append([]string{"split", "-q", "--validation", "20%", "--test", "10%", "--held-out", held, "-o", out, "--quarantine", filepath.Dir(out) + "/quarantine.jsonl",
			"--ledger", filepath.Dir(out) + "/ledger.json", "--max-quarantined", "1%", "--split-size", "256KiB", "--max-record", "1MiB", "-j", fmt.Sprint(j), "--memory", []string{"320MiB", "1GiB"}[rng.IntN(2)]}, in...)...)
	}
	base := t.TempDir()
	start := time.Now()
	if code, said := exitCode(t, command(filepath.Join(base, "out"), 2)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want := tree(t, base)
	if len(want) < 60 {
		t.Fatalf("only %d files: too few splits to show anything", len(want))
	}
	everyRecordOnce(t, records, base+"/out", parts)
	for _, j := range []int{1, 7} {
		dir := t.TempDir()
		if code, said := exitCode(t, command(filepath.Join(dir, "out"), j)); code != 0 {
			t.Fatalf("-j %d: exit %d: %s", j, code, said)
		}
		sameTree(t, fmt.Sprintf("-j %d", j), tree(t, dir), want)
	}
	hit := map[string]int{}
	for done := 0; done < kills; {
		dir := t.TempDir()
		out := filepath.Join(dir, "out")
		inRun := 0
		for {
			cmd := command(out, []int{1, 2, 7}[rng.IntN(3)])
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
			at := "no part"
			for _, p := range parts {
				if _, err := os.Stat(out + "/" + p + "/_curate/config.json"); err == nil {
					at = p
				}
				if _, err := os.Stat(out + "/" + p + "/_curate/done"); err == nil {
					at = "behind " + p
				}
			}
			hit[at]++
		}
		t.Logf("one run through after %d kills", inRun)
		sameTree(t, fmt.Sprintf("seed %d, after %d kills", seed, inRun), tree(t, dir), want)
		if t.Failed() {
			return
		}
	}
	t.Logf("killed in %v", hit)
}

// everyRecordOnce checks that the parts hold the records of the inputs, byte by byte, each as often as those, and the
// same text in one part alone.
func everyRecordOnce(t *testing.T, records []string, out string, parts []string) {
	t.Helper()
	var all []string
	home := map[string]string{}
	count := map[string]int{}
	for _, part := range parts {
		lines := recordsOf(t, filepath.Join(out, part))
		for _, line := range lines {
			var doc struct {
				Text string `json:"text"`
			}
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				t.Fatal(err)
			}
			if other, ok := home[doc.Text]; ok && other != part {
				t.Errorf("%.60q is in %s and in %s", line, other, part)
			}
			home[doc.Text] = part
		}
		all = append(all, lines...)
		count[part] = len(lines)
	}
	t.Logf("%d records, %d texts: %v", len(all), len(home), count)
	if slices.Contains(slices.Collect(maps.Values(count)), 0) {
		t.Error("a part without a record shows nothing")
	}
	slices.Sort(all)
	if records = slices.Sorted(slices.Values(records)); !slices.Equal(all, records) {
		t.Errorf("the parts hold %d records, and not those %d of the inputs", len(all), len(records))
	}
}
