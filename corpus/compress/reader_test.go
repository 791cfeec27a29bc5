package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// files are those of testdata, which its make.sh makes with the systems' own tools.
var files = []struct {
	name string
	kind Kind
	// borders are the offsets, besides the whole, at which the file may end and be whole: those between two
	// frames. How much of the text is then there is a matter of the frames before.
	borders []int
	// unchecked files have no checksum of their text.
	unchecked bool
}{
	{name: "plain.zst", kind: Zstd},
	{name: "nocheck.zst", kind: Zstd, unchecked: true},
	{name: "ultra.zst", kind: Zstd},
	{name: "twice.zst", kind: Zstd, borders: []int{520}, unchecked: true},
	{name: "skippable.zst", kind: Zstd, borders: []int{13, 533}},
	{name: "plain.gz", kind: Gzip},
	{name: "named.gz", kind: Gzip},
	{name: "twice.gz", kind: Gzip, borders: []int{756}},
	{name: "zeros.gz", kind: Gzip, borders: seq(756, 1756, 1)},
	{name: "plain.bz2", kind: Bzip2},
	{name: "twice.bz2", kind: Bzip2, borders: []int{589}},
	{name: "plain.xz", kind: Xz},
	{name: "none.xz", kind: Xz, unchecked: true},
	{name: "crc32.xz", kind: Xz},
	{name: "sha256.xz", kind: Xz},
	{name: "blocks.xz", kind: Xz},
	{name: "twice-padded.xz", kind: Xz, borders: []int{596, 600, 604, 1196}},
}

// seq is from, from+step, …, below to.
func seq(from, to, step int) (s []int) {
	for ; from < to; from += step {
		s = append(s, from)
	}
	return s
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wanted is what a file of testdata decodes to.
func wanted(t testing.TB, name string) []byte {
	text := testdata(t, "text")
	if strings.HasPrefix(name, "twice") {
		return append(text, text...)
	}
	return text
}

// stride is how far apart the bytes are that a test tries: all of them, or few.
var stride = map[bool]int{false: 1, true: 11}[underRace]

// testWindow bounds the decoders of these tests, in bytes: the 8 MiB that xz -6 asks for.
const testWindow = 8 << 20

// decode reads all of r, and checks that the error repeats.
func decode(t testing.TB, r io.Reader, kind Kind, maxWindow int64) ([]byte, error) {
	t.Helper()
	d, err := NewReader(r, kind, Options{MaxWindow: maxWindow})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := io.ReadAll(d)
	want := err
	if want == nil {
		want = io.EOF
	}
	for range 2 {
		if n, again := d.Read(make([]byte, 10)); n != 0 || again != want {
			t.Errorf("after %v: %d bytes, %v", want, n, again)
		}
	}
	return b, err
}

func TestReader(t *testing.T) {
	for _, f := range files {
		b, want := testdata(t, f.name), wanted(t, f.name)
		if kind := Sniff(b); kind != f.kind {
			t.Errorf("%s: sniffed as %v", f.name, kind)
		}
		if kind, _ := ByName(f.name); kind != f.kind {
			t.Errorf("%s: by name %v", f.name, kind)
		}
		for how, r := range map[string]io.Reader{
			"at once":        bytes.NewReader(b),
			"byte by byte":   iotest.OneByteReader(bytes.NewReader(b)),
			"in halves":      iotest.HalfReader(bytes.NewReader(b)),
			"error with end": iotest.DataErrReader(bytes.NewReader(b)),
			"with nothing":   &stutterer{r: bytes.NewReader(b)},
		} {
			if got, err := decode(t, r, f.kind, testWindow); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s %s: %d bytes of %d, %v", f.name, how, len(got), len(want), err)
			}
		}
	}
	// None is not a format but must behave as one; it alone may be empty.
	for _, text := range []string{"", "kaixo"} {
		if got, err := decode(t, strings.NewReader(text), None, 0); err != nil || string(got) != text {
			t.Errorf("none: %q, %v", got, err)
		}
	}
}

