package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"curate/translate/protect"
)

func answered(engine, source, target, failed string) Entry {
	e := Entry{Engine: engine, From: "en", To: "eu", Source: protect.Template{Text: []string{source}}, Failed: failed}
	if failed == "" {
		e.Target = protect.Template{Text: []string{target}}
	}
	return e
}

func keyOf(e Entry) Key { return KeyOf(e.Engine, e.From, e.To, e.Source) }

// fill puts entries into the memory of a folder.
func fillMemory(t *testing.T, dir string, list ...Entry) {
	t.Helper()
	m, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if err := m.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func exportOf(t *testing.T, m *Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.Export(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOthers: several memories are as one, whichever has which answers, whatever they are called, and whether one of them is the one
// that is written.
func TestOthers(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	var all []Entry
	for i := range 400 {
		all = append(all, answered("e", fmt.Sprintf("Segment number %d", i), fmt.Sprintf("%d. segmentua", i), ""))
	}
	// Of one question two answers, two failures, or one of each.
	doubles := [][2]Entry{
		{answered("e", "twice", "bi aldiz", ""), answered("e", "twice", "birritan", "")},
		{answered("e", "once", "behin", ""), answered("e", "once", "", "empty")},
		{answered("e", "never", "", "empty"), answered("e", "never", "", "repetition")},
		{answered("e", "same", "berdin", ""), answered("e", "same", "berdin", "")},
	}
	var want string
	for round := range 6 {
		dir := t.TempDir()
		n := 1 + rng.IntN(5)
		parts := make([][]Entry, n+1) // the last one is written
		for _, e := range all {
			to := rng.IntN(n + 1)
			parts[to] = append(parts[to], e)
		}
		for _, d := range doubles {
			to := rng.IntN(n + 1)
			other := (to + 1 + rng.IntN(n)) % (n + 1)
			parts[to], parts[other] = append(parts[to], d[0]), append(parts[other], d[1])
		}
		var folders []string
		for i, p := range parts {
			folders = append(folders, filepath.Join(dir, fmt.Sprintf("%d-%d", rng.IntN(100), i)))
			fillMemory(t, folders[i], p...)
		}
		m, err := Open(t.Context(), folders[n], Options{Read: folders})
		if err != nil {
			t.Fatal(err)
		}
		if m.Len() != len(all)+len(doubles) {
			t.Errorf("seed %d: %d keys, want %d", seed, m.Len(), len(all)+len(doubles))
		}
		for _, e := range all {
			if got, ok, err := m.Get(keyOf(e)); err != nil || !ok || !reflect.DeepEqual(got, e) {
				t.Fatalf("seed %d: %+v, %v, %v, want %+v", seed, got, ok, err, e)
			}
		}
		got := exportOf(t, m)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("seed %d, round %d: another export", seed, round)
		}
		// What others have is not put again; what they have given up is.
		before := m.end
		if err := m.Put(all[0]); err != nil {
			t.Fatal(err)
		}
		if err := m.Sync(); err != nil || m.end != before {
			t.Errorf("seed %d: put again what is known: %v", seed, err)
		}
		if err := m.Put(answered("e", "never", "inoiz ez", "")); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m, err = Open(t.Context(), "", Options{Read: folders})
		if err != nil {
			t.Fatal(err)
		}
		if e, ok, err := m.Get(keyOf(doubles[2][0])); err != nil || !ok || e.Failed != "" {
			t.Errorf("seed %d: %+v, %v, %v", seed, e, ok, err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOthersStay: a memory that is only read may be in use, and be torn, and is not touched; one that is damaged is named.
func TestOthersStay(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	fillMemory(t, a, answered("e", "one", "bat", ""))
	log := filepath.Join(a, LogName)
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := Open(t.Context(), a, Options{}) // has its lock
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	torn := append(slices.Clone(whole), "half a frame"...)
	if err := os.WriteFile(log, torn, 0o666); err != nil {
		t.Fatal(err)
	}
	var notes []string
	read := func() (*Store, error) {
		return Open(t.Context(), b, Options{Read: []string{a}, Note: func(s string) { notes = append(notes, s) }})
	}
	m, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := m.Get(keyOf(answered("e", "one", "", ""))); !ok || err != nil {
		t.Error(ok, err)
	}
	if err := m.Put(answered("e", "two", "bi", "")); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(log); !bytes.Equal(now, torn) {
		t.Error("it was written")
	}
	if len(notes) != 1 || !strings.Contains(notes[0], log) || !strings.Contains(notes[0], "the last 12 bytes") {
		t.Errorf("%q", notes)
	}
	// An empty file is one that has just been made.
	if err := os.WriteFile(log, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if m, err = read(); err != nil {
		t.Fatal(err)
	}
	if m.Len() != 1 {
		t.Errorf("%d keys", m.Len())
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(log); len(now) > 0 {
		t.Error("it got a header")
	}
	if err := os.WriteFile(log, []byte("no memory at all, and long enough"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := read(); err == nil || !strings.Contains(err.Error(), log+": byte 0: this is no translation memory") {
		t.Error(err)
	}
	if _, err := Open(context.Background(), b, Options{Read: []string{filepath.Join(dir, "none")}}); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a", "."} {
		fillMemory(t, filepath.Join(dir, name), answered("e", name, "x", ""))
	}
	if err := os.MkdirAll(filepath.Join(dir, "none", "deep"), 0o777); err != nil {
		t.Fatal(err)
	}
	fillMemory(t, filepath.Join(dir, "none", "deep"), answered("e", "deep", "x", ""))
	list, err := Folders(dir)
	if want := []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "b")}; err != nil || !slices.Equal(list, want) {
		t.Errorf("%q, %v, want %q", list, err, want)
	}
	if list, err := Folders(filepath.Join(dir, "nowhere")); err != nil || len(list) > 0 {
		t.Errorf("%q, %v", list, err)
	}
}
