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
	"sync"
	"syscall"
	"testing"
	"time"

	"curate/internal/human"
	"curate/translate/translatetest"
)

// translateStepCommand is a step of translating with a server.
func translateStepCommand(t testing.TB, step string, srv *translatetest.Server, tm string, args ...string) *exec.Cmd {
	t.Helper()
	return curate(t, append([]string{"translate", step, "--from", "en", "--to", "eu", "--backend", "openai", "--base-url", srv.URL, "--model", "fake", "--memory-dir", tm}, args...)...)
}

// TestTranslateRanksKill: ranks side by side, killed, run twice at once and repeated in another number, bring what one undisturbed
// process brings, and pay twice only for what was in flight at a kill.
func TestTranslateRanksKill(t *testing.T) {
	t.Parallel()
	file, distinct := translateRows(t, 200)
	const inFlight = 4
	const stubborn = "stubborn:house 19" // 11 rows, 19 and 190 to 199
	quiet, err := translatetest.NewServer(stubborn)
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(cmd *exec.Cmd) string {
		t.Helper()
		code, said := exitCode(t, cmd)
		if code != 0 {
			t.Fatalf("%q: exit code %d: %s", cmd.Args[1:], code, said)
		}
		return said
	}
	must(translateCommand(t, quiet, at("plain"), "--max-quarantined", "11", "-o", at("want"), file))
	_, asked, _ := quiet.Seen()

	srv, err := translatetest.NewServer(stubborn)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	said := must(translateStepCommand(t, "segments", srv, at("tm"), "-o", at("segments"), file))
	if want := fmt.Sprintf("distinct ones to ask for: %s (", human.Thousands(int64(distinct))); !strings.Contains(said, want) {
		t.Errorf("%q is not in %s", want, said)
	}
	kills := 0
	for _, world := range []int{3, 2} {
		var ranks sync.WaitGroup
		for rank := range world {
			rounds := 1
			if world == 3 {
				rounds = 2 // the first of which is killed
			}
			pauses := make([]time.Duration, rounds)
			for i := range pauses {
				pauses[i] = time.Duration(60+rng.IntN(200)) * time.Millisecond
			}
			for twice := range 2 {
				if twice > 0 && rank > 0 {
					break // one rank runs twice at once
				}
				ranks.Go(func() {
					for round := range rounds {
						cmd := translateStepCommand(t, "fetch", srv, at("tm"), "--max-concurrency", fmt.Sprint(inFlight), "--rank", fmt.Sprint(rank), "--world-size", fmt.Sprint(world), at("segments"))
						var stderr bytes.Buffer
						cmd.Stderr = &stderr
						if err := cmd.Start(); err != nil {
							t.Error(err)
							return
						}
						if world == 3 && round == 0 {
							time.Sleep(pauses[round])
							_ = cmd.Process.Kill()
						}
						_ = cmd.Wait()
						if code := exitOf(cmd.ProcessState); code != 0 && code != 128+int(syscall.SIGKILL) {
							t.Errorf("seed %d: rank %d of %d: exit code %d\n%s", seed, rank, world, code, &stderr)
						}
					}
				})
			}
			if world == 3 {
				kills++
			}
		}
		ranks.Wait()
	}
	kills++ // of the double
	_, segments, _ := srv.Seen()
	// A request in flight holds a row's segments, 4 at most here, or is one of the ladder's; what others bring while a rank runs, it does not see: but no two ranks
	// have the same segments, and the second number of ranks comes behind the first.
	if most := asked + kills*8*inFlight; segments < asked || segments > most {
		t.Errorf("seed %d: %d segments were asked for, %d by one process; at most %d after %d kills", seed, segments, asked, most, kills)
	}
	must(translateStepCommand(t, "apply", srv, at("tm"), "--max-quarantined", "11", "-o", at("out"), file))
	if _, after, _ := srv.Seen(); after != segments {
		t.Errorf("seed %d: apply asked for %d segments", seed, after-segments)
	}
	sameTree(t, fmt.Sprintf("seed %d", seed), tree(t, at("out")), tree(t, at("want")))
	// curate translate itself finds everything, too, and so does who exports the memories.
	must(translateCommand(t, srv, at("tm"), "--max-quarantined", "11", "-o", at("again"), file))
	if _, after, _ := srv.Seen(); after != segments {
		t.Errorf("seed %d: translate asked for %d segments", seed, after-segments)
	}
	sameTree(t, fmt.Sprintf("seed %d, once more", seed), tree(t, at("again")), tree(t, at("want")))
	for _, tm := range []string{"tm", "plain"} {
		must(curate(t, "translate", "memory", "export", at(tm), "-o", at(tm+".jsonl")))
	}
	a, _ := os.ReadFile(at("tm.jsonl"))
	b, _ := os.ReadFile(at("plain.jsonl"))
	if !bytes.Equal(a, b) || len(a) == 0 {
		t.Errorf("seed %d: the ranks' memories are another than one process's", seed)
	}
}

