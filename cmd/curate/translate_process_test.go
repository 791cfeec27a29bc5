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

	"curate/translate/translatetest"
)

// translateRows writes n chat rows of distinct texts, and says how many distinct segments they have.
func translateRows(t testing.TB, n int) (file string, distinct int) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "rows.jsonl")
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"messages":[{"role":"user","content":"Tell me about the %s of house %d, please."},{"role":"assistant","content":"- The %s is old and `+"`quiet_%d`"+`.\n- Nobody lives there.\n\nIt has number %d."}]}`+"\n", i, words[i%len(words)], i, words[(i+7)%len(words)], i%3, i)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	srv, err := translatetest.NewServer("ok")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if code, said := exitCode(t, translateCommand(t, srv, filepath.Join(t.TempDir(), "tm"), "-o", filepath.Join(t.TempDir(), "x.jsonl"), file)); code != 0 {
		t.Fatal(code, said)
	}
	_, distinct, _ = srv.Seen()
	return file, distinct
}

func translateCommand(t testing.TB, srv *translatetest.Server, tm string, args ...string) *exec.Cmd {
	t.Helper()
	return curate(t, append([]string{"translate", "--from", "en", "--to", "eu", "--backend", "openai", "--base-url", srv.URL, "--model", "fake", "--memory-dir", tm}, args...)...)
}

// stubborn is a mood in which rows 29 and 290 to 299 of translateRows are given up, behind all rungs.
const stubborn = "stubborn:house 29"

// TestTranslateKill: whatever kills it, and however often, the output is that of an undisturbed run, ledger and quarantine included, and
// only what was in flight at a kill is paid for twice.
func TestTranslateKill(t *testing.T) {
	t.Parallel()
	file, _ := translateRows(t, 300)
	const inFlight = 8
	quiet, err := translatetest.NewServer(stubborn)
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	want := t.TempDir()
	if code, said := exitCode(t, translateCommand(t, quiet, filepath.Join(want, "tm"), "--max-concurrency", fmt.Sprint(inFlight), "--max-quarantined", "11", "-o", filepath.Join(want, "out"), file)); code != 0 {
		t.Fatal(code, said)
	}
	wanted := tree(t, filepath.Join(want, "out"))
	if !strings.Contains(wanted["_curate/ledger.json"], `"quarantined": 11`) {
		t.Fatalf("rows are quarantined that should not be, or kept: %s", wanted["_curate/ledger.json"])
	}
	_, asked, _ := quiet.Seen()
	srv, err := translatetest.NewServer(stubborn)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	tm, out := filepath.Join(dir, "tm"), filepath.Join(dir, "out")
	kills := 0
	for round := 0; ; round++ {
		cmd := translateCommand(t, srv, tm, "--max-concurrency", fmt.Sprint(inFlight), "--max-quarantined", "11", "-o", out, file)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 6 {
			kills++
			time.Sleep(time.Duration(30+rng.IntN(400)) * time.Millisecond)
			_ = cmd.Process.Kill()
		}
		err := cmd.Wait()
		if err == nil {
			break
		}
		if exitOf(cmd.ProcessState) != 128+int(syscall.SIGKILL) {
			t.Fatalf("seed %d: %v\n%s", seed, err, &stderr)
		}
	}
	sameTree(t, fmt.Sprintf("seed %d", seed), tree(t, out), wanted)
	_, segments, _ := srv.Seen()
	// A request in flight holds a row's segments, 4 at most here, or is one of the ladder's, of which a kill costs those before it, too.
	if most := asked + kills*8*inFlight; segments > most {
		t.Errorf("seed %d: %d segments were asked for, %d without kills; at most %d after %d kills", seed, segments, asked, most, kills)
	}
}

// TestTranslateInterrupt: SIGINT sends nothing more, waits for the answers in flight, and keeps them: nothing is asked for twice.
func TestTranslateInterrupt(t *testing.T) {
	t.Parallel()
	file, distinct := translateRows(t, 60)
	srv, err := translatetest.NewServer("latency:150ms")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	tm, out := filepath.Join(dir, "tm"), filepath.Join(dir, "out")
	for round := range 3 {
		cmd := translateCommand(t, srv, tm, "--max-concurrency", "4", "-o", out, file)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before, _, _ := srv.Seen()
		for n := before; n < before+3; n, _, _ = srv.Seen() {
			time.Sleep(5 * time.Millisecond)
		}
		if round < 2 {
			_ = cmd.Process.Signal(os.Interrupt)
		}
		_ = cmd.Wait()
		if code := exitOf(cmd.ProcessState); round < 2 && code != exitInterrupted || round == 2 && code != 0 {
			t.Fatalf("round %d: exit code %d\n%s", round, code, &stderr)
		}
	}
	if _, segments, _ := srv.Seen(); segments != distinct {
		t.Errorf("%d segments were asked for, %d are distinct", segments, distinct)
	}
}

// TestTranslateBudget: a run that ends for want of budget goes on with more, and asks for nothing twice.
func TestTranslateBudget(t *testing.T) {
	t.Parallel()
	file, distinct := translateRows(t, 40)
	srv, err := translatetest.NewServer("jitter")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	for _, limit := range []int{7, 7, 0} {
		args := []string{"-o", filepath.Join(dir, "out.jsonl"), file}
		if limit > 0 {
			args = append(args, "--max-requests", fmt.Sprint(limit))
		}
		before, _, _ := srv.Seen()
		code, said := exitCode(t, translateCommand(t, srv, filepath.Join(dir, "tm"), args...))
		after, _, _ := srv.Seen()
		_, err := os.Stat(filepath.Join(dir, "out.jsonl"))
		if limit == 0 {
			if code != 0 || err != nil {
				t.Fatal(code, said)
			}
			continue
		}
		if code != exitFailed || !os.IsNotExist(err) || after-before != limit || !strings.Contains(said, "repeat the command to go on") {
			t.Fatalf("exit code %d, %d requests of %d: %s", code, after-before, limit, said)
		}
	}
	if _, segments, _ := srv.Seen(); segments != distinct {
		t.Errorf("%d segments were asked for, %d are distinct", segments, distinct)
	}
}

// TestTranslateKey: a server that repeats the key in answers and errors does not get it into anything.
func TestTranslateKey(t *testing.T) {
	t.Parallel()
	const key = "sk-planted-9f8e7d6c5b4a3210"
	file, _ := translateRows(t, 20)
	srv, err := translatetest.NewServer("echo_key")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	run := func(cmd *exec.Cmd) string {
		cmd.Env = append(cmd.Env, "OPENAI_API_KEY="+key)
		b, _ := cmd.CombinedOutput()
		return string(b)
	}
	said := run(translateCommand(t, srv, filepath.Join(dir, "tm"), "-v", "--annotate", "--keep-source", "--ledger", filepath.Join(dir, "ledger.json"), "-o", filepath.Join(dir, "out"), file))
	said += run(translateCommand(t, srv, filepath.Join(dir, "tm"), "--print-config"))
	said += run(translateCommand(t, srv, filepath.Join(dir, "tm"), "--log", "json", "--strict", "-o", filepath.Join(dir, "out.jsonl"), file))
	said += run(curate(t, "translate", "memory", "export", filepath.Join(dir, "tm"), "-o", filepath.Join(dir, "tm.jsonl")))
	said += run(curate(t, "report", "-o", filepath.Join(dir, "report.html"), filepath.Join(dir, "out")))
	leaks(t, dir, said, key)
	if requests, _, _ := srv.Seen(); requests == 0 {
		t.Error("nothing was asked: " + said)
	}
}

// TestTranslateMemories: what may be given as a memory, and what is kept in one.
func TestTranslateMemories(t *testing.T) {
	t.Parallel()
	srv, err := translatetest.NewServer("ok")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(at(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	read := func(name string) string {
		b, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	must := func(want int, cmd *exec.Cmd) string {
		t.Helper()
		code, said := exitCode(t, cmd)
		if code != want {
			t.Fatalf("exit %d, want %d: %s", code, want, said)
		}
		return said
	}
	rows := write("rows.jsonl", `{"text":"The old house stands near the river, and it is quiet."}`+"\n")

	must(0, translateCommand(t, srv, at("tm"), "--dry-run", rows))
	if _, err := os.Stat(at("tm")); err == nil {
		t.Error("a dry run has made a memory")
	}
	must(0, translateCommand(t, srv, at("tm"), "-o", at("first.jsonl"), rows))
	must(0, curate(t, "translate", "memory", "export", at("tm"), "-o", at("tm.jsonl")))
	must(0, curate(t, "translate", "--from", "en", "--to", "eu", "--backend", "memory", "--tm", at("tm.jsonl"), "-o", at("second.jsonl"), rows))
	if a, b := read("first.jsonl"), read("second.jsonl"); a != b {
		t.Errorf("with the exported memory %s, want %s", b, a)
	}

	must(0, translateCommand(t, srv, at("tm"), "-o", at("out"), rows))
	corrections := write("corrections.jsonl", `{"en":"The old house stands near the river, and it is quiet.","eu":"Etxe zaharra ibaiaren ondoan dago, eta isila da."}`+"\n")
	if said := must(2, translateCommand(t, srv, at("tm"), "--corrections", corrections, "-o", at("out"), rows)); !strings.Contains(said, "corrections") {
		t.Errorf("corrections for a finished output: %s", said)
	}
	must(0, translateCommand(t, srv, at("tm"), "--corrections", corrections, "-o", at("third.jsonl"), rows))
	if got := read("third.jsonl"); !strings.Contains(got, "Etxe zaharra ibaiaren ondoan dago, eta isila da.") {
		t.Errorf("the correction is not in %s", got)
	}
}

// TestTranslateCommands: commands as a judge and as a backend that hangs.
func TestTranslateCommands(t *testing.T) {
	t.Parallel()
	srv, err := translatetest.NewServer("ok")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	rows := filepath.Join(dir, "rows.jsonl")
	var text strings.Builder
	for _, a := range words[:8] {
		for _, b := range words[:5] {
			fmt.Fprintf(&text, `The %s is near the old %s.\n`, a, b)
		}
	}
	if err := os.WriteFile(rows, []byte(`{"text":"`+text.String()+`"}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	// More segments in a request than the command takes at a time: all are scored, and none is asked for again.
	if _, said := exitCode(t, translateCommand(t, srv, filepath.Join(dir, "tm"), "--segments-per-request", "50", "--judge", "back-translation", "--judge-at", "cat", "--max-quarantined", "1", "-o", filepath.Join(dir, "out.jsonl"), rows)); !strings.Contains(said, "first 40") {
		t.Error(said)
	}
	hangs := curate(t, "translate", "--from", "en", "--to", "eu", "--backend", "command", "--command", "sleep 1000", "--timeout", "100ms", "-o", filepath.Join(dir, "hung.jsonl"), rows)
	if code, said := exitCode(t, hangs); code != 3 || !strings.Contains(said, "timeout") {
		t.Errorf("exit %d: %s", code, said)
	}
}
