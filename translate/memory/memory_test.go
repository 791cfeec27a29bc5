package memory

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/translate/protect"
)

// TestMain is also the other process of the tests that need one.
func TestMain(m *testing.M) {
	switch dir := os.Getenv("MEMORY_TEST_DIR"); os.Getenv("MEMORY_TEST_PROCESS") {
	case "writer":
		writer(dir)
	case "owner":
		owner(dir)
	default:
		m.Run() // exits with what it returns
	}
}

// process starts this test binary as another process.
func process(t *testing.T, role, dir string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), "MEMORY_TEST_PROCESS="+role, "MEMORY_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	in, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, in, bufio.NewReader(pipe)
}

func entry(engine, source, target, failed string) Entry {
	e := Entry{Engine: engine, From: "en", To: "eu", Source: text(source), Target: text(target), Failed: failed}
	return e
}

// TestWhatHolds has the rules of Put, before and after a reopening.
func TestWhatHolds(t *testing.T) {
	const failed = "FAILED"
	for name, c := range map[string]struct {
		engine string
		puts   []string // targets
		want   string
	}{
		"first answer":                {"e", []string{"a", "b"}, "a"},
		"failed, then good":           {"e", []string{failed, "a", "b"}, "a"},
		"good, then failed":           {"e", []string{"a", failed}, "a"},
		"failed twice":                {"e", []string{failed, failed + "2"}, failed + "2"},
		"newer correction":            {"", []string{"a", "b"}, "b"},
		"correction there and back":   {"", []string{"a", "b", "a"}, "a"},
		"empty target of a failed":    {"e", []string{failed}, failed},
		"nothing twice":               {"e", []string{"", "a"}, ""},
		"a correction to nothing":     {"", []string{"a", ""}, ""},
		"corrections may be the same": {"", []string{"a", "a", "a"}, "a"},
	} {
		for _, close := range []bool{false, true} {
			dir := t.TempDir()
			s := mustOpen(t, dir, Options{})
			for _, p := range c.puts {
				e := entry(c.engine, "source", p, "")
				if strings.HasPrefix(p, failed) {
					e = entry(c.engine, "source", "", p)
				}
				mustPut(t, s, e)
				if close {
					mustClose(t, s)
					s = mustOpen(t, dir, Options{})
				}
			}
			e, ok, err := s.Get(KeyOf(c.engine, "en", "eu", text("source")))
			if got := e.Target.Text[0] + e.Failed; err != nil || !ok || got != c.want || s.Len() != 1 {
				t.Errorf("%s: %q, want %q (%v %v)", name, got, c.want, ok, err)
			}
			if close { // what changes nothing is not written
				if size := logSize(t, dir); len(c.puts) == 3 && c.puts[0] == c.puts[1] && size > 100 {
					t.Errorf("%s: %d bytes", name, size)
				}
			}
			mustClose(t, s)
		}
	}
}