// TestTranslateRanksBudget: limits are of all ranks together.
func TestTranslateRanksBudget(t *testing.T) {
	t.Parallel()
	file, distinct := translateRows(t, 40)
	srv, err := translatetest.NewServer("ok")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	tm, segments := filepath.Join(dir, "tm"), filepath.Join(dir, "segments.jsonl")
	if code, said := exitCode(t, translateStepCommand(t, "segments", srv, tm, "-o", segments, file)); code != 0 {
		t.Fatal(said)
	}
	fetch := func(rank string, args ...string) (int, string) {
		return exitCode(t, translateStepCommand(t, "fetch", srv, tm, append(args, "--rank", rank, "--world-size", "3", segments)...))
	}
	for _, rank := range []string{"0", "1", "2"} {
		if code, said := fetch(rank, "--max-requests", "8"); code != exitFailed || !strings.Contains(said, "repeat the command to go on") {
			t.Errorf("exit code %d: %s", code, said)
		}
	}
	if n, _, _ := srv.Seen(); n != 8 {
		t.Errorf("%d requests, 8 are allowed", n)
	}
	if code, said := fetch("0", "--max-requests", "2"); code != exitUsage || !strings.Contains(said, "too little for 3 ranks") {
		t.Errorf("exit code %d: %s", code, said)
	}
	for _, rank := range []string{"0", "1", "2"} {
		if code, said := fetch(rank); code != 0 {
			t.Errorf("exit code %d: %s", code, said)
		}
	}
	if _, n, _ := srv.Seen(); n != distinct {
		t.Errorf("%d segments were asked for, %d are distinct", n, distinct)
	}
}

// TestTranslateRecipeRanksKill: a recipe that translates, by ranks that are killed and run twice at once, makes every file of a run without
// ranks: ledgers, provenance and quarantine, too, though some rows are given up and each rank has a memory of its own.
func TestTranslateRecipeRanksKill(t *testing.T) {
	t.Parallel()
	srv, err := translatetest.NewServer("stubborn:house 3")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	dir := t.TempDir()
	for i := range 3 {
		var b strings.Builder
		for k := range 40 {
			n := 40*i + k
			fmt.Fprintf(&b, `{"id":%d,"messages":[{"role":"user","content":"Tell me about house %d, please."},{"role":"assistant","content":"The %s is old.\nNobody lives there."}]}`+"\n", n, n, words[n%17])
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("rows%d.jsonl", i)), []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	recipe := filepath.Join(dir, "recipe.yaml")
	text := fmt.Sprintf(`version: 1
run: set below
quarantine: {max: 50}
steps:
  - {name: rows, read: ['%s/rows*.jsonl'], dedup: {exact: {field: messages}}}
  - {name: basque, from: rows, translate: {from: en, to: eu, backend: openai, base_url: '%s', model: fake, max_concurrency: 4}}
`, dir, srv.URL)
	if err := os.WriteFile(recipe, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	command := func(run string, more ...string) *exec.Cmd {
		return curate(t, append([]string{"run", recipe, "-q", "--set", "run=" + run, "--max-record", "1MiB"}, more...)...)
	}
	files := func(run string) map[string]string {
		all := tree(t, run)
		for name := range all {
			if strings.HasPrefix(name, "_curate/translations/") {
				delete(all, name)
			}
		}
		return all
	}
	alone, run := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	start := time.Now()
	if code, said := exitCode(t, command(alone)); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	took := time.Since(start)
	want := files(alone)
	if ledger := want["basque/_curate/ledger.json"]; !strings.Contains(ledger, `"quarantined": 11,`) {
		t.Fatalf("rows are quarantined that should not be, or kept: %s", ledger)
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	kills := 6
	untilDone(t,
		func() *exec.Cmd { return command(run, "--finish") },
		func() {
			world := []int{1, 3}[rng.IntN(2)]
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
					if kills > 0 {
						kills--
						timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { _ = cmd.Process.Kill() })
						defer timer.Stop()
					}
					_ = cmd.Wait()
					if code := exitOf(cmd.ProcessState); code != 0 && code != 128+int(syscall.SIGKILL) {
						t.Errorf("seed %d: exit %d", seed, code)
					}
				}
			}
		})
	sameTree(t, fmt.Sprintf("seed %d", seed), files(run), want)
}
