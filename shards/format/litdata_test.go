package format

import (
	"bytes"
	"regexp"
	"testing"
)

func TestLitDataRoundTrip(t *testing.T) { streamRoundTrip(t, LitData{}) }

// TestLitDataGolden compares chunks and index with those of litdata's BinaryWriter. Of the index "updated_at" differs,
// which is a clock's there.
func TestLitDataGolden(t *testing.T) {
	for _, s := range []Set{{Dtype: Uint16, Vocabulary: 65_536}, {Dtype: Int32, Vocabulary: 100_000}} {
		name := "litdata-" + s.Dtype.String()
		want := streamGolden(t, name+".bin")
		sequences := streamSequences(s)
		got := streamWrite(t, LitData{}, s, sequences)
		if !bytes.Equal(got, want) {
			t.Fatalf("%s: litdata writes %d bytes, and these are %d others", name, len(want), len(got))
		}
		r := streamOpen(t, LitData{}, s, want)
		for i := range sequences {
			streamCompare(t, r, s, want, i, sequences[i])
		}
		clock := regexp.MustCompile(`"updated_at": "[0-9.]+"`)
		index, err := LitData{}.Index(s, []Shard{{Name: "chunk-0-0", Sequences: 6, Tokens: 131_586, Sizes: []int64{int64(len(want))}}})
		if err != nil {
			t.Fatal(err)
		}
		if want := clock.ReplaceAll(streamGolden(t, name+".json"), []byte(`"updated_at": "0"`)); string(index) != string(want) {
			t.Errorf("%s: the index is\n%s\nand litdata's\n%s", name, index, want)
		}
	}
}

func TestLitDataIndex(t *testing.T) {
	got, err := LitData{}.Index(Set{Dtype: Int32}, []Shard{
		{Name: "chunk-00000", Sequences: 2, Tokens: 6, Sizes: []int64{40}}, {Name: "chunk-00001", Sequences: 1, Tokens: 3, Sizes: []int64{24}},
	})
	want := `{"chunks": [{"chunk_bytes": 40, "chunk_size": 2, "dim": 6, "filename": "chunk-00000.bin"}, ` +
		`{"chunk_bytes": 24, "chunk_size": 1, "dim": 3, "filename": "chunk-00001.bin"}], "config": {`
	if err != nil || !bytes.HasPrefix(got, []byte(want)) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestLitDataHurt(t *testing.T) {
	s := Set{Dtype: Int32, Vocabulary: 100}
	file := streamWrite(t, LitData{}, s, []Sequence{
		{Tokens: s.Dtype.AppendBytes(nil, []uint32{1, 2, 3})}, {Tokens: s.Dtype.AppendBytes(nil, []uint32{4})},
	})
	// Of an offset between two sequences, another that is whole tokens away moves what lies between them: that is the
	// bounds' and the digests' to find.
	streamHurt(t, LitData{}, s, file, func(at int) bool { return at < 8 || at >= 12 && at < 16 })
}

func FuzzLitData(f *testing.F) {
	for _, s := range []Set{{Dtype: Uint16}, {Dtype: Int32}} {
		f.Add(streamWrite(f, LitData{}, s, []Sequence{
			{Tokens: s.Dtype.AppendBytes(nil, []uint32{1, 2, 3})}, {}, {Tokens: s.Dtype.AppendBytes(nil, []uint32{50256})},
		}), s.Dtype == Uint16)
	}
	f.Add([]byte("\xff\xff\xff\xff\x08\x00\x00\x00\x08\x00\x00\x00"), false)
	f.Fuzz(func(t *testing.T, in []byte, short bool) {
		s := Set{Dtype: Int32}
		if short {
			s.Dtype = Uint16
		}
		streamFuzz(t, LitData{}, s, in)
	})
}
