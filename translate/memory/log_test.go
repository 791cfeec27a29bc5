package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"curate/translate/protect"
)

func text(s ...string) protect.Template {
	t := protect.Template{Text: s}
	for i := range len(s) - 1 {
		t.Holes = append(t.Holes, i)
	}
	return t
}

func answer(n int) Entry {
	return Entry{Engine: "e", From: "en", To: "eu", Source: text(fmt.Sprintf("Sentence %d with ", n), " in it."), Target: text(fmt.Sprintf("%d. esaldia, ", n), "")}
}

func (e Entry) key() Key { return KeyOf(e.Engine, e.From, e.To, e.Source) }

// still never flushes by itself, so that a test says what is in the file.
var still = tuning{flush: time.Hour, poll: time.Millisecond}

func mustOpen(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := open(t.Context(), dir, o, still)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustPut(t testing.TB, s *Store, e Entry) {
	t.Helper()
	if err := s.Put(e); err != nil {
		t.Fatal(err)
	}
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// aLog writes frames of one to three entries and returns the file and where each frame ends; the first end is the header's.
func aLog(t testing.TB, frames int) (file []byte, ends []int64, entries [][]Entry) {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	ends = append(ends, s.end)
	n := 0
	for i := range frames {
		var in []Entry
		for range i%3 + 1 {
			e := answer(n)
			n++
			mustPut(t, s, e)
			in = append(in, e)
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, s.end)
		entries = append(entries, in)
	}
	mustClose(t, s)
	file, err := os.ReadFile(filepath.Join(dir, "memory.log"))
	if err != nil {
		t.Fatal(err)
	}
	return file, ends, entries
}

// mem is a file in memory.
type mem struct{ b []byte }

func (m *mem) Size() (int64, error) { return int64(len(m.b)), nil }
func (m *mem) Sync() error          { return nil }
func (m *mem) Close() error         { return nil }
func (m *mem) Truncate(n int64) error {
	m.b = m.b[:n]
	return nil
}
func (m *mem) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, at) }
func (m *mem) WriteAt(p []byte, at int64) (int, error) {
	if need := int(at) + len(p); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[at:], p), nil
}

// openBytes opens a log that is in memory.
func openBytes(b []byte) (s *Store, m *mem, note string, err error) {
	m = &mem{bytes.Clone(b)}
	t := still
	t.wrap = func(f file) file {
		f.Close()
		return m
	}
	s, err = open(context.Background(), "", Options{Note: func(n string) { note += n }}, t)
	return s, m, note, err
}

// wants checks that a store holds the entries of just so many frames.
func wants(t *testing.T, s *Store, entries [][]Entry) {
	t.Helper()
	n := 0
	for _, in := range entries {
		for _, e := range in {
			n++
			got, ok, err := s.Get(e.key())
			if err != nil || !ok || got.Target.Fill([]string{"x"}) != e.Target.Fill([]string{"x"}) {
				t.Fatalf("%v %v %v", got, ok, err)
			}
		}
	}
	if s.Len() != n {
		t.Fatalf("%d keys instead of %d", s.Len(), n)
	}
}

