package compress

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

// held is what the heap holds more after f than before, as long as f's result lives, in bytes.
func held(f func() any) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // what sync.Pool keeps goes with the second
	runtime.ReadMemStats(&before)
	keep := f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(keep)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// The memory that the comment of NewReader promises, and an engine counts on. The decoders are looked at half-way.
func TestReaderMemory(t *testing.T) {
	text := prose(20, 8<<20)
	for _, c := range []struct {
		name   string
		kind   Kind
		b      []byte
		half   int64
		window int64
		limit  int64 // beyond the window
	}{
		{"a frame of 8 MiB", Zstd, newEncoder(t, Zstd).AppendFrame(nil, text), 5 << 20, zstdWindow, 600 << 10},
		{"a member of 8 MiB", Gzip, newEncoder(t, Gzip).AppendFrame(nil, text), 5 << 20, 0, 130 << 10},
		{"twice.bz2", Bzip2, testdata(t, "twice.bz2"), 3000, 0, 4 << 20}, // its first stream is -9
		{"plain.xz", Xz, testdata(t, "plain.xz"), 3000, 64 << 10, 200 << 10},
	} {
		got := held(func() any {
			d, err := NewReader(bytes.NewReader(c.b), c.kind, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, d, c.half); err != nil {
				t.Fatal(err)
			}
			return d
		})
		t.Logf("%v, %s: %d KiB, %d of them window", c.kind, c.name, got>>10, c.window>>10)
		if got > c.window+c.limit {
			t.Errorf("%v, %s: the decoder holds %d bytes beyond a window of %d", c.kind, c.name, got-c.window, c.window)
		}
	}
}

// The memory that the comment of NewEncoder promises.
func TestEncoderMemory(t *testing.T) {
	text := prose(21, 5<<20)
	dst := make([]byte, 0, 6<<20)
	for kind, limit := range map[Kind]int64{Zstd: 6 << 20, Gzip: 1200 << 10} {
		got := held(func() any {
			e := newEncoder(t, kind)
			e.AppendFrame(dst, text)
			return e
		})
		t.Logf("%v: %d KiB", kind, got>>10)
		if got > limit {
			t.Errorf("%v: an encoder holds %d bytes", kind, got)
		}
	}
}