// stutterer returns nothing every other time, as io.Reader allows.
type stutterer struct {
	r   io.Reader
	odd bool
}

func (s *stutterer) Read(p []byte) (int, error) {
	if s.odd = !s.odd; s.odd {
		return 0, nil
	}
	return s.r.Read(p)
}

// A caller may read as little at a time as it likes, and nothing at all.
func TestReaderSmallReads(t *testing.T) {
	for _, f := range files {
		d, err := NewReader(bytes.NewReader(testdata(t, f.name)), f.kind, Options{MaxWindow: testWindow})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := d.Read(nil); n != 0 || err != nil {
			t.Errorf("%s: Read(nil) = %d, %v", f.name, n, err)
		}
		if err := iotest.TestReader(io.MultiReader(d), wanted(t, f.name)); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: Read after Close: %v", f.name, err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("%s: second Close: %v", f.name, err)
		}
	}
}

// A file cut off at any byte says so, and what it gives before is the beginning of the text.
func TestReaderTruncated(t *testing.T) {
	for _, f := range files {
		b, text := testdata(t, f.name), wanted(t, f.name)
		for cut := 0; cut < len(b); cut += stride {
			got, err := decode(t, bytes.NewReader(b[:cut]), f.kind, testWindow)
			if !bytes.HasPrefix(text, got) {
				t.Errorf("%s cut to %d bytes: other bytes than the text's", f.name, cut)
			}
			if slices.Contains(f.borders, cut) {
				if err != nil || len(got)%len(testdata(t, "text")) != 0 {
					t.Errorf("%s cut to %d bytes, between frames: %d bytes, %v", f.name, cut, len(got), err)
				}
				continue
			}
			var damage *DamageError
			if !errors.As(err, &damage) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut to %d bytes: %d bytes, %v", f.name, cut, len(got), err)
			} else if damage.Kind != f.kind || damage.Offset != int64(cut) {
				t.Errorf("%s cut to %d bytes: %+v", f.name, cut, damage)
			}
		}
	}
}

// A changed byte is an error, or was of no matter (a time, a window larger than need be); where there is no
// checksum, no panic and the right length: xz has it in its index, zstd in its header.
func TestReaderFlipped(t *testing.T) {
	for _, f := range files {
		b, text := testdata(t, f.name), wanted(t, f.name)
		for at := 0; at < len(b); at += stride {
			mask := []byte{0x01, 0x80, 0xff}[at%3]
			b[at] ^= mask
			got, err := decode(t, bytes.NewReader(b), f.kind, testWindow)
			b[at] ^= mask
			var damage *DamageError
			var window *WindowError
			switch {
			case err == nil && (bytes.Equal(got, text) || f.unchecked && len(got) == len(text)):
			case err == nil:
				t.Errorf("%s with byte %d ^ %#x: no error, %d bytes", f.name, at, mask, len(got))
			case errors.As(err, &damage):
				if damage.Kind != f.kind || damage.Offset < 0 || damage.Offset > int64(len(b)) {
					t.Errorf("%s with byte %d ^ %#x: %+v", f.name, at, mask, damage)
				}
			case errors.As(err, &window), errors.Is(err, errors.ErrUnsupported):
			default:
				t.Errorf("%s with byte %d ^ %#x: %v", f.name, at, mask, err)
			}
		}
	}
}