// TestTorn cuts a log at every byte of its last frames, alone and with zeros behind: what is whole is there, the rest is cut
// and told, and the file goes on.
func TestTorn(t *testing.T) {
	file, ends, entries := aLog(t, 9)
	for _, zeros := range []int{0, 1, 16, 5000, 200000} {
		step := 1
		if zeros > 5000 {
			step = 17
		}
		for cut := int(ends[6]); cut <= len(file); cut += step {
			whole := 0
			for ends[whole+1] <= int64(cut) {
				if whole++; whole+1 == len(ends) {
					break
				}
			}
			s, m, note, err := openBytes(append(bytes.Clone(file[:cut]), make([]byte, zeros)...))
			if err != nil {
				t.Fatalf("cut at %d, %d zeros: %v", cut, zeros, err)
			}
			// Zeros may be what the lost bytes were.
			for whole+1 < len(ends) && int64(len(m.b)) >= ends[whole+1] && bytes.Equal(m.b[:ends[whole+1]], file[:ends[whole+1]]) {
				whole++
			}
			lost := cut + zeros - int(ends[whole])
			if told := strings.Contains(note, fmt.Sprintf("the last %d bytes", lost)); told != (lost > 0) {
				t.Fatalf("cut at %d, %d zeros: note %q", cut, zeros, note)
			}
			if !bytes.Equal(m.b, file[:ends[whole]]) {
				t.Fatalf("cut at %d: %d bytes are left, want %d", cut, len(m.b), ends[whole])
			}
			wants(t, s, entries[:whole])
			mustPut(t, s, answer(1000))
			if _, ok, err := s.Get(answer(1000).key()); !ok || err != nil {
				t.Fatal(ok, err)
			}
			mustClose(t, s)
		}
	}
}

// TestFlipped changes each byte of a log: what is in the middle is an error that names the byte where the frame begins, the
// last frame is a torn one. Nothing else happens, and the file is as it was after an error.
func TestFlipped(t *testing.T) {
	file, ends, entries := aLog(t, 6)
	for at := range file {
		for _, bit := range []byte{1, 0x80} {
			b := bytes.Clone(file)
			b[at] ^= bit
			frame := 0
			for frame+1 < len(ends) && ends[frame+1] <= int64(at) {
				frame++
			}
			s, m, note, err := openBytes(b)
			switch {
			case at < headerSize:
				if err == nil || !strings.Contains(err.Error(), "byte 0") && !strings.Contains(err.Error(), "newer") {
					t.Fatalf("byte %d: %v", at, err)
				}
			case frame == len(ends)-2:
				if err != nil || note == "" {
					t.Fatalf("byte %d: %v, note %q", at, err, note)
				}
				wants(t, s, entries[:len(entries)-1])
				mustClose(t, s)
				continue
			default:
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("byte %d: the translation memory is damaged", ends[frame])) {
					t.Fatalf("byte %d, of the frame at %d: %v", at, ends[frame], err)
				}
			}
			if !bytes.Equal(m.b, b) || note != "" {
				t.Fatalf("byte %d: the file has changed; note %q", at, note)
			}
		}
	}
}

func TestMuchLost(t *testing.T) {
	file, ends, _ := aLog(t, 5)
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, maxUnsynced+1)
	for i := range noise {
		noise[i] = byte(rnd.Uint64()) | 1
	}
	if _, _, _, err := openBytes(append(bytes.Clone(file), noise...)); err == nil || !strings.Contains(err.Error(), "more than a crash leaves") {
		t.Error(err)
	}
	s, _, note, err := openBytes(append(bytes.Clone(file), noise[:100000]...))
	if err != nil || !strings.Contains(note, "100000 bytes") {
		t.Fatal(err, note)
	}
	mustClose(t, s)
	// A frame is found behind any amount of zeros.
	gap := append(bytes.Clone(file[:ends[2]]), make([]byte, 300001)...)
	c, err := newCoder()
	if err != nil {
		t.Fatal(err)
	}
	e := answer(5)
	gap = c.appendFrame(gap, int64(len(gap)), appendEntry(nil, &e))
	if _, _, _, err := openBytes(gap); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("byte %d: ", ends[2])) {
		t.Error(err)
	}
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want string // part of the error, "" for none
	}{
		"empty":     {"", ""},
		"torn":      {"curat", ""},
		"torn late": {"curatetm\x01\x00\x00\x00", ""},
		"zeros":     {strings.Repeat("\x00", 16), ""},
		"more":      {strings.Repeat("\x00", 17), "no translation memory"},
		"other":     {"{\"source\":\"a\"}\n", "no translation memory"},
		"newer":     {"curatetm\x03\x00\x00\x00\x00\x00\x00\x00 what comes then", "format 3 is newer"},
		"header":    {string(header()), ""},
	} {
		s, m, _, err := openBytes([]byte(c.file))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || string(m.b) != c.file {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(m.b, header()) {
			t.Errorf("%s: %v, %q", name, err, m.b)
			continue
		}
		mustPut(t, s, answer(1))
		mustClose(t, s)
	}
}

