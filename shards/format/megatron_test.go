package format

import (
	"bytes"
	"slices"
	"testing"
)

// megatronFiles are .bin and .idx of three sequences, by hand.
func megatronFiles() [][]byte {
	return [][]byte{
		[]byte("\x02\x01\xf3\x01" + "\x07\x00\x08\x00\xf3\x01" + "\x01\x00\x02\x00\x03\x00\xf3\x01"),
		[]byte("MMIDIDX\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x08" +
			"\x03\x00\x00\x00\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" +
			"\x02\x00\x00\x00" + "\x03\x00\x00\x00" + "\x04\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" + "\x0a\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x00\x00\x00\x00" + "\x03\x00\x00\x00\x00\x00\x00\x00"),
	}
}

// TestMegatronBytes writes them, and the same ids in four bytes.
func TestMegatronBytes(t *testing.T) {
	lists := [][]uint32{{258, 499}, {7, 8, 499}, {1, 2, 3, 499}}
	for _, c := range []struct {
		vocabulary int
		code       byte
	}{{500, 8}, {65_499, 8}, {65_500, 4}} {
		d, err := Megatron{}.Dtype(c.vocabulary)
		if err != nil {
			t.Fatal(err)
		}
		s := Set{Dtype: d, Vocabulary: c.vocabulary, EOD: 499}
		var sequences []Sequence
		var ids []uint32
		for _, list := range lists {
			sequences = append(sequences, Sequence{Tokens: d.AppendBytes(nil, list)})
			ids = append(ids, list...)
		}
		got, want := writtenShard(t, Megatron{}, s, sequences), megatronFiles()
		want[0], want[1][17] = d.AppendBytes(nil, ids), c.code
		if d == Int32 { // offsets
			want[1][46+8], want[1][46+16] = 8, 20
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("vocabulary %d: %q\nwant %q", c.vocabulary, got, want)
		}
	}
}

// TestMegatronFaults wants the very byte.
func TestMegatronFaults(t *testing.T) {
	const lengths, offsets, documents = megatronHeader, megatronHeader + 4*3, megatronHeader + 12*3
	for _, c := range []struct {
		what     string
		at       int
		put      string
		wantFile string
		want     int64
	}{
		{"magic", 3, "X", "x.idx", 0},
		{"version", 9, "\x02", "x.idx", 9},
		{"dtype", 17, "\x05", "x.idx", 17},
		{"sequences", 18, "\x02", "x.idx", 18},
		{"sequences beyond any file", 25, "\x7f", "x.idx", 18},
		{"document indices", 26, "\x00", "x.idx", 26},
		{"document indices beyond any file", 33, "\xff", "x.idx", 26},
		{"a negative length", lengths + 4 + 3, "\x80", "x.idx", lengths + 4},
		{"another length", lengths, "\x01", "x.idx", offsets + 8},
		{"another last length", lengths + 8, "\x03", "x.bin", 16},
		{"an offset beyond the tokens", offsets + 16 + 6, "\x01", "x.idx", offsets + 16},
		{"another offset", offsets + 16, "\x08", "x.idx", offsets + 16},
		{"a document index", documents + 8, "\x02", "x.idx", documents + 8},
	} {
		files := megatronFiles()
		copy(files[1][c.at:], c.put)
		r, err := openShard(Megatron{}, Set{}, files, nil)
		if err == nil {
			err = r.Check()
		}
		wantFault(t, c.what, err, c.wantFile, c.want)
	}
}
