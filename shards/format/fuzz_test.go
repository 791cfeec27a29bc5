package format

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// fuzzShard reads any files. What passes Check is written again as it was; made says what a sequence is made of.
func fuzzShard(t *testing.T, f Format, s Set, files [][]byte, ends []int64, made func(i int64, tokens int) []Piece) {
	r, err := openShard(f, s, files, ends)
	if err != nil {
		onlyFaults(t, err)
		return
	}
	checked := r.Check()
	onlyFaults(t, checked)
	s.Dtype = r.Dtype()
	var sequences []Sequence
	for i := range min(r.Sequences(), 1000) {
		ids, err := r.AppendTokens(nil, i)
		onlyFaults(t, err)
		r.Place(i, 3)
		if checked != nil {
			continue
		}
		sequences = append(sequences, Sequence{Tokens: s.Dtype.AppendBytes(nil, ids), Pieces: made(i, len(ids))})
	}
	if checked != nil || r.Sequences() > 1000 {
		return
	}
	for i, got := range writtenShard(t, f, s, sequences) {
		want := files[i]
		if strings.HasSuffix(f.Suffixes()[i], ".gz") {
			got, want = flatUnpacked(t, got), flatUnpacked(t, want)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s was read as %q, and is written as %q", f.Suffixes()[i], want, got)
		}
	}
}

func fuzzWhole(int64, int) []Piece { return []Piece{{Last: true}} }

// fuzzSeeds are a few small shards: packed and not, of two bytes and of four.
func fuzzSeeds(f *testing.F, format Format, add func(s Set, files [][]byte)) {
	for _, s := range []Set{
		{Vocabulary: 300, EOD: 299, Length: 6, Packed: true},
		{Vocabulary: 128_000, EOD: 9, Length: 4, Tokenizer: "f"},
	} {
		var err error
		if s.Dtype, err = format.Dtype(s.Vocabulary); err != nil {
			continue
		}
		rng := rand.New(rand.NewPCG(3, 3))
		add(s, writtenShard(f, format, s, randomSequences(rng, s, format.Traits(), 5)))
	}
}

// fuzzEnds are those of rows of so many tokens; nil for 0.
func fuzzEnds(tokens int, width uint8) []int64 {
	if width == 0 {
		return nil
	}
	ends := []int64{}
	for at := 0; at < tokens; {
		at = min(at+int(width), tokens)
		ends = append(ends, int64(at))
	}
	return ends
}

func FuzzMegatron(f *testing.F) {
	fuzzSeeds(f, Megatron{}, func(_ Set, files [][]byte) { f.Add(files[1], files[0]) })
	f.Add([]byte("MMIDIDX\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"), []byte("abcd"))
	f.Fuzz(func(t *testing.T, idx, bin []byte) {
		fuzzShard(t, Megatron{}, Set{}, [][]byte{bin, idx}, nil, fuzzWhole)
	})
}

func FuzzDatatrove(f *testing.F) {
	fuzzSeeds(f, Datatrove{}, func(s Set, files [][]byte) { f.Add(files[0], files[1], files[2], s.Dtype != Uint16) })
	f.Add([]byte("abcd"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), []byte("gpt2|2\n2\n2.00 T"), false)
	f.Fuzz(func(t *testing.T, ds, index, metadata []byte, four bool) {
		s := Set{Dtype: Uint16}
		if four {
			s.Dtype = Uint32
		}
		if s.Tokenizer, _, _ = strings.Cut(string(metadata), "|"); strings.ContainsAny(s.Tokenizer, "\r\n") {
			s.Tokenizer = "f"
		}
		fuzzShard(t, Datatrove{}, s, [][]byte{ds, index, metadata}, nil, fuzzWhole)
	})
}

func FuzzLLMC(f *testing.F) {
	fuzzSeeds(f, LLMC{}, func(s Set, files [][]byte) { f.Add(files[0], uint16(s.EOD), uint8(0)) })
	fuzzSeeds(f, LLMC{}, func(s Set, files [][]byte) { f.Add(files[0], uint16(s.EOD), uint8(s.Length)) })
	f.Fuzz(func(t *testing.T, bin []byte, eod uint16, width uint8) {
		size := 2
		if len(bin) > 1 && bin[0] == 0xa1 { // 20240801
			size = 4
		}
		ends := fuzzEnds((len(bin)-llmcHeader)/size, width)
		fuzzShard(t, LLMC{}, Set{EOD: int(eod)}, [][]byte{bin}, ends, fuzzWhole)
	})
}

