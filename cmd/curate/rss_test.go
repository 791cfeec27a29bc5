//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// writeInput writes n bytes of records: real prose one part in twelve, else short texts in large records, as
// crawls with their metadata are; and in the middle one line of 200 MB.
func writeInput(w io.Writer, n int64) error {
	rng := rand.New(rand.NewPCG(3, 3))
	var block bytes.Buffer
	for i := 0; block.Len() < 8<<20; i++ {
		if block.Len() < (8<<20)/12 {
			prose(rng, &block, i)
			continue
		}
		fmt.Fprintf(&block, `{"text":"%s","id":%d,"headers":"%s"}`+"\n", words[rng.IntN(len(words))], i, strings.Repeat(words[rng.IntN(len(words))]+" ", rng.IntN(3000)))
	}
	long := false
	for done := int64(0); done < n; done += int64(block.Len()) {
		if !long && done > n/2 {
			long = true
			if _, err := io.WriteString(w, `{"text":"`); err != nil {
				return err
			}
			mb := bytes.Repeat([]byte("a long line "), 1<<20/12)
			for range 200 {
				if _, err := w.Write(mb); err != nil {
					return err
				}
			}
			if _, err := io.WriteString(w, "\"}\n"); err != nil {
				return err
			}
		}
		if _, err := w.Write(block.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// peakOf lets the command write down its VmHWM when it ends, and gives it in bytes. What wait reports, ru_maxrss, will
// not do: at exec Linux carries over the peak of the process that forked, and this one has made inputs in memory.
func peakOf(t *testing.T, cmd *exec.Cmd) func() int64 {
	name := filepath.Join(t.TempDir(), "peak")
	cmd.Env = append(cmd.Env, peakFile+"="+name)
	return func() int64 {
		t.Helper()
		status, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(string(status), "VmHWM:")
		line, _, _ = strings.Cut(line, "kB")
		kb, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil || kb < 1000 {
			t.Fatalf("VmHWM is %d kB: %v", kb, err)
		}
		return kb << 10
	}
}

// memoryTimes is how much larger than --memory the input is.
func memoryTimes(t *testing.T) int64 {
	s := os.Getenv("CURATE_MEMORY_TIMES")
	if s == "" {
		return 10 // a minute less than the 50 of make check
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMemory measures that the process keeps to --memory on an input many times larger that holds a line of
// 200 MB, at the smallest memory that one worker is given and at a little more than the smallest for two, from a pipe to a
// compressed file and from a compressed file to parts.
func TestMemory(t *testing.T) {
	packed := filepath.Join(t.TempDir(), "in.jsonl.zst")
	for _, c := range []struct {
		j       int
		memory  int64
		fromZst bool
	}{{1, 96 << 20, false}, {2, 160 << 20, true}} {
		dir := t.TempDir()
		args := []string{"filter", "--profile", "gopher", "-q", "--max-quarantined", "1", "-j", fmt.Sprint(c.j), "--memory", fmt.Sprintf("%dMiB", c.memory>>20),
			"--dropped", dir + "/dropped.jsonl.zst", "--quarantine", dir + "/quarantine.jsonl"}
		size := memoryTimes(t) * c.memory
		if c.fromZst {
			f, err := os.Create(packed)
			if err != nil {
				t.Fatal(err)
			}
			z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
			if err != nil {
				t.Fatal(err)
			}
			if err := writeInput(z, size); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			f.Close()
			args = append(args, "-o", dir+"/out", packed)
		} else {
			args = append(args, "-o", dir+"/out.jsonl.zst")
		}
		cmd := curate(t, args...)
		if !c.fromZst {
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				w := bufio.NewWriterSize(in, 1<<20)
				_ = writeInput(w, size) // a broken pipe shows as the command's failure
				_ = w.Flush()
				in.Close()
			}()
		}
		peak := peakOf(t, cmd)
		code, said := exitCode(t, cmd)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		rss := peak()
		t.Logf("-j %d, --memory %d MiB, input %d MiB: RSS at most %.1f MiB, CPU %v", c.j, c.memory>>20, size>>20, float64(rss)/(1<<20), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		if rss > c.memory {
			t.Errorf("-j %d: RSS %.1f MiB is above --memory %d MiB", c.j, float64(rss)/(1<<20), c.memory>>20)
		}
		q, err := os.ReadFile(dir + "/quarantine.jsonl")
		if err != nil || bytes.Count(q, []byte("\n")) != 1 || !bytes.Contains(q, []byte(`"truncated":true`)) || len(q) > 70<<10 {
			t.Errorf("the quarantine of the long line has %d bytes, %v", len(q), err)
		}
	}
}

// TestMemoryPhases measures a run of two phases where keys are largest beside the records: millions of records of
// a few bytes, from a pipe, which are spooled, and from a file, which is read twice; and records as large as they
// may be.
func TestMemoryPhases(t *testing.T) {
	tiny := func(w io.Writer, n int64) (distinct int64) {
		rng := rand.New(rand.NewPCG(4, 4))
		b := bufio.NewWriterSize(w, 1<<20)
		var line []byte
		seen := make([]bool, 1<<23)
		for done := int64(0); done < n; done += int64(len(line)) {
			k := rng.IntN(len(seen))
			if !seen[k] {
				distinct++
			}
			seen[k] = true
			line = fmt.Appendf(line[:0], "{\"text\":\"%d\"}\n", k)
			_, _ = b.Write(line) // the error stays, for Flush
		}
		_ = b.Flush() // a broken pipe shows as the command's failure
		return distinct
	}
	large := func(w io.Writer, n int64) (distinct int64) {
		b := bytes.Repeat([]byte("a long line "), 30<<20/12)
		for i := int64(0); i*int64(len(b)) < n; i++ {
			distinct = min(i+1, 3)
			fmt.Fprintf(w, "{\"text\":\"%d %s\"}\n", i%3, b)
		}
		return distinct
	}
	times := memoryTimes(t) // 50 MiB of tiny records have keys of more than --memory, too
	for _, c := range []struct {
		what   string
		method string
		write  func(io.Writer, int64) int64
		size   int64
		j      int
		memory int64
		pipe   bool
	}{
		{"tiny records, spooled", "exact", tiny, times * 5 << 20, 1, 96 << 20, true},
		{"tiny records", "exact", tiny, times * 5 << 20, 2, 128 << 20, false},
		{"large records", "exact", large, 600 << 20, 2, 256 << 20, false},
		{"tiny records, near-duplicates, spooled", "minhash", tiny, 16 << 20, 1, 96 << 20, true},
		{"large records, near-duplicates", "minhash", large, 240 << 20, 2, 256 << 20, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"dedup", "--method", c.method, "-q", "-j", fmt.Sprint(c.j), "--memory", fmt.Sprintf("%dMiB", c.memory>>20), "--tmp", dir, "--ledger", dir + "/ledger.json", "-o", dir + "/out.jsonl"}
			var distinct int64
			var cmd *exec.Cmd
			wrote := make(chan struct{})
			if c.pipe {
				cmd = curate(t, args...)
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					defer close(wrote)
					distinct = c.write(in, c.size)
					in.Close()
				}()
			} else {
				name := filepath.Join(dir, "in.jsonl")
				f, err := os.Create(name)
				if err != nil {
					t.Fatal(err)
				}
				distinct = c.write(f, c.size)
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				close(wrote)
				cmd = curate(t, append(args, name)...)
			}
			peak := peakOf(t, cmd)
			code, said := exitCode(t, cmd)
			<-wrote
			if code != 0 {
				t.Fatalf("%s: exit %d: %s", c.what, code, said)
			}
			rss := peak()
			t.Logf("%s: -j %d, --memory %d MiB, input %d MiB: RSS at most %.1f MiB, CPU %v", c.what, c.j, c.memory>>20, c.size>>20, float64(rss)/(1<<20), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			if rss > c.memory {
				t.Errorf("%s: RSS %.1f MiB is above --memory %d MiB", c.what, float64(rss)/(1<<20), c.memory>>20)
			}
			ledger, err := os.ReadFile(dir + "/ledger.json")
			if want := fmt.Sprintf("\"kept\": %d,", distinct); err != nil || !bytes.Contains(ledger, []byte(want)) {
				t.Errorf("%s: the ledger lacks %s (%v): %.200s", c.what, want, err, ledger)
			}
		})
	}
}

// TestMemoryShards measures a mixture that is sorted on disk, of inputs that are larger than --memory and are used two
// and a half times: documents of all sizes up to what a record may have, and millions of a few bytes, of which sorting
// holds more than of their tokens.
func TestMemoryShards(t *testing.T) {
	t.Parallel()
	tokenizer, err := filepath.Abs("../../tokenize/testdata/small")
	if err != nil {
		t.Fatal(err)
	}
	mixed := func(rng *rand.Rand, line []byte, n int64) []byte {
		line = fmt.Appendf(line, `{"text":"%d`, n)
		times := 5 + rng.IntN(800)
		if n%8000 == 1000 {
			times = 600_000
		}
		for len(line) < times*5 {
			line = append(append(line, ' '), words[rng.IntN(len(words))]...)
		}
		return append(line, "\"}\n"...)
	}
	tiny := func(rng *rand.Rand, line []byte, _ int64) []byte {
		return fmt.Appendf(line, "{\"text\":\"%d\"}\n", rng.IntN(1<<23))
	}
	for _, c := range []struct {
		what   string
		record func(*rand.Rand, []byte, int64) []byte
		size   int64
		j      int
		memory int64
		flags  []string
	}{
		{"a mixture", mixed, 192 << 20, 1, 128 << 20, []string{"--pack", "--schedule", "1024:50%,4096"}},
		{"a mixture of tiny documents", tiny, 16 << 20, 2, 192 << 20, []string{"--format", "mds", "--schedule", "64:50%,128"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			in := filepath.Join(dir, "in.jsonl")
			f, err := os.Create(in)
			if err != nil {
				t.Fatal(err)
			}
			w := bufio.NewWriterSize(f, 1<<20)
			rng := rand.New(rand.NewPCG(7, 7))
			var line []byte
			documents := 0
			for done := int64(0); done < c.size; done += int64(len(line)) {
				line = c.record(rng, line[:0], int64(documents))
				documents++
				_, _ = w.Write(line) // the error stays, for Flush
			}
			if err := errors.Join(w.Flush(), f.Close()); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, "out")
			cmd := curate(t, append([]string{"shards", "build", "--tokenizer", tokenizer, "--source", "a=" + in, "--mix", "a:epochs=2.5", "-q", "-o", out,
				"-j", fmt.Sprint(c.j), "--memory", fmt.Sprintf("%dMiB", c.memory>>20), "--max-record", "4MiB"}, c.flags...)...)
			peak := peakOf(t, cmd)
			code, said := exitCode(t, cmd)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, said)
			}
			rss := peak()
			var is struct {
				Sources []struct {
					Documents int64
					Tokens    int64
					Epochs    float64
				}
			}
			if b, err := os.ReadFile(filepath.Join(out, "schedule.json")); err != nil {
				t.Fatal(err)
			} else if err := json.Unmarshal(b, &is); err != nil {
				t.Fatal(err)
			}
			if len(is.Sources) != 1 || math.Abs(is.Sources[0].Epochs-2.5) > 0.02 { // a document may be that much
				t.Fatalf("2.5 epochs of %d documents are %+v", documents, is.Sources)
			}
			t.Logf("-j %d, --memory %d MiB, input %d MiB, %d documents, %d tokens written: RSS at most %.1f MiB, CPU %v", c.j, c.memory>>20, c.size>>20, documents, is.Sources[0].Tokens, float64(rss)/(1<<20),
				cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			if rss > c.memory {
				t.Errorf("RSS %.1f MiB is above --memory %d MiB", float64(rss)/(1<<20), c.memory>>20)
			}
		})
	}
}