// What follows the last frame and is none.
func TestReaderTrailing(t *testing.T) {
	for _, c := range []struct {
		name, tail string
		damaged    bool
	}{
		{"plain.zst", "\x00", true},
		{"plain.zst", "\x00\x00\x00\x00", true},
		{"plain.zst", "{\"text\":\"\"}\n", true},
		{"plain.zst", "\x51\x2a\x4d\x18\x02\x00\x00\x00ab", false},
		{"plain.zst", "\x51\x2a\x4d\x18\x03\x00\x00\x00ab", true},
		{"plain.gz", "\x00", false},
		{"plain.gz", "\x00\x00\x00", false},
		{"plain.gz", strings.Repeat("\x00", 200_000), false},
		{"plain.gz", strings.Repeat("\x00", 200_000) + "x", true},
		{"plain.gz", "\x00\x00\x1f\x8b\x08", true},
		{"plain.gz", "x", true},
		{"plain.gz", "a line of text\n", true},
		{"plain.gz", "\x1f", true},
		{"plain.bz2", "x", true},
		{"plain.bz2", "a line of text\n", true},
		{"plain.xz", "\x00\x00\x00\x00", false},
		{"plain.xz", strings.Repeat("\x00", 200_000), false},
		{"plain.xz", "\x00", true},
		{"plain.xz", "\x00\x00\x00", true},
		{"plain.xz", "\x00\x00\x00\x00\x00", true},
		{"plain.xz", "x", true},
		{"plain.xz", "a line of text\n", true},
		{"plain.xz", "\x00\x00\x00\x00a line of text\n", true},
	} {
		kind, _ := ByName(c.name)
		b := testdata(t, c.name)
		got, err := decode(t, io.MultiReader(bytes.NewReader(b), strings.NewReader(c.tail)), kind, testWindow)
		if !bytes.Equal(got, testdata(t, "text")) {
			t.Errorf("%s and %.20q: %d bytes of text", c.name, c.tail, len(got))
		}
		var damage *DamageError
		if damaged := errors.As(err, &damage); damaged != c.damaged || !damaged && err != nil {
			t.Errorf("%s and %.20q: %v", c.name, c.tail, err)
		} else if damaged && (damage.Offset < int64(len(b)) || damage.Offset > int64(len(b)+len(c.tail))) {
			t.Errorf("%s and %.20q: damage at %d", c.name, c.tail, damage.Offset)
		}
	}
}

func TestReaderNotThatKind(t *testing.T) {
	for _, kind := range []Kind{Zstd, Gzip, Bzip2, Xz} {
		for _, text := range []string{"", "{", "{\"text\":\"kaixo mundua\"}\n", "\x00\x00\x00\x00", strings.Repeat("\x00", 1000)} {
			_, err := decode(t, strings.NewReader(text), kind, 0)
			var damage *DamageError
			if !errors.As(err, &damage) || text == "" && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q as %v: %v", text, kind, err)
			}
		}
	}
	if _, err := NewReader(strings.NewReader(""), Kind(9), Options{}); err == nil {
		t.Error("a reader of an unknown kind")
	}
}

