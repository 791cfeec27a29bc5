package compress

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// noise is n bytes that compress to about three quarters, the same for the same seed.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32() & 0x3f)
	}
	return b
}

// prose is n bytes of made-up lines with far and near repetitions.
func prose(seed uint64, n int) []byte {
	words := []string{"etxe", "mendi", "itsaso", "eguzki", "hitz", "{\"text\":\"", "liburu", " eta ", "\"}\n", " ", ", ", "bidea"}
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+16)
	for len(b) < n {
		if at := r.IntN(40); at == 0 && len(b) > 1000 {
			from := r.IntN(len(b) - 100)
			b = append(b, b[from:from+100]...)
		} else {
			b = append(b, words[r.IntN(len(words))]...)
		}
	}
	return b[:n]
}

// corpusText is what benchmarks run on: CURATE_BENCH_TEXT names a file; prose without it.
func corpusText(b *testing.B) []byte {
	if name := os.Getenv("CURATE_BENCH_TEXT"); name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		return text
	}
	return prose(1, 16<<20)
}

func newEncoder(t testing.TB, kind Kind) *Encoder {
	t.Helper()
	e, err := NewEncoder(kind)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sources are of every length class: nothing, below zstd's block of 128 KiB and above, above the window.
func sources() map[string][]byte {
	return map[string][]byte{
		"empty":           nil,
		"one byte":        []byte("x"),
		"a line":          []byte("{\"text\":\"kaixo mundua\"}\n"),
		"1 KiB":           prose(2, 1<<10),
		"a block":         prose(3, 128<<10),
		"a block and 1":   prose(4, 128<<10+1),
		"noise":           noise(5, 300_000),
		"zeros":           make([]byte, 1<<20),
		"a window":        prose(6, zstdWindow),
		"more, and again": append(prose(7, zstdWindow), prose(7, 100_000)...),
	}
}

func TestEncoder(t *testing.T) {
	for _, kind := range []Kind{None, Zstd, Gzip} {
		e := newEncoder(t, kind)
		var all, text []byte
		for name, src := range sources() {
			keep := bytes.Clone(src)
			frame := e.AppendFrame([]byte("before"), src)
			if !bytes.HasPrefix(frame, []byte("before")) || !bytes.Equal(src, keep) {
				t.Fatalf("%v, %s: changed what it was given", kind, name)
			}
			frame = frame[len("before"):]
			if kind != None && len(frame) == 0 {
				t.Errorf("%v, %s: no frame", kind, name)
			}
			if got, err := decode(t, bytes.NewReader(frame), kind, zstdWindow); err != nil || !bytes.Equal(got, src) {
				t.Errorf("%v, %s: %d bytes of %d, %v", kind, name, len(got), len(src), err)
			}
			all, text = append(all, frame...), append(text, src...)
		}
		if got, err := decode(t, bytes.NewReader(all), kind, zstdWindow); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%v, joined: %d bytes of %d, %v", kind, len(got), len(text), err)
		}
	}
	for _, kind := range []Kind{Bzip2, Xz, Kind(9)} {
		if _, err := NewEncoder(kind); err == nil {
			t.Errorf("an encoder of %v", kind)
		}
	}
}

// The bytes of a frame depend on its text alone: not on what the encoder did before, nor where they go.
func TestEncoderSameBytes(t *testing.T) {
	for _, kind := range []Kind{None, Zstd, Gzip} {
		fresh := map[string][]byte{}
		for name, src := range sources() {
			fresh[name] = newEncoder(t, kind).AppendFrame(nil, src)
		}
		old := newEncoder(t, kind)
		for round := range 2 {
			for name, src := range sources() { // in the map's own, changing order
				old.AppendFrame(nil, noise(uint64(round), 50_000))
				dst := make([]byte, 3, 100)
				if got := old.AppendFrame(dst, src)[3:]; !bytes.Equal(got, fresh[name]) {
					t.Errorf("%v, %s: other bytes from an encoder in use", kind, name)
				}
			}
		}
		// The library's match tables hold positions that grow by the window with each frame, and start anew
		// when they get near 2 GiB, after some 500 frames.
		if underRace {
			continue
		}
		src := prose(8, 1000)
		long := prose(9, 200_000)
		want, wantLong := newEncoder(t, kind).AppendFrame(nil, src), newEncoder(t, kind).AppendFrame(nil, long)
		var dst []byte
		for i := range 1100 {
			if dst = old.AppendFrame(dst[:0], src); !bytes.Equal(dst, want) {
				t.Fatalf("%v: other bytes in frame %d", kind, i)
			}
			if i%10 == 0 {
				if dst = old.AppendFrame(dst[:0], long); !bytes.Equal(dst, wantLong) {
					t.Fatalf("%v: other bytes in long frame %d", kind, i)
				}
			}
		}
	}
}