// TestVersion1: a log of version 1 is read, has its header until something is written, and then that of this version. Its failures
// have no answers.
func TestVersion1(t *testing.T) {
	good, failed := answer(1), Entry{Engine: "e", From: "en", To: "eu", Source: text("lost"), Attempts: 5, Failed: "echo: it is the source"}
	block := appendEntry(nil, &good)
	entry, _, err := entryAt(appendEntry(nil, &failed))
	if err != nil {
		t.Fatal(err)
	}
	entry = entry[:len(entry)-1] // the length of its answer
	block = append(binary.AppendUvarint(block, uint64(len(entry))), entry...)
	c, err := newCoder()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, LogName)
	old := c.appendFrame(headerOf(1), headerSize, block)
	if err := os.WriteFile(name, old, 0o666); err != nil {
		t.Fatal(err)
	}
	have := func(s *Store, entries ...Entry) {
		t.Helper()
		for _, e := range entries {
			got, ok, err := s.Get(KeyOf(e.Engine, e.From, e.To, e.Source))
			if err != nil || !ok || !reflect.DeepEqual(got, e) {
				t.Errorf("%+v, %v, %v; want %+v", got, ok, err, e)
			}
		}
	}
	is := func(what string, want []byte) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(b, want) {
			t.Errorf("%s: %v, %q", what, err, b)
		}
	}
	failed.Target = text("") // as it is read
	s := mustOpen(t, dir, Options{})
	have(s, good, failed)
	mustPut(t, s, good) // is there
	mustClose(t, s)
	is("nothing was written", old)

	reader := mustOpen(t, t.TempDir(), Options{Read: []string{dir}})
	have(reader, good, failed)
	mustPut(t, reader, answer(3))
	mustClose(t, reader)
	is("another has read it", old)

	more := failed
	more.Answer = "the answer"
	s = mustOpen(t, dir, Options{})
	mustPut(t, s, more)
	mustClose(t, s)
	is("something was written", append(header(), old[headerSize:]...))
	s = mustOpen(t, dir, Options{})
	have(s, good, more)
	mustClose(t, s)
}

// TestLarge has blocks of all sizes, up to the greatest.
func TestLarge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	s := mustOpen(t, "", Options{})
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + rnd.UintN(26))
		}
		return string(b)
	}
	var all []Entry
	for _, n := range []int{10, 3000, 4096, 5000, 70000, 1 << 20, 4} {
		for _, target := range []string{random(n), strings.Repeat("a", n)} {
			e := Entry{Engine: "e", From: "en", To: "eu", Source: text(random(12)), Target: text(target)}
			mustPut(t, s, e)
			all = append(all, e)
		}
	}
	e := Entry{Engine: "e", From: "en", To: "eu", Source: text("zeros"), Target: text(strings.Repeat("\x00", maxEntry-100))}
	mustPut(t, s, e)
	all = append(all, e)
	for _, e := range all {
		if got, ok, err := s.Get(e.key()); err != nil || !ok || got.Target.Text[0] != e.Target.Text[0] {
			t.Fatal(len(e.Target.Text[0]), ok, err)
		}
	}
	e.Target.Text[0] = strings.Repeat("a", maxEntry+1)
	e.Source = text("more")
	if err := s.Put(e); err == nil || !strings.Contains(err.Error(), "cut the text") {
		t.Error(err)
	}
}

// failing is a file whose room ends, and whose disk may break.
type failing struct {
	file
	room   int64 // bytes that the file may have, when full
	full   bool
	broken bool
}

var errNoRoom, errBroken = errors.New("no room"), errors.New("broken disk")

