package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestMDSRoundTrip(t *testing.T) { streamRoundTrip(t, MDS{}) }

// TestMDSGolden compares shards and index with those of MDSWriter.
func TestMDSGolden(t *testing.T) {
	for _, s := range []Set{
		{Dtype: Uint16, Vocabulary: 65_536}, {Dtype: Uint16, Vocabulary: 65_536, Masked: true},
		{Dtype: Int32, Vocabulary: 100_000}, {Dtype: Int32, Vocabulary: 100_000, Masked: true},
	} {
		name := "mds-" + s.Dtype.String()
		if s.Masked {
			name += "-masked"
		}
		want := streamGolden(t, name+".mds")
		sequences := streamSequences(s)
		got := streamWrite(t, MDS{}, s, sequences)
		if !bytes.Equal(got, want) {
			t.Fatalf("%s: MDSWriter writes %d bytes, and these are %d others", name, len(want), len(got))
		}
		r := streamOpen(t, MDS{}, s, want)
		for i := range sequences {
			streamCompare(t, r, s, want, i, sequences[i])
		}
		index, err := MDS{}.Index(s, []Shard{{Name: "shard.00000", Sequences: 6, Tokens: 131_586, Sizes: []int64{int64(len(want))}}})
		if err != nil {
			t.Fatal(err)
		}
		if want := streamGolden(t, name+".json"); string(index) != string(want) {
			t.Errorf("%s: the index is\n%s\nand MDSWriter's\n%s", name, index, want)
		}
	}
}