func FuzzNanoGPT(f *testing.F) {
	fuzzSeeds(f, NanoGPT{}, func(s Set, files [][]byte) { f.Add(files[0], uint16(s.EOD), uint8(0)) })
	f.Add([]byte("abc"), uint16(7), uint8(1))
	f.Fuzz(func(t *testing.T, bin []byte, eod uint16, width uint8) {
		fuzzShard(t, NanoGPT{}, Set{EOD: int(eod)}, [][]byte{bin}, fuzzEnds(len(bin)/2, width), fuzzWhole)
	})
}

// FuzzOLMo takes the table unpacked, or, if raw, as it is.
func FuzzOLMo(f *testing.F) {
	fuzzSeeds(f, OLMo{}, func(s Set, files [][]byte) {
		width := 0
		if s.Packed {
			width = s.Length
		}
		f.Add(files[0], flatUnpacked(f, files[1]), s.Dtype != Uint16, false, uint8(width))
		f.Add(files[0], files[1], s.Dtype != Uint16, true, uint8(width))
	})
	f.Add([]byte("abcdefgh"), []byte("0,1,0,source-0,0\r\n2,4,18446744073709551615,source-65535,4294967295\r\n"), false, false, uint8(2))
	f.Add([]byte("abcd"), []byte("0,1\n1,99999999999999999999\n"), false, false, uint8(0))
	f.Fuzz(func(t *testing.T, npy, table []byte, four, raw bool, width uint8) {
		s := Set{Dtype: Uint16, Packed: width > 0, EOD: 1}
		if four {
			s.Dtype = Uint32
		}
		if !raw {
			table = flatPacked(table)
		}
		ends := fuzzEnds(len(npy)/s.Dtype.Size(), width)
		fuzzShard(t, OLMo{}, s, [][]byte{npy, table}, ends, func(i int64, tokens int) []Piece {
			from := 0
			if i > 0 && width > 0 {
				from = int(i) * int(width)
			}
			return olmoPieces(flatUnpacked(t, table), int(i), width > 0, from, from+tokens)
		})
	})
}

// olmoPieces are those of tokens from to to in a table that passed Check, or of its line i if the set is not packed.
func olmoPieces(table []byte, i int, packed bool, from, to int) []Piece {
	var pieces []Piece
	last := to
	for k, line := range strings.SplitAfter(string(table), "\r\n") {
		var p Piece
		var start, end int
		fmt.Sscanf(line, "%d,%d,%d,source-%d,%d", &start, &end, &p.ID, &p.Source, &p.From)
		switch {
		case !packed && k == i:
			return []Piece{p}
		case packed && start >= from && end <= to && end > start:
			p.Start, p.Continues = start-from, p.From > 0
			pieces, last = append(pieces, p), end
		}
	}
	if last < to {
		pieces = append(pieces, Piece{Start: last - from, Padding: true})
	}
	return pieces
}

// FuzzBounds reads any bounds. What passes Check is written again as it was.
func FuzzBounds(f *testing.F) {
	fuzzSeeds(f, Megatron{}, func(s Set, _ [][]byte) {
		f.Add(boundsOf(f, s, randomSequences(rand.New(rand.NewPCG(4, 4)), s, Traits{Padded: s.Packed}, 5)))
	})
	f.Add([]byte(boundsMagic + "\x02\x00\x00\x00\x06\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := OpenBounds(fileOf("x", in))
		if err != nil {
			onlyFaults(t, err)
			return
		}
		checked := b.Check()
		onlyFaults(t, checked)
		w := BoundsWriter{Width: b.Width()}
		for i := range b.Sequences() {
			pieces, err := b.AppendPieces(nil, i)
			onlyFaults(t, err)
			from, to := b.Tokens(i)
			if err := w.Add(pieces, int(to-from)); err != nil {
				t.Fatal(err)
			}
		}
		if checked != nil {
			return
		}
		var out bytes.Buffer
		if err := w.Write(&out); err != nil || !bytes.Equal(out.Bytes(), in) {
			t.Errorf("%q was read, and is written as %q, %v", in, out.Bytes(), err)
		}
	})
}

// FuzzLoss compares with one byte at a time.
func FuzzLoss(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x01\x01\x01\x02\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		want := slices.IndexFunc(b, func(v byte) bool { return v > 1 })
		if got := indexAbove1(b); got != want {
			t.Errorf("%q: byte %d, want %d", b, got, want)
		}
	})
}
