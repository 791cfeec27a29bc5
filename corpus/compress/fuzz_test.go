package compress

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
)

// FuzzReader: whatever the bytes are, a reader of any kind ends with one of its errors and within its memory, and what
// AppendFrame makes of them comes back.
func FuzzReader(f *testing.F) {
	for _, c := range files {
		f.Add(uint8(c.kind), testdata(f, c.name))
	}
	for _, name := range []string{"filter-x86.xz", "dict-192MiB.xz", "window-128MiB.zst"} {
		kind, _ := ByName(name)
		f.Add(uint8(kind), testdata(f, name))
	}
	f.Add(uint8(Zstd), []byte("\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00"))                             // largest window
	f.Add(uint8(Zstd), []byte("\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00")) // largest content
	var encoders [Gzip + 1]*Encoder
	for kind := range encoders {
		encoders[kind] = newEncoder(f, Kind(kind))
	}
	f.Fuzz(func(t *testing.T, k uint8, b []byte) {
		kind := Kind(k % 5)
		const window, limit = 1 << 20, 4 << 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := NewReader(bytes.NewReader(b), kind, Options{MaxWindow: window})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(d, limit))
		d.Close()
		runtime.ReadMemStats(&after)
		// All that is ever allocated, not what is held: an xz block of 16 bytes or more takes a new dictionary, bzip2
		// takes 3.6 MB, the rest is once for a reader.
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(8<<20+len(b)*(window/16)); got > most {
			t.Errorf("%v: %d bytes allocated for %d compressed and %d decoded", kind, got, len(b), n)
		}
		var damage *DamageError
		var need *WindowError
		switch {
		case err == nil, errors.Is(err, errors.ErrUnsupported):
		case errors.As(err, &damage) && damage.Kind == kind && damage.Offset >= 0 && damage.Offset <= int64(len(b)):
		case errors.As(err, &need) && need.Kind == kind && need.Need > window:
		default:
			t.Errorf("%v: %v", kind, err)
		}

		for kind, e := range encoders {
			frame := e.AppendFrame([]byte("kept"), b)
			got, err := decode(t, bytes.NewReader(frame[4:]), Kind(kind), zstdWindow)
			if err != nil || !bytes.Equal(got, b) || string(frame[:4]) != "kept" {
				t.Errorf("%v of %d bytes does not come back: %v", Kind(kind), len(b), err)
			}
		}
	})
}