func logSize(t *testing.T, dir string) int64 {
	st, err := os.Stat(filepath.Join(dir, "memory.log"))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func TestKeys(t *testing.T) {
	seen := map[Key]string{}
	for _, q := range []struct {
		engine, from, to string
		source           protect.Template
	}{
		{"e", "en", "eu", text("a")},
		{"", "en", "eu", text("a")},
		{"e", "en", "e", text("ua")},
		{"e", "en", "", text("eua")},
		{"ee", "n", "eu", text("a")},
		{"e", "en", "eu", text("a", "")},
		{"e", "en", "eu", text("", "a")},
		{"e", "en", "eu", text("", "", "a")},
		{"e", "en", "eu", text("\x00a")},
		{"e", "en", "eu", text("")},
		{"e", "en", "eu", protect.Template{Text: []string{"", "a"}, Holes: []int{1}}},
	} {
		k := KeyOf(q.engine, q.from, q.to, q.source)
		if other, ok := seen[k]; ok {
			t.Errorf("%+v has the key of %s", q, other)
		}
		seen[k] = fmt.Sprintf("%+v", q)
	}
	if KeyOf("e", "en", "eu", text("")) != KeyOf("e", "en", "eu", protect.Template{}) {
		t.Error("the zero template is not the empty one")
	}
	// The key is in the format's page: it must not change unnoticed.
	if k := KeyOf("e", "en", "eu", text("Open ", " now.")); fmt.Sprintf("%x", k) != "cf19dd0fa39dcb2185b5b480dad9a9a2" {
		t.Errorf("the key of the page's example is %x", k)
	}
}

func TestUnfit(t *testing.T) {
	s := mustOpen(t, "", Options{})
	nan := 0.0
	nan /= nan
	holes := func(n ...int) protect.Template { return protect.Template{Text: make([]string, len(n)+1), Holes: n} }
	for want, change := range map[string]func(e *Entry){
		"not UTF-8":                  func(e *Entry) { e.Target = text("\xff") },
		"\"\\xfe\" is not UTF-8":     func(e *Entry) { e.Engine = "\xfe" },
		"a template of 1 texts":      func(e *Entry) { e.Target = protect.Template{Text: []string{""}, Holes: []int{0}} },
		"hole 0 of the source has":   func(e *Entry) { e.Source = holes(1, 0) },
		"hole 7 of the target":       func(e *Entry) { e.Source, e.Target = holes(0, 1), holes(0, 7) },
		"hole -1 of the target":      func(e *Entry) { e.Source, e.Target = holes(0, 1), holes(0, -1) },
		"hole 1 of the target":       func(e *Entry) { e.Source, e.Target = holes(0, 1), holes(1, 1) },
		"hole 1 of the source is":    func(e *Entry) { e.Source, e.Target = holes(0, 1), holes(0) },
		"cannot have failed":         func(e *Entry) { e.Engine, e.Failed, e.Target = "", "why", text("") },
		"failed has a target":        func(e *Entry) { e.Failed = "why" },
		"attempts":                   func(e *Entry) { e.Attempts = -1 },
		"a score that is no number":  func(e *Entry) { e.Score = &nan },
		"check \"x\" is no number":   func(e *Entry) { e.Checks = map[string]float64{"x": nan} },
		"check \"\\xff\" is no numb": func(e *Entry) { e.Checks = map[string]float64{"\xff": 1} },
	} {
		e := entry("e", "source", "target", "")
		change(&e)
		if err := s.Put(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s.Len() != 0 {
		t.Error("something of it was kept")
	}
}

// random makes entries that use everything, of few keys.
func random(rnd *rand.Rand) Entry {
	words := func() string {
		return strings.Repeat([]string{"a ", "ñandú ", "\x00", "\"<", "", "long words go on and on "}[rnd.IntN(6)], rnd.IntN(60))
	}
	e := Entry{Engine: []string{"", "e", "another engine"}[rnd.IntN(3)], From: "en", To: []string{"eu", "es"}[rnd.IntN(2)]}
	n := rnd.IntN(3)
	e.Source = text(make([]string, n+1)...)
	e.Source.Text[0] = fmt.Sprintf("%d", rnd.IntN(200))
	e.Rung = []string{"", "first", "again"}[rnd.IntN(3)]
	e.Attempts = rnd.IntN(300)
	if e.Engine != "" && rnd.IntN(3) == 0 {
		e.Failed, e.Target = "could not: "+words(), text("")
	} else {
		e.Target = text(make([]string, n+1)...)
		for i := range e.Target.Text {
			e.Target.Text[i] = words()
		}
		rnd.Shuffle(n, func(i, j int) { h := e.Target.Holes; h[i], h[j] = h[j], h[i] })
	}
	if rnd.IntN(2) == 0 {
		score := rnd.Float64()
		e.Score = &score
	}
	for range rnd.IntN(3) {
		if e.Checks == nil {
			e.Checks = map[string]float64{}
		}
		e.Checks[[]string{"ratio", "copy", "marks"}[rnd.IntN(3)]] = rnd.NormFloat64()
	}
	return e
}

// TestLikeAMap puts random entries, gets, syncs, closes, opens and kills (what was not synced may be gone, in order), and
// compares with a map.
func TestLikeAMap(t *testing.T) {
	for round := range 8 {
		seed := rand.Uint64()
		t.Log("seed", seed)
		rnd := rand.New(rand.NewPCG(seed, uint64(round)))
		dir := t.TempDir()
		s := mustOpen(t, dir, Options{})
		want := map[Key]Entry{}
		for range 3000 {
			switch n := rnd.IntN(200); {
			case n == 0:
				mustClose(t, s)
				s = mustOpen(t, dir, Options{})
			case n == 1:
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
			case n < 80:
				e := random(rnd)
				got, ok, err := s.Get(e.key())
				if stands, there := want[e.key()]; err != nil || ok != there || ok && !reflect.DeepEqual(got, stands) {
					t.Fatalf("%+v, want %+v (%v %v)", got, stands, ok, err)
				}
			default:
				e := random(rnd)
				mustPut(t, s, e)
				if stands, ok := want[e.key()]; !ok || stands.Failed != "" || e.Engine == "" {
					want[e.key()] = e
				}
			}
			if s.Len() != len(want) {
				t.Fatalf("%d keys instead of %d", s.Len(), len(want))
			}
		}
		for k, e := range want {
			if got, ok, err := s.Get(k); err != nil || !ok || !reflect.DeepEqual(got, e) {
				t.Fatalf("%+v, want %+v (%v %v)", got, e, ok, err)
			}
		}
		mustClose(t, s)
	}
}

// TestManyGoroutines is for the race detector: several put the same keys, get, sync and export at once.
func TestManyGoroutines(t *testing.T) {
	dir := t.TempDir()
	s, err := open(t.Context(), dir, Options{}, tuning{flush: time.Millisecond, poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for g := range 6 {
		all.Go(func() {
			for n := range 400 {
				e := answer(n)
				e.Rung = strconv.Itoa(g)
				if err := s.Put(e); err != nil {
					t.Error(err)
					return
				}
				if got, ok, err := s.Get(answer(n ^ 5).key()); err != nil || ok && got.Source.Text[0] != answer(n ^ 5).Source.Text[0] {
					t.Error(ok, err)
					return
				}
				if n%100 == g {
					if err := s.Sync(); err != nil {
						t.Error(err)
					}
				}
				if n == 300 {
					if err := s.Export(io.Discard); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	rungs := map[int]string{}
	for n := range 400 {
		e, ok, err := s.Get(answer(n).key())
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		rungs[n] = e.Rung
	}
	mustClose(t, s)
	s = mustOpen(t, dir, Options{})
	for n := range 400 {
		if e, ok, err := s.Get(answer(n).key()); !ok || err != nil || e.Rung != rungs[n] {
			t.Fatalf("answer %d was that of %s, and is that of %s (%v %v)", n, rungs[n], e.Rung, ok, err)
		}
	}
}

func TestFlusher(t *testing.T) {
	dir := t.TempDir()
	s, err := open(t.Context(), dir, Options{}, tuning{flush: time.Millisecond, poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range 3 {
		mustPut(t, s, answer(n))
		for s.mu.RLock(); s.durable <= int64(n); s.mu.RLock() {
			s.mu.RUnlock()
			time.Sleep(time.Millisecond)
		}
		s.mu.RUnlock()
		b, err := os.ReadFile(filepath.Join(dir, "memory.log"))
		if err != nil {
			t.Fatal(err)
		}
		copied, _, note, err := openBytes(b)
		if err != nil || note != "" || copied.Len() != n+1 {
			t.Fatal(err, note)
		}
		mustClose(t, copied)
	}
}

// TestFlush holds that what was flushed is in the file, and what was not is not.
func TestFlush(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 4 {
		mustPut(t, s, answer(n))
		if n%2 == 1 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(filepath.Join(dir, "memory.log"))
		if err != nil {
			t.Fatal(err)
		}
		copied, _, note, err := openBytes(b)
		if err != nil || note != "" || copied.Len() != (n+1)/2*2 {
			t.Fatal(n, copied.Len(), err, note)
		}
		mustClose(t, copied)
	}
	if err := s.Flush(); err != nil { // of nothing
		t.Fatal(err)
	}
	mustClose(t, s)
	if err := s.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := mustOpen(t, "", Options{})
	for n := range 2000 {
		mustPut(t, s, answer(n))
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	for n := range 2000 {
		if e, ok, err := s.Get(answer(n).key()); !ok || err != nil || !reflect.DeepEqual(e, answer(n)) {
			t.Fatal(e, ok, err)
		}
	}
	mustClose(t, s)
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	for _, err := range []error{s.Put(answer(1)), s.Sync(), s.Export(io.Discard)} {
		if !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
	if _, _, err := s.Get(answer(1).key()); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	mustClose(t, s)
}

func TestFull(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{MaxIndex: 100000})
	n := 0
	var full *FullError
	for ; ; n++ {
		if err := s.Put(answer(n)); err != nil {
			if !errors.As(err, &full) || !strings.Contains(err.Error(), "--memory") {
				t.Fatal(err)
			}
			break
		}
	}
	if s.Len() != n || n < 2000 || s.IndexBytes() > 100000 {
		t.Errorf("%d keys, %d were put; the index has %d bytes", s.Len(), n, s.IndexBytes())
	}
	mustPut(t, s, answer(3)) // it is there
	mustClose(t, s)
	if _, err := open(t.Context(), dir, Options{MaxIndex: 60000}, still); !errors.As(err, &full) {
		t.Error(err)
	}
	s = mustOpen(t, dir, Options{MaxIndex: 200000})
	if s.Len() != n {
		t.Errorf("%d keys instead of %d", s.Len(), n)
	}
	mustPut(t, s, answer(n))
}

// owner has the memory until its standard input ends.
func owner(dir string) {
	s, err := Open(context.Background(), dir, Options{})
	if err == nil {
		err = s.Put(answer(7))
	}
	fmt.Println("open", err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = s.Close()
}

func TestOneProcessAtATime(t *testing.T) {
	for _, killed := range []bool{false, true} {
		dir := t.TempDir()
		cmd, in, out := process(t, "owner", dir)
		if line, _ := out.ReadString('\n'); line != "open <nil>\n" {
			t.Fatalf("%q", line)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := open(ctx, dir, Options{}, still)
		cancel()
		pid := fmt.Sprintf("pid %d on ", cmd.Process.Pid)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), pid) {
			t.Fatal(err)
		}
		var told []string
		s, err := open(t.Context(), dir, Options{Waiting: func(owner string) {
			told = append(told, owner)
			time.AfterFunc(20*time.Millisecond, func() {
				if killed {
					_ = cmd.Process.Kill()
				} else {
					_ = in.Close()
				}
			})
		}}, still)
		if err != nil {
			t.Fatal(err)
		}
		if len(told) != 1 || !strings.Contains(told[0], pid) {
			t.Errorf("told %q", told)
		}
		if _, ok, err := s.Get(answer(7).key()); !ok && !killed || err != nil {
			t.Error(ok, err) // the other one's Close has kept it
		}
		mustClose(t, s)
	}
}

// writer puts answers without end, and says after a Sync how many are durable.
func writer(dir string) {
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	for n := s.Len(); n < 1<<20; n++ {
		if err := s.Put(answer(n)); err != nil {
			fmt.Println(err)
			return
		}
		if rnd.IntN(40) == 0 {
			if err := s.Sync(); err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("durable", n+1)
		}
	}
}

// TestKilled kills a writer at random moments, again and again over one memory: what Sync has acknowledged is there.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	have, notes := 0, 0
	for range 20 {
		cmd, _, out := process(t, "writer", dir)
		line, _ := out.ReadString('\n') // it has begun
		time.Sleep(time.Duration(rand.IntN(15_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(out)
		durable := 0
		lines := strings.Split(line+string(rest), "\n")
		for _, l := range lines[:len(lines)-1] {
			if _, err := fmt.Sscanf(l, "durable %d", &durable); err != nil {
				t.Fatalf("the writer says %q", l)
			}
		}
		s := mustOpen(t, dir, Options{Note: func(string) { notes++ }})
		if s.Len() < durable || s.Len() < have || durable == 0 {
			t.Fatalf("%d keys; %d were durable, and %d before", s.Len(), durable, have)
		}
		have = s.Len()
		for n := range have {
			if e, ok, err := s.Get(answer(n).key()); !ok || err != nil || !reflect.DeepEqual(e, answer(n)) {
				t.Fatal(n, e, ok, err)
			}
		}
		mustClose(t, s)
	}
	t.Logf("%d answers, %d torn tails", have, notes)
}