func TestMDSIndex(t *testing.T) {
	got, err := MDS{}.Index(Set{Dtype: Uint16}, []Shard{
		{Name: "shard-00000", Sequences: 2, Sizes: []int64{40}}, {Name: "shard-00001", Sequences: 1, Sizes: []int64{24}},
	})
	shard := func(name, bytes, samples string) string {
		return `{"column_encodings": ["ndarray:uint16"], "column_names": ["tokens"], "column_sizes": [null], "compression": null, ` +
			`"format": "mds", "hashes": [], "raw_data": {"basename": "` + name + `", "bytes": ` + bytes + `, "hashes": {}}, ` +
			`"samples": ` + samples + `, "size_limit": 67108864, "version": 2, "zip_data": null}`
	}
	want := `{"shards": [` + shard("shard-00000.mds", "40", "2") + `, ` + shard("shard-00001.mds", "24", "1") + `], "version": 2}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\n%s", got, err, want)
	}
}

// TestMDSLimit: shards that are closed as Traits and Size say hold as many samples as MDSWriter's, which closes one when
// size_limit < size of the file with the next sample (base/format/base/writer.py, Writer.write).
func TestMDSLimit(t *testing.T) {
	s := Set{Dtype: Int32}
	w := MDS{}.NewWriter(s)
	q := Sequence{Tokens: make([]byte, 4*100_000)}
	sample, config := int64(4+5+400_000), int64(len(mdsConfig(Int32, false)))
	want, size := 0, 4+4+config
	for size+sample+4 <= 1<<26 {
		want, size = want+1, size+sample+4
	}
	got := 0
	for w.Size(100_000) <= (MDS{}).Traits().MaxBytes {
		if err := w.Append(io.Discard, &q); err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != want {
		t.Errorf("%d samples; MDSWriter would write %d", got, want)
	}
}

func TestMDSRefuses(t *testing.T) {
	w := MDS{}.NewWriter(Set{Dtype: Int32, Masked: true})
	if err := w.Append(io.Discard, &Sequence{}); !errors.Is(err, errMDSEmpty) {
		t.Errorf("no tokens: %v", err)
	}
	if err := w.Append(io.Discard, &Sequence{Tokens: make([]byte, 8), Mask: []byte{1}}); err == nil {
		t.Error("a mask of 1 token for 2 was written")
	}
}

// mdsShard puts a shard of one sample together.
func mdsShard(config, sample string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(12+len(config)))
	b = binary.LittleEndian.AppendUint32(b, uint32(12+len(config)+len(sample)))
	return append(b, config+sample...)
}

func TestMDSFaults(t *testing.T) {
	plain, masked := mdsConfig(Uint16, false), mdsConfig(Uint16, true)
	const one, two = "\x04\x00\x00\x00\x04\x01\x07\x00", "\x06\x00\x00\x00\x04\x02\x07\x00\x07\x00"
	for _, c := range []struct {
		name, want, config, sample string
		set                        Set
	}{
		{"right", "", plain, one, Set{}},
		{"right", "", plain, two, Set{}},
		{"masked", "", masked, "\x03\x00\x00\x00" + one[:4] + "\x04\x01\x01" + one[4:], Set{Masked: true}},
		{"no mask", "x (byte 12): the set has a loss mask, and the shard no column loss_mask", plain, one, Set{Masked: true}},
		{"a mask", "x (byte 12): the shard has a column loss_mask, and the set no loss mask", masked, "\x03\x00\x00\x00" + one[:4] + "\x04\x01\x01" + one[4:], Set{}},
		{"mask of two", "x (byte 238): sequence 0 has 1 tokens, and the mask of 2", masked, "\x04\x00\x00\x00" + one[:4] + "\x04\x02\x01\x01" + one[4:], Set{Masked: true}},
		{"no config", "x (byte 12): the config is not right:", "", one, Set{}},
		{"no JSON", "x (byte 12): the config is not right:", "{", one, Set{}},
		{"another format", `x (byte 12): the config says format "json", version 2; "mds" and 2 are known`, strings.Replace(plain, `"mds"`, `"json"`, 1), one, Set{}},
		{"compressed", `x (byte 12): the config says that shards are compressed with "zstd"; decompress them first`, strings.Replace(plain, `"compression": null`, `"compression": "zstd"`, 1), one, Set{}},
		{"encoding", `x (byte 12): the config has the columns ["tokens"], stored as ["bytes"]; tokens as`, strings.Replace(plain, "ndarray:uint16", "bytes", 1), one, Set{}},
		{"column", `x (byte 12): the config has the columns ["text"], stored as ["ndarray:uint16"]; tokens as`, strings.Replace(plain, `"tokens"`, `"text"`, 1), one, Set{}},
		{"another limit", "x (byte 12): the config is another than {", strings.Replace(plain, "67108864", "1", 1), one, Set{}},
		{"long config", "x (byte 4): the config has 20000 bytes; at most 16384 are read", strings.Repeat(" ", 20_000), one, Set{}},
		{"no sample", "x (byte 194): sequence 0 has 3 bytes, and the sizes of its columns take 4", plain, one[:3], Set{}},
		{"size", "x (byte 194): the columns of sequence 0 have 0 and 4294967295 bytes, and 4 follow their sizes", plain, "\xff\xff\xff\xff" + one[4:], Set{}},
		{"no array", "x (byte 198): sequence 0 has a column of 2 bytes, too few for an array", plain, "\x02\x00\x00\x00\x04\x01", Set{}},
		{"no elements", "x (byte 198): sequence 0 has an array of 0 elements of 2 bytes, whose shape takes 2, in 4 bytes", plain, "\x04\x00\x00\x00\x04\x00\x07\x00", Set{}},
		{"elements", "x (byte 198): sequence 0 has an array of 255 elements of 2 bytes, whose shape takes 2, in 4 bytes", plain, "\x04\x00\x00\x00\x04\xff\x07\x00", Set{}},
		{"wide shape", "x (byte 198): sequence 0 has an array of 1 elements of 2 bytes, whose shape takes 3, in 5 bytes", plain, "\x05\x00\x00\x00\x05\x01\x00\x07\x00", Set{}},
		{"dimensions", "x (byte 198): sequence 0 has an array of 2 dimensions with sizes of 8 bits; one of at most 32 is right", plain, "\x05\x00\x00\x00\x08\x01\x01\x07\x00", Set{}},
	} {
		r, err := MDS{}.Open([]File{fileOf("x", mdsShard(c.config, c.sample))}, c.set, nil)
		if err == nil {
			err = r.Check()
		}
		switch {
		case c.want == "" && err == nil:
		case err == nil || c.want == "" || !strings.HasPrefix(err.Error(), c.want) || !errors.As(err, new(*Fault)):
			t.Errorf("%s: %v; %s", c.name, err, c.want)
		}
	}
	r := streamOpen(t, MDS{}, Set{Masked: true}, mdsShard(masked, "\x03\x00\x00\x00"+one[:4]+"\x04\x01\x02"+one[4:]))
	if _, err := r.(MaskReader).AppendMask(nil, 0); err == nil || !strings.HasSuffix(err.Error(), "token 0 of sequence 0 has the mask 2; 0 and 1 are right") {
		t.Errorf("a mask of 2: %v", err)
	}
}

// TestMDSForeign reads a shard that another size limit and hashes were asked for, and Check says that it is not ours.
func TestMDSForeign(t *testing.T) {
	config := strings.NewReplacer("67108864", "null", `"hashes": []`, `"hashes": ["sha1"]`).Replace(mdsConfig(Uint32, false))
	r, err := MDS{}.Open([]File{fileOf("x", mdsShard(config, "\x06\x00\x00\x00\x04\x01\x00\x00\x01\x00"))}, Set{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := r.AppendTokens(nil, 0); err != nil || len(ids) != 1 || ids[0] != 1<<16 || r.Dtype() != Uint32 {
		t.Errorf("%d of %v, %v", ids, r.Dtype(), err)
	}
	if err := r.Check(); err == nil {
		t.Error("Check accepts a config of others")
	}
}

func TestMDSHurt(t *testing.T) {
	s := Set{Dtype: Uint16, Vocabulary: 100, Masked: true}
	file := streamWrite(t, MDS{}, s, []Sequence{
		{Tokens: s.Dtype.AppendBytes(nil, []uint32{1, 2, 3}), Mask: []byte{0, 1, 1}}, {Tokens: s.Dtype.AppendBytes(nil, []uint32{4})},
	})
	r := streamOpen(t, MDS{}, s, file)
	_, first := r.Place(0, 0)
	_, second := r.Place(1, 0)
	// All but the values of masks and tokens.
	streamHurt(t, MDS{}, s, file, func(at int) bool {
		at64 := int64(at)
		values := at64 >= first-2-3 && at64 < first-2 || at64 >= first && at64 < first+6 || at64 >= second-2-1 && at64 < second-2 || at64 >= second
		return !values
	})
}

func FuzzMDS(f *testing.F) {
	for _, d := range []Dtype{Uint16, Int32} {
		for _, masked := range []bool{false, true} {
			s := Set{Dtype: d, Masked: masked}
			f.Add(streamWrite(f, MDS{}, s, []Sequence{
				{Tokens: d.AppendBytes(nil, []uint32{1, 2, 3})}, {Tokens: d.AppendBytes(nil, make([]uint32, 256))},
			}), masked)
		}
	}
	f.Add(mdsShard(strings.Replace(mdsConfig(Uint32, false), "67108864", "null", 1), "\x06\x00\x00\x00\x04\x01\x00\x00\x01\x00"), false)
	f.Add([]byte("\xff\xff\xff\xff\x08\x00\x00\x00\x08\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, in []byte, masked bool) { streamFuzz(t, MDS{}, Set{Masked: masked}, in) })
}
