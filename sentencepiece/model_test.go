package sentencepiece

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// made is a .model file in the making.
type made struct{ out []byte }

func (f *made) piece(text string, score float32, typ Type) {
	var p []byte
	p = protowire.AppendTag(p, 1, protowire.BytesType)
	p = protowire.AppendString(p, text)
	p = protowire.AppendTag(p, 2, protowire.Fixed32Type)
	p = protowire.AppendFixed32(p, math.Float32bits(score))
	p = number(p, 3, int(typ))
	f.block(1, p)
}

func (f *made) block(num protowire.Number, b []byte) {
	f.out = protowire.AppendTag(f.out, num, protowire.BytesType)
	f.out = protowire.AppendBytes(f.out, b)
}

func number(b []byte, num protowire.Number, n int) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(n))
}

// small is a file with a few pieces.
func small(kind Kind) *made {
	f := &made{}
	f.piece("<unk>", 0, Unknown)
	f.piece("<s>", 0, Control)
	for i, s := range []string{"a", "b", space, "ab", space + "a", "aba", "abab", space + "ab"} {
		f.piece(s, -float32(i+1), Normal)
	}
	f.block(2, number(nil, 3, int(kind)))
	return f
}

func charsMap(units map[int]uint32, texts string) []byte {
	blob := make([]byte, 4+2048, 4+2048+len(texts))
	binary.LittleEndian.PutUint32(blob, 2048)
	for i, u := range units {
		binary.LittleEndian.PutUint32(blob[4+4*i:], u)
	}
	return append(blob, texts...)
}

func TestReadErrors(t *testing.T) {
	with := func(change func(f *made)) []byte {
		f := small(Unigram)
		change(f)
		return f.out
	}
	trainer := func(num protowire.Number, n int) []byte {
		return with(func(f *made) { f.block(2, number(nil, num, n)) })
	}
	charsmap := func(blob []byte) []byte {
		return with(func(f *made) {
			f.block(3, protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), blob))
		})
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "no pieces"},
		{[]byte("{\"model\": 1}"), "byte 0"},
		{small(BPE).out[:100], "byte 96: field 1 does not end"},
		{[]byte{0x0a, 0x00}, "a piece without text"},
		{trainer(3, 3), "model_type is WORD"},
		{trainer(3, 4), "model_type is CHAR"},
		{trainer(35, 1), "<0x00> is missing"},
		{with(func(f *made) { f.piece("a", 0, Normal) }), `pieces[10] "a" is pieces[2] once more`},
		{with(func(f *made) { f.piece("<unknown>", 0, Unknown) }), "pieces[0] is of type UNKNOWN already"},
		{with(func(f *made) { f.piece("<0x41>", 0, Byte) }), "byte_fallback"},
		{with(func(f *made) { f.piece("a\x00", 0, Normal) }), "null character"},
		{with(func(f *made) { f.piece("x", float32(math.NaN()), Normal) }), "the score is NaN"},
		{with(func(f *made) { f.piece(strings.Repeat("x", 8000), 0, Normal) }), "has 8000 bytes"},
		{charsmap([]byte("abc")), "normalizer_spec.precompiled_charsmap: a charsmap of 3 bytes"},
		{charsmap(charsMap(nil, "a")), "not ended by a zero byte"},
		{charsmap(charsMap(nil, "a\x00")), "unit 0 is no root"},
		{charsmap(charsMap(map[int]uint32{0: 256 << 10, 1: 1 << 20 << 10}, "a\x00")), "unit 1 points to"},
		// From the root, b leads to a unit with the units of the root below it.
		{charsmap(charsMap(map[int]uint32{0: 256 << 10, 256 ^ 'b': 'b'<<10 | 'b'}, "a\x00")), "leads back"},
		{charsmap(charsMap(map[int]uint32{0: 256 << 10, 256 ^ 'b': 'b'<<10 | 1<<8 | 'b', 256: leaf}, strings.Repeat("x", 300)+"\x00")), "more than 255 bytes"},
	} {
		if _, err := Read(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: error %v, want one with %q", c.data, err, c.want)
		}
	}
	for _, kind := range []Kind{Unigram, BPE} {
		m, err := Read(small(kind).out)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.NewEncoder().Append(nil, []byte("abab ab?")); len(got) == 0 {
			t.Errorf("kind %d: nothing", kind)
		}
		if _, err := m.AppendDecoded(nil, []uint32{1, 10}); err == nil || !strings.Contains(err.Error(), "ids[1] is 10") {
			t.Errorf("an id too large: %v", err)
		}
		if id, ok := m.ID(space + "ab"); !ok || m.Pieces()[id].Text != space+"ab" {
			t.Errorf("ID: %d, %v", id, ok)
		}
	}
}