// The same where the positions start anew in the middle of a frame.
func TestEncoderStartsAnewInAFrame(t *testing.T) {
	if underRace {
		t.Skip("no race to be found here, at ten times the time")
	}
	short, long := prose(12, 1000), prose(13, 9<<20)
	want := sha256.Sum256(newEncoder(t, Zstd).AppendFrame(nil, long))
	var dst []byte
	for frames := 505; frames <= 512; frames++ {
		e := newEncoder(t, Zstd)
		for range frames {
			dst = e.AppendFrame(dst[:0], short)
		}
		if dst = e.AppendFrame(dst[:0], long); sha256.Sum256(dst) != want {
			t.Errorf("other bytes after %d frames", frames)
		}
	}
}

// A change here is one of the outputs' bytes, by a library or a setting, and belongs into the CHANGELOG. It is the same
// on every machine: the library's assembly must make what its portable code makes.
func TestEncoderPinned(t *testing.T) {
	text := append(prose(14, 3<<20), noise(15, 2<<20)...)
	for kind, want := range map[Kind]string{
		Zstd: "fb135a0decd562ab",
		Gzip: "8036d7cf18db1656",
	} {
		if got := fmt.Sprintf("%x", sha256.Sum256(newEncoder(t, kind).AppendFrame(nil, text)))[:16]; got != want {
			t.Errorf("%v: a frame of 5 MiB has digest %s, pinned is %s", kind, got, want)
		}
	}
	for kind, want := range map[Kind]string{
		// One segment, so no window; content of 0 bytes; a last raw block of 0 bytes. No checksum: nothing to sum.
		Zstd: "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00",
		// No flags, no time, system 255; an empty last block of fixed codes; CRC 0, length 0.
		Gzip: "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + "\x03\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00",
		None: "",
	} {
		if got := newEncoder(t, kind).AppendFrame(nil, nil); string(got) != want {
			t.Errorf("%v: the empty frame is %x, want %x", kind, got, want)
		}
	}
}

// Many encoders side by side share nothing.
func TestEncoderSideBySide(t *testing.T) {
	src := prose(10, 300_000)
	want := map[Kind][]byte{Zstd: newEncoder(t, Zstd).AppendFrame(nil, src), Gzip: newEncoder(t, Gzip).AppendFrame(nil, src)}
	for i := range 6 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			kind := []Kind{Zstd, Gzip}[i%2]
			e := newEncoder(t, kind)
			for range 3 {
				if !bytes.Equal(e.AppendFrame(nil, src), want[kind]) {
					t.Errorf("%v: other bytes", kind)
				}
			}
		})
	}
}

// A zstd frame says how long its content is and has a checksum, and any decoder of 8 MiB windows reads it: what
// RFC 8878 section 3.1.1.1.2 asks decoders to support at least.
func TestEncoderHeader(t *testing.T) {
	e := newEncoder(t, Zstd)
	for name, src := range sources() {
		var h zstd.Header
		if err := h.Decode(e.AppendFrame(nil, src)); err != nil {
			t.Fatal(err)
		}
		// The library leaves the size out below 256 bytes, where it would need a byte more than its block has.
		if sized := len(src) == 0 || len(src) >= 256; h.HasFCS != sized || sized && h.FrameContentSize != uint64(len(src)) || h.DictionaryID != 0 {
			t.Errorf("%s: %+v", name, h)
		}
		if h.HasCheckSum != (len(src) > 0) { // the library gives an empty frame none: there is nothing to check
			t.Errorf("%s: checksum %v", name, h.HasCheckSum)
		}
		if h.WindowSize > 8<<20 {
			t.Errorf("%s: window of %d bytes", name, h.WindowSize)
		}
	}
	// Nothing of the machine or the time in a gzip member: flags, time 0, level hint 0, system unknown.
	if got := newEncoder(t, Gzip).AppendFrame(nil, []byte("x"))[:10]; string(got) != "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" {
		t.Errorf("header of gzip: % x", got)
	}
}

func TestEncoderAllocs(t *testing.T) {
	src := prose(11, 500_000)
	for _, kind := range []Kind{None, Zstd, Gzip} {
		e := newEncoder(t, kind)
		dst := e.AppendFrame(nil, src)
		if n := testing.AllocsPerRun(20, func() { dst = e.AppendFrame(dst[:0], src) }); n > 0 {
			t.Errorf("%v: %v allocations a frame", kind, n)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	text := corpusText(b)
	for _, kind := range []Kind{Zstd, Gzip} {
		b.Run(kind.String(), func(b *testing.B) {
			e := newEncoder(b, kind)
			var dst []byte
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			packed := 0
			for b.Loop() {
				packed = 0
				for rest := text; len(rest) > 0; {
					n := min(len(rest), 4<<20)
					dst, rest = e.AppendFrame(dst[:0], rest[:n]), rest[n:]
					packed += len(dst)
				}
			}
			b.ReportMetric(float64(len(text))/float64(packed), "ratio")
		})
	}
}