// An error of the source is not damage, wherever it comes.
func TestReaderFailingSource(t *testing.T) {
	broken := errors.New("the disk is broken")
	for _, f := range files {
		b, text := testdata(t, f.name), wanted(t, f.name)
		for _, after := range append(seq(0, len(b), 7), len(b)) {
			for how, r := range map[string]io.Reader{
				"alone":     io.MultiReader(bytes.NewReader(b[:after]), iotest.ErrReader(broken)),
				"with data": iotest.DataErrReader(io.MultiReader(bytes.NewReader(b[:after]), iotest.ErrReader(broken))),
			} {
				if got, err := decode(t, r, f.kind, testWindow); err != broken || !bytes.HasPrefix(text, got) {
					t.Fatalf("%s, error %s after %d bytes: %d bytes, %v", f.name, how, after, len(got), err)
				}
			}
		}
		// A source that says itself that it was cut off: a download, not this file.
		r := io.MultiReader(bytes.NewReader(b[:len(b)/3]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := decode(t, r, f.kind, testWindow); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: %v", f.name, err)
		}
	}
	if _, err := decode(t, iotest.ErrReader(broken), None, 0); err != broken {
		t.Errorf("none: %v", err)
	}
	if _, err := decode(t, nothing{}, Gzip, 0); err != io.ErrNoProgress {
		t.Errorf("a source that gives nothing: %v", err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// xzOf is the beginning of an xz stream whose only block asks for the dictionary of code (section 5.3.1),
// followed by data.
func xzOf(filters byte, id, code byte, data string) []byte {
	b := []byte(xzMagic + "\x00\x00")
	b = appendCRC32(b, 6)
	header := len(b)
	b = append(b, 2, filters-1, id, 1, code, 0, 0, 0)
	b = appendCRC32(b, header)
	return append(b, data...)
}

func TestReaderWindow(t *testing.T) {
	huge := func(descriptor byte, rest ...byte) []byte {
		return append([]byte{0x28, 0xb5, 0x2f, 0xfd, descriptor}, rest...)
	}
	block := []byte{0x01, 0, 0} // the last one, raw, of no bytes
	for _, c := range []struct {
		name string
		b    []byte
		kind Kind
		max  int64
		need int64
	}{
		{"window-128MiB.zst", testdata(t, "window-128MiB.zst"), Zstd, 128<<20 - 1, 128 << 20},
		{"dict-192MiB.xz", testdata(t, "dict-192MiB.xz"), Xz, 0, 192 << 20},
		{"dict-192MiB.xz", testdata(t, "dict-192MiB.xz"), Xz, 1 << 20, 192 << 20},
		{"after a small one", append(testdata(t, "plain.xz"), testdata(t, "dict-192MiB.xz")...), Xz, 8 << 20, 192 << 20},
		{"after a small one", append(testdata(t, "plain.zst"), testdata(t, "window-128MiB.zst")...), Zstd, 8 << 20, 128 << 20},
		{"after a skipped one", append([]byte("\x50\x2a\x4d\x18\x02\x00\x00\x00ab"), testdata(t, "window-128MiB.zst")...), Zstd, 8 << 20, 128 << 20},
		// 2^(10+31) and 7/8 of that: the largest that the descriptor can say.
		{"largest window", append(huge(0x00, 0xff), block...), Zstd, 0, 15 << 38},
		// One segment: the content is the window. Four and eight bytes of size.
		{"one segment of 1 GiB", append(huge(0xa0, 0, 0, 0, 0x40), block...), Zstd, 0, 1 << 30},
		{"one segment of 1 TiB", append(huge(0xe0, 0, 0, 0, 0, 0, 1, 0, 0), block...), Zstd, 0, 1 << 40},
		{"one segment of 2^64-1", append(huge(0xe0, 255, 255, 255, 255, 255, 255, 255, 255), block...), Zstd, 0, 1 << 62},
		{"dictionary of 4 GiB - 1", xzOf(1, xzLZMA2, 40, "\x00"), Xz, 0, 1<<32 - 1},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decode(t, bytes.NewReader(c.b), c.kind, c.max)
		runtime.ReadMemStats(&after)
		limit := c.max
		if limit == 0 {
			limit = DefaultMaxWindow
		}
		var window *WindowError
		if !errors.As(err, &window) || *window != (WindowError{Kind: c.kind, Need: c.need, Max: limit}) {
			t.Errorf("%s within %d: %v", c.name, c.max, err)
		} else if !strings.Contains(err.Error(), "--memory") || errors.As(err, new(*DamageError)) {
			t.Errorf("%s within %d: no remedy in %q", c.name, c.max, err)
		}
		// Refused before it is allocated; the small frames before take 8 MiB.
		if got := after.TotalAlloc - before.TotalAlloc; got > 24<<20 {
			t.Errorf("%s within %d: took %d bytes of memory", c.name, c.max, got)
		}
	}
	if e := (&WindowError{Kind: Zstd, Max: 5}).Error(); !strings.Contains(e, "--memory") {
		t.Error(e)
	}
	for name, size := range map[string]int64{"window-128MiB.zst": 128 << 20, "dict-192MiB.xz": 192 << 20} {
		kind, _ := ByName(name)
		if got, err := decode(t, bytes.NewReader(testdata(t, name)), kind, size); err != nil || !bytes.Equal(got, testdata(t, "text")) {
			t.Errorf("%s within just what it needs: %d bytes, %v", name, len(got), err)
		}
	}
}

// What the formats allow and no decoder here knows is no damage: the file is sound.
func TestReaderUnsupported(t *testing.T) {
	check := append([]byte(xzMagic), 0, 0x02) // reserved check ID
	for name, b := range map[string][]byte{
		"zstd dictionary": {0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0x00, 0x01, 0, 0},
		"xz x86 filter":   xzOf(2, 0x04, 0, ""),
		"xz delta filter": xzOf(1, 0x03, 0, ""),
		"xz check":        appendCRC32(check, 6),
	} {
		_, err := decode(t, bytes.NewReader(b), Sniff(b), 0)
		if !errors.Is(err, errors.ErrUnsupported) || errors.As(err, new(*DamageError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamageErrorText(t *testing.T) {
	cause := errors.New("wrong checksum")
	for want, e := range map[string]*DamageError{
		"gzip data ends too early, at byte 7":           {Gzip, 7, io.ErrUnexpectedEOF},
		"zstd data damaged near byte 9: wrong checksum": {Zstd, 9, cause},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e, want)
		}
	}
}

// The offset of damage deep in a large file is near it: within what a decoder takes at a time.
func TestReaderDamageOffset(t *testing.T) {
	e, err := NewEncoder(Zstd)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	var starts []int
	for i := range 50 {
		starts = append(starts, len(b))
		b = e.AppendFrame(b, noise(uint64(i), 20_000))
	}
	const frame = 37
	b[starts[frame]+10_000] ^= 1
	got, err := decode(t, bytes.NewReader(b), Zstd, 0)
	var damage *DamageError
	if !errors.As(err, &damage) || damage.Offset < int64(starts[frame]) || damage.Offset > int64(starts[frame+1]) {
		t.Errorf("damage in frame %d (bytes %d to %d): %v", frame, starts[frame], starts[frame+1], err)
	}
	if len(got) < frame*20_000 {
		t.Errorf("only %d bytes came before the damage", len(got))
	}
}

func BenchmarkReader(b *testing.B) {
	text := corpusText(b)
	for _, kind := range []Kind{Zstd, Gzip} {
		e, err := NewEncoder(kind)
		if err != nil {
			b.Fatal(err)
		}
		var packed []byte
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 4<<20)
			packed, rest = e.AppendFrame(packed, rest[:n]), rest[n:]
		}
		benchmarkDecode(b, kind.String(), kind, packed, len(text))
	}
	// CURATE_BENCH_FILES names compressed files to decode as well, for measurements by hand.
	for _, name := range strings.Fields(os.Getenv("CURATE_BENCH_FILES")) {
		packed, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		n, err := decode(b, bytes.NewReader(packed), Sniff(packed), 0)
		if err != nil {
			b.Fatal(err)
		}
		benchmarkDecode(b, name[strings.LastIndexByte(name, '/')+1:], Sniff(packed), packed, len(n))
	}
}

func benchmarkDecode(b *testing.B, name string, kind Kind, packed []byte, size int) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		p := make([]byte, 256<<10)
		for b.Loop() {
			d, err := NewReader(bytes.NewReader(packed), kind, Options{})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for err == nil {
				var k int
				k, err = d.Read(p)
				n += k
			}
			if err != io.EOF || n != size {
				b.Fatal(fmt.Errorf("%d bytes of %d: %w", n, size, err))
			}
			d.Close()
		}
	})
}

// appendCRC32 appends the CRC32 of b[from:] as xz stores it.
func appendCRC32(b []byte, from int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}