func TestCharsMap(t *testing.T) {
	// b is replaced by A, bc by BC.
	units := map[int]uint32{}
	for i := range 512 {
		units[i] = leaf // which is under nothing
	}
	units[0] = 256 << 10
	units[256^'b'] = (256^'b'^384)<<10 | 1<<8 | 'b'
	units[384] = leaf
	units[384^'c'] = (384^'c'^448)<<10 | 1<<8 | 'c'
	units[448] = leaf | 2
	c, err := ReadCharsMap(charsMap(units, "A\x00BC\x00"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		text, longest, shortest string
		nl, ns                  int
	}{
		{"bcd", "BC", "A", 2, 1}, {"bd", "A", "A", 1, 1}, {"b", "A", "A", 1, 1}, {"cb", "", "", 0, 0}, {"", "", "", 0, 0}, {"\x00b", "", "", 0, 0},
	} {
		if got, n := c.Longest([]byte(x.text)); string(got) != x.longest || n != x.nl {
			t.Errorf("Longest(%q) = %q, %d", x.text, got, n)
		}
		if got, n := c.Shortest([]byte(x.text)); string(got) != x.shortest || n != x.ns {
			t.Errorf("Shortest(%q) = %q, %d", x.text, got, n)
		}
	}
}

// memory is what an encoder holds, in bytes.
func (e *Encoder) memory() int {
	c, b := &e.words, &e.bpe
	return 32*cap(c.short) + 32*cap(c.long) + cap(c.keys) + 4*cap(c.ids) +
		cap(e.text) + 4*cap(e.from) + 8*cap(e.segments) + 4*cap(e.ids) + 12*cap(e.nodes) + 16*cap(e.leads) +
		4*(cap(b.at)+cap(b.ids)+cap(b.prev)+cap(b.next)) + 24*cap(b.heap) + 64*len(b.parts)
}

// alone answers word for word what m does, with the whole text as one word and without remembering.
func alone(m *Model) *Model {
	whole := *m
	whole.cuts = cuts{}
	return &whole
}

// TestWords compares with the whole text as one word, which is how SentencePiece does it; and what is kept with its
// bound.
func TestWords(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, name := range []string{"test_model.model", "test_ja_model.model", "unigram", "bpe"} {
		m := anyModel(t, name)
		e, whole := m.NewEncoder(), alone(m).NewEncoder()
		for range 20 {
			var text []byte
			for range r.IntN(3000) {
				switch r.IntN(8) {
				case 0:
					text = append(text, ' ')
				case 1:
					text = append(text, "the of and ab 1 \n -"[r.IntN(19):]...)
				case 2:
					text = append(text, string(rune(r.IntN(0x3100)))...)
				default:
					text = append(text, "abeinst. "[r.IntN(9)])
				}
			}
			if got, want := e.Append(nil, text), whole.Append(nil, text); !slices.Equal(got, want) {
				t.Fatalf("%s: %q: %d, want %d", name, text, got, want)
			}
			if got, want := e.AppendTokens(nil, text), whole.AppendTokens(nil, text); !slices.Equal(got, want) {
				t.Fatalf("%s: %q: %v, want %v", name, text, got, want)
			}
		}
		if name != "test_model.model" && name != "bpe" {
			continue
		}
		// More different words than are remembered.
		var text []byte
		for i := range maxShortWords {
			text = fmt.Appendf(text, "%x%d ", i*7919, i)
			if i%20 == 0 {
				text = fmt.Appendf(text, "%0*x\n", 15+i%50, i)
			}
		}
		if got, want := e.Append(nil, text), whole.Append(nil, text); !slices.Equal(got, want) {
			t.Errorf("%s: another answer for many words", name)
		}
		for _, x := range []*Encoder{e, whole} {
			if n := x.memory(); n > EncoderMemory {
				t.Errorf("%s: an encoder keeps %d bytes, more than %d", name, n, EncoderMemory)
			}
		}
	}
}

func anyModel(t testing.TB, name string) *Model {
	t.Helper()
	kind := BPE
	switch name {
	default:
		m := findModel(t, name)
		if m == nil {
			t.Fatal("no ", name)
		}
		return m
	case "unigram":
		kind = Unigram
	case "bpe":
	}
	f := small(kind)
	// a, aa, aaa and so on, so that much can be merged.
	for n := 2; n <= 40; n++ {
		f.piece(strings.Repeat("a", n), -float32(n%7), Normal)
	}
	f.piece("ce", -3, UserDefined)
	f.piece("e", -4, Normal)
	f.piece("en", -4.5, Normal)
	f.piece("nt", -4.25, Normal)
	m, err := Read(f.out)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMergeMany(t *testing.T) {
	m := anyModel(t, "bpe")
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var few, many bpeScratch
	for range 5000 {
		w := make([]byte, 1+r.IntN(fewSymbols))
		for i := range w {
			w[i] = "aaabbcent"[r.IntN(9)]
		}
		got := m.merges(nil, &few, w)
		// The same, however many there are.
		many.at, many.ids = many.at[:0], many.ids[:0]
		for i := 0; i < len(w); {
			n := max(1, m.normalizer.symbol(w[i:]))
			id := int32(single)
			if n > 1 {
				id = frozen
			}
			many.at, many.ids = append(many.at, int32(i)), append(many.ids, id)
			i += n
		}
		many.at = append(many.at, int32(len(w)))
		if want := m.mergeMany(nil, &many, w); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", w, got, want)
		}
	}
}

// TestLong encodes texts of 1 MB that are made to take long.
func TestLong(t *testing.T) {
	for _, x := range []struct{ name, text string }{
		{"bpe", "a"}, {"bpe", "ab"}, {"bpe", "\xff"},
		{"test_model.model", " "}, {"test_model.model", "a"}, {"test_model.model", "あ"}, {"test_model.model", "\xff"},
		{"unigram", "a"}, {"unigram", "e"}, {"unigram", space},
	} {
		e := anyModel(t, x.name).NewEncoder()
		text := bytes.Repeat([]byte(x.text), 1<<20/len(x.text))
		before := processorSeconds()
		e.Append(nil, text)
		// Some thousand times as much if it were quadratic.
		if used := processorSeconds() - before; used > 10 {
			t.Errorf("%s: 1 MB of %q took %.1f s", x.name, x.text, used)
		}
	}
}

func TestAllocs(t *testing.T) {
	for _, name := range []string{"test_model.model", "unigram", "bpe"} {
		m := anyModel(t, name)
		e := m.NewEncoder()
		text := []byte(strings.Repeat("The cat sat on the mat, and abab aaaa. "+strings.Repeat("ab", 50), 20))
		var ids []uint32
		var tokens []Token
		var out []byte
		run := func() {
			var err error
			ids = e.Append(ids[:0], text)
			tokens = e.AppendTokens(tokens[:0], text)
			if out, err = m.AppendDecoded(out[:0], ids); err != nil {
				t.Error(err)
			}
		}
		run()
		if n := testing.AllocsPerRun(10, run); n != 0 {
			t.Errorf("%s: %v allocations a text", name, n)
		}
	}
}
