//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func exitOf(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

var words = strings.Fields("the of and to in that it is was for on with as by at from his her they have be this which had not are but all were when we there can an your said if do will each how them about out many then these so some would make like into him has two more very after things our just name good sentence man think say great where help through much before line right too means old any same tell boy follow came want show also around form three small set put end does another well large must big even such because turn here why ask went men read need land different home us move try kind hand picture again change off play spell air away animal house point page letter mother answer found study still learn should")

// prose is a record that the gopher profile mostly keeps: real words in random order, now and then repeated.
func prose(rng *rand.Rand, b *bytes.Buffer, n int) {
	fmt.Fprintf(b, `{"id":"d%d","text":"`, n)
	for i := range 40 + rng.IntN(400) {
		if i%12 == 11 {
			b.WriteString(`.\n`)
		}
		b.WriteString(words[rng.IntN(len(words))])
		b.WriteByte(' ')
	}
	b.WriteString("\"}\n")
}

// killInputs are six files: a large compressed one and small ones in several forms, with some broken lines.
func killInputs(t testing.TB, scale int) []string {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var names []string
	for i, n := range []int{4000 * scale, 100, 300, 10, 0, 500} {
		var b bytes.Buffer
		for k := range n {
			if rng.IntN(200) == 0 {
				b.WriteString("{\"text\":\"cut\n")
			}
			if last := b.Bytes(); rng.IntN(4) == 0 && len(last) > 0 { // again, from somewhere in the file
				at := bytes.LastIndex(last[:rng.IntN(len(last))], []byte("\n{\"id")) + 1
				if end := bytes.IndexByte(last[at:], '\n'); end > 0 {
					b.Write(slices.Clone(last[at : at+end+1]))
					continue
				}
			}
			prose(rng, &b, k)
		}
		name, data := filepath.Join(dir, fmt.Sprintf("in-%d.jsonl", i)), b.Bytes()
		if i%2 == 0 {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			name, data = name+".zst", e.EncodeAll(data, nil)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// TestKill kills -9 a filter run over several files and splits at random moments and repeats the command:
// every byte is that of an undisturbed run. CURATE_KILLS sets how often.
func TestKill(t *testing.T) { killed(t, "filter", "--profile", "gopher") }

// TestKillPhases does so with a run of two phases, in both and, one time in three, while the Reducer finishes.
func TestKillPhases(t *testing.T) { killed(t, "dedup", "--method", "exact") }

// TestKillMinHash does so with three phases, of which two end with a Reducer that finishes.
func TestKillMinHash(t *testing.T) {
	killed(t, "dedup", "--method", "minhash", "--keep", "longest", "--threshold", "0.5")
}

// TestKillUnits does so with texts that are cut between two methods, so that the last one reads a copy.
func TestKillUnits(t *testing.T) {
	killed(t, "dedup", "--method", "lines,exact", "--min-chars", "10", "--min-words", "3")
}

// TestKillAudit does so with a stage that has a result and no records.
func TestKillAudit(t *testing.T) { killed(t, "audit", "--language-lines", "0") }

// killsOf is CURATE_KILLS, or what stands for it.
func killsOf(t *testing.T, unset int) int {
	s := os.Getenv("CURATE_KILLS")
	if s == "" {
		return unset
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func killed(t *testing.T, stage ...string) {
	kills, scale := killsOf(t, 8), 1
	if os.Getenv("CURATE_KILLS") != "" {
		scale = 4
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in := killInputs(t, scale)
	command := func(out string, j int) *exec.Cmd {
		side := filepath.Dir(out)
		var dropped []string
		if stage[0] != "audit" {
			dropped = []string{"--dropped", filepath.Join(side, "dropped.jsonl.zst")}
		}
		return curate(t, append(slices.Concat(stage, dropped, []string{"-q", "-o", out,
			"--quarantine", filepath.Join(side, "quarantine.jsonl"), "--ledger", filepath.Join(side, "ledger.json"), "--max-quarantined", "1%",
			"--split-size", "256KiB", "--max-record", "1MiB", "-j", fmt.Sprint(j), "--memory", []string{"320MiB", "1GiB"}[rng.IntN(2)]}), in...)...)
	}
	hit := map[string]int{}
	base := t.TempDir()
	start := time.Now()
	if code, said := exitCode(t, command(filepath.Join(base, "out"), 2)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want := tree(t, base)
	if len(want) < 20 {
		t.Fatalf("only %d files: too few splits to show anything", len(want))
	}
	for _, j := range []int{1, 2, 7} {
		dir := t.TempDir()
		if code, said := exitCode(t, command(filepath.Join(dir, "out"), j)); code != 0 {
			t.Fatalf("-j %d: exit %d: %s", j, code, said)
		}
		sameTree(t, fmt.Sprintf("-j %d", j), tree(t, dir), want)
	}
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
				wait := time.Duration(rng.Int64N(int64(took)))
				if stage[0] == "dedup" && rng.IntN(3) == 0 {
					wait = finishes(out, took)
				}
				time.Sleep(wait)
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
			hit[phaseOf(out)]++
		}
		t.Logf("one run through after %d kills", inRun)
		sameTree(t, fmt.Sprintf("seed %d, after %d kills", seed, inRun), tree(t, dir), want)
		if t.Failed() {
			return
		}
	}
	t.Logf("killed in %v", hit)
}

// finishes waits until a Reducer has begun to finish, and says how long to wait for its middle.
func finishes(out string, most time.Duration) time.Duration {
	for began := time.Now(); time.Since(began) < most; time.Sleep(100 * time.Microsecond) {
		if finishing(out) != "" {
			return time.Duration(rand.IntN(5000)) * time.Microsecond
		}
	}
	return 0
}

// phaseOf tells where the killed run was.
func phaseOf(out string) string {
	if _, err := os.Stat(out + "/_curate/phase1"); err != nil {
		return "no phase"
	}
	if _, err := os.Stat(out + "/_curate/journal"); err == nil {
		return "last phase"
	}
	if phase := finishing(out); phase != "" {
		return "finish of " + phase
	}
	if _, err := os.Stat(out + "/_curate/phase2"); err == nil {
		return "phase 2"
	}
	return "phase 1"
}

// finishing names the phase whose Reducer has begun to finish: there are files of its own that are made only then.
func finishing(out string) string {
	for _, of := range []struct{ phase, files string }{
		{"phase2", "members-*"}, {"phase2", "hubs-*"}, {"phase2", "verdicts-*"}, {"phase1", "exact-*"}, {"phase1", "candidates-*"},
	} {
		for _, dot := range []string{"", "."} {
			if files, _ := filepath.Glob(out + "/_curate/" + of.phase + "/" + dot + of.files); len(files) > 0 {
				return of.phase
			}
		}
	}
	return ""
}

// TestSignals: SIGINT and SIGTERM finish what is in hand, exit 130 and 143, and the same command goes on.
func TestSignals(t *testing.T) {
	in := killInputs(t, 2)
	args := append([]string{"filter", "--profile", "gopher", "--max-quarantined", "1%", "--split-size", "256KiB", "--max-record", "1MiB"}, in...)
	base := filepath.Join(t.TempDir(), "out")
	if code, said := exitCode(t, curate(t, append(args, "-o", base)...)); code != 0 {
		t.Fatal(code, said)
	}
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		out := filepath.Join(t.TempDir(), "out")
		cmd := curate(t, append(args, "-o", out)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 2000; n++ { // until the first parts are there
			if parts, _ := filepath.Glob(out + "/part-*"); len(parts) > 2 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its exit code is looked at below
		if code := exitOf(cmd.ProcessState); code != want || !strings.Contains(stderr.String(), "repeat the command to go on") {
			t.Errorf("%v: exit %d, want %d; it said %s", sig, code, want, stderr.String())
		}
		if code, said := exitCode(t, curate(t, append(args, "-o", out)...)); code != 0 {
			t.Fatal(code, said)
		}
		sameTree(t, sig.String(), tree(t, out), tree(t, base))
	}
}

// TestBrokenPipe: a reader that goes away ends the command as SIGPIPE ends any filter: quietly, with no file
// left of the outputs it will not finish.
func TestBrokenPipe(t *testing.T) {
	dir := t.TempDir()
	in := killInputs(t, 1)
	cmd := curate(t, append([]string{"filter", "--profile", "gopher", "--dropped", dir + "/d.jsonl.zst", "--ledger", dir + "/l.json"}, in...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	_ = cmd.Wait() // its exit code is looked at below
	if code := exitOf(cmd.ProcessState); code != 128+int(syscall.SIGPIPE) {
		t.Errorf("exit %d, want %d", code, 128+int(syscall.SIGPIPE))
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, "record quarantined") {
			t.Errorf("it said %s", line)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// TestStreaming: records of a writer that pauses flow on, and a signal ends a run that waits for input.
func TestStreaming(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := curate(t, "filter", "--profile", "gopher", "--annotate")
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := w.WriteString("{\"text\":\"first\"}\n{\"text\":\"sec"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 15)
	if _, err := io.ReadFull(out, got); err != nil || string(got) != `{"text":"first"` {
		t.Fatalf("%q, %v: the first record is held back", got, err)
	}
	// SIGUSR1 asks for a line of progress.
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "curate: 1 records, 100.0 % kept") {
		t.Errorf("after SIGUSR1 it said %q (%v)", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	_ = cmd.Wait() // its exit code is looked at below
	if code := exitOf(cmd.ProcessState); code != 130 || bytes.Contains(rest, []byte("sec")) {
		t.Errorf("exit %d, rest %q", code, rest)
	}
}

// TestSilentStdin: a writer that says nothing more keeps neither a signal nor the run's own end waiting.
func TestSilentStdin(t *testing.T) {
	for _, c := range []struct {
		what, input string
		args        []string
		sig         os.Signal
		code        int
	}{
		{"a signal before the first byte", "", nil, syscall.SIGTERM, 143},
		{"a signal in the magic number", "{}", nil, syscall.SIGINT, 130},
		{"--strict", "{\"text\":\"a\"}\nbad\n", []string{"--strict"}, nil, 1},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := curate(t, append([]string{"filter", "--profile", "gopher", "-q"}, c.args...)...)
		cmd.Stdin = r
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if _, err := w.WriteString(c.input); err != nil {
			t.Fatal(err)
		}
		if c.sig != nil {
			time.Sleep(200 * time.Millisecond)
			if err := cmd.Process.Signal(c.sig); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
			if code := exitOf(cmd.ProcessState); code != c.code {
				t.Errorf("%s: exit %d, want %d", c.what, code, c.code)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still waiting for its input", c.what)
			_ = cmd.Process.Kill() // it may just have ended
			<-ended
		}
		w.Close()
	}
}
