package parquet

import (
	"bytes"
	"context"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"curate/corpus/split"
)

// FuzzOpen: whatever the bytes are, there is no panic, no end of the program, and no more memory than a small
// multiple of the file. Mutating a whole file mostly breaks its ends, so the fuzzer's bytes are edits of a file
// of testdata: three bytes say where, from the end, and one what is changed there.
func FuzzOpen(f *testing.F) {
	var files [][]byte
	names, _ := filepath.Glob("testdata/*.parquet")
	for i, name := range names {
		files = append(files, load(f, name))
		f.Add(uint8(i), []byte{0, 0, 9, 1}, uint16(0))
		f.Add(uint8(i), []byte{0, 9, 9, 0xff, 0, 4, 200, 0x40, 0, 40, 4, 7}, uint16(25))
	}
	f.Add(uint8(255), handmade(1, group("l", optional, convertedList, leaf("array", repeated, typeInt32, none, entry{0, 2, i32(1)}))), uint16(0))
	f.Fuzz(func(t *testing.T, file uint8, edits []byte, from uint16) {
		data := edits
		if file < 255 {
			data = bytes.Clone(files[int(file)%len(files)])
			for ; len(edits) >= 4; edits = edits[4:] {
				back := 1 + (int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(data)
				data[len(data)-back] ^= edits[3]
			}
		}
		bounded(t, data, split.Options{SplitSize: 1000, ChunkSize: 1000, MaxRecord: 10_000, From: split.Position{Offset: int64(from)}})
	})
}

// FuzzPage reads one column of one page whose bytes are the fuzzer's, in every type, encoding and codec.
func FuzzPage(f *testing.F) {
	f.Add([]byte(str("kaixo")+str("")), uint8(typeByteArray), uint8(encodingPlain), uint8(codecNone), uint8(0), uint16(2))
	f.Add([]byte("\x80\x01\x04\x03\x02\x02\x00\x00\x00\x00"), uint8(typeInt64), uint8(encodingDelta), uint8(codecNone), uint8(0), uint16(3))
	f.Add([]byte("\x02\x03\xff"), uint8(typeByteArray), uint8(encodingDictionary), uint8(codecNone), uint8(1), uint16(8))
	f.Add([]byte("\x04\x00\x00\x00\x04\x01\x04\x01abcd"), uint8(typeFloat), uint8(encodingSplit), uint8(codecNone), uint8(2), uint16(1))
	for _, codec := range []uint8{codecSnappy, codecGzip, codecBrotli, codecZstd, codecLZ4Raw} {
		f.Add([]byte("\x1f\x8b\x28\xb5\x2f\xfd"), uint8(typeBoolean), uint8(encodingRLE), codec, uint8(1), uint16(100))
	}
	f.Fuzz(func(t *testing.T, page []byte, physical, encoding, codec, nesting uint8, values uint16) {
		l := leaf("a", int32(nesting%3), int32(physical%8), int32(nesting/3%24)-1, entry{0, 0, string(page)})
		l.length = 3
		o := handmadeOptions{codec: int32(codec % 8), encoding: int32(encoding % 10), values: int64(values), size: int64(len(page)) * int64(1+nesting>>4)}
		if encoding >= 100 {
			o.dictionary, o.dictValues = str("bat")+str("bi")+strings.Repeat("x", 48), 2
		}
		data := handmadeWith(o, int64(values), l)
		bounded(t, data, split.Options{SplitSize: 1000, ChunkSize: 1000, MaxRecord: 10_000})
	})
}

// bounded reads what it can of a file, for a while.
func bounded(t *testing.T, data []byte, o split.Options) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx := context.Background()
	r, err := Codec.OpenAt(ctx, bytes.NewReader(data), int64(len(data)), o)
	var c split.Chunk
	for n := 0; err == nil && n < 200; n++ { // a few bytes may hold 2^31 nulls
		if err = r.Next(ctx, &c); err == nil && len(c.Buf) > o.ChunkSize+max(o.MaxRecord, split.KeepOfTruncated) {
			t.Fatalf("a chunk of %d bytes", len(c.Buf))
		}
	}
	if err != nil && strings.Contains(err.Error(), "bug in curate") {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Pages may be compressed a thousandfold.
	if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(96<<20+2000*len(data)); got > limit {
		t.Fatalf("%d bytes allocated for a file of %d", got, len(data))
	}
}