func (f *failing) WriteAt(p []byte, at int64) (int, error) {
	if f.full && at+int64(len(p)) > f.room {
		n, _ := f.file.WriteAt(p[:max(0, f.room-at)], at)
		return n, errNoRoom
	}
	return f.file.WriteAt(p, at)
}

func (f *failing) Truncate(n int64) error {
	if f.full {
		return errNoRoom // the worst case: half a frame stays
	}
	return f.file.Truncate(n)
}

func (f *failing) Sync() error {
	if f.broken {
		return errBroken
	}
	return f.file.Sync()
}

func TestNoRoom(t *testing.T) {
	for _, broken := range []bool{false, true} {
		dir := t.TempDir()
		f := &failing{}
		tune := still
		tune.wrap = func(inner file) file { f.file = inner; return f }
		s, err := open(t.Context(), dir, Options{}, tune)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 50 {
			mustPut(t, s, answer(n))
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		want := errNoRoom
		f.room, f.full = s.end+700, !broken
		if f.broken = broken; broken {
			want = errBroken
		}
		n := 50
		for ; n < 5000; n++ {
			if err = s.Put(answer(n)); err != nil {
				break
			}
		}
		if !broken && (n == 5000 || !errors.Is(err, want)) {
			t.Fatal(n, err)
		}
		for _, err := range []error{s.Sync(), s.Put(answer(n + 1)), s.Sync()} {
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "memory.log") {
				t.Fatal(err)
			}
		}
		if err := s.Close(); !errors.Is(err, want) {
			t.Fatal(err)
		}
		s = mustOpen(t, dir, Options{})
		if s.Len() < 50 {
			t.Fatal("what was durable is gone")
		}
		for n := range s.Len() { // and what is there is what came first
			if _, ok, err := s.Get(answer(n).key()); !ok || err != nil {
				t.Fatal(n, ok, err)
			}
		}
		mustPut(t, s, answer(n))
		mustClose(t, s)
	}
}

// FuzzLog opens any bytes: an error that leaves them alone, or a store whose file, opened again, is whole.
func FuzzLog(f *testing.F) {
	file, ends, _ := aLog(f, 4)
	f.Add(file, 0, byte(0))
	f.Add(file[:ends[2]+7], 0, byte(0))
	f.Add(append(bytes.Clone(file), make([]byte, 50)...), 40, byte(3))
	f.Add(header(), 9, byte(0))
	c, err := newCoder()
	if err != nil {
		f.Fatal(err)
	}
	e := Entry{Engine: "", From: "en", To: "eu", Source: text("a"), Target: text("b"), Rung: "first", Attempts: 3, Checks: map[string]float64{"z": 2}, Score: new(float64)}
	f.Add(c.appendFrame(header(), headerSize, appendEntry(nil, &e)), 100, byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at int, with byte) {
		framed := bytes.Clone(b)
		if len(b) > 0 && at >= 0 {
			framed[at%len(b)] ^= with
		}
		// As a file, and as the block of a frame whose checksums fit.
		for _, in := range [][]byte{framed, c.appendFrame(header(), headerSize, framed)} {
			if len(framed) == 0 && len(in) > 0 {
				continue // no frame has an empty block
			}
			s, m, note, err := openBytes(in)
			if err != nil {
				if note != "" || !bytes.Equal(in, m.b) {
					t.Fatalf("%v, and the file has changed", err)
				}
				continue
			}
			var first, again bytes.Buffer
			if err := s.Export(&first); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			s, _, note, err = openBytes(m.b)
			if err != nil || note != "" {
				t.Fatal(err, note)
			}
			if err := s.Export(&again); err != nil || !bytes.Equal(first.Bytes(), again.Bytes()) {
				t.Fatal(err)
			}
			mustClose(t, s)
		}
	})
}

func TestCancelledOpen(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 100 {
		mustPut(t, s, answer(n))
	}
	mustClose(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mustClose(t, mustOpen(t, dir, Options{})) // the lock is free
}

var _ io.ReaderAt = (*mem)(nil)
