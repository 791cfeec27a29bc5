package decoder

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// kinds has each kind at least once.
var kinds = []string{
	`{"type":"BPEDecoder","suffix":"</w>"}`,
	`{"type":"ByteFallback"}`,
	`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`,
	`{"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true}`,
	`{"type":"Fuse"}`,
	`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`,
	`{"type":"Replace","pattern":{"String":"▁"},"content":" "}`,
	`{"type":"Replace","pattern":{"Regex":"a*"},"content":"-"}`,
	`{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}`,
	`{"type":"Strip","content":"▁","start":1,"stop":2}`,
	`{"type":"WordPiece","prefix":"##","cleanup":true}`,
}

func mustNew(t testing.TB, v string) Decoder {
	t.Helper()
	d, err := New("decoder", jsontext.Value(v))
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return d
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		value  string
		tokens []string
		want   []string
	}{
		{kinds[0], []string{"a</w>", "b</w>"}, []string{"a ", "b"}},
		{kinds[1], []string{"<0xE6>", "<0x97>", "<0xa5>", "x", "<0xC3>", "<0x41>"}, []string{"日", "x", "\ufffd", "\ufffd"}},
		{kinds[1], []string{"<0x+A>", "<0x-A>", "<0xG0>"}, []string{"\n", "<0x-A>", "<0xG0>"}},
		{kinds[2], []string{"Ġa", "é b", "æĹ", "¥"}, []string{" aé b日"}},
		{kinds[2], []string{"æĹx", "ðŁĺ", "ľľ"}, []string{"\ufffdx😜\ufffd"}},
		{kinds[2], nil, []string{""}},
		{kinds[3], []string{"a", "a", "<pad>", "a", "|", "b", " ."}, []string{"a", "a", " ", "b", "."}},
		{kinds[4], nil, []string{""}},
		{kinds[5], []string{"▁a▁b", "▁c"}, []string{"ab", " c"}},
		{kinds[7], []string{"", "baab"}, []string{"", "-b-b-"}},
		{kinds[9], []string{"▁▁a▁▁▁", "▁▁▁", "▁"}, []string{"▁a▁", "", ""}}, // the reference panics at the last two
		{kinds[10], []string{"##a", "##b", "c", "do not", "!"}, []string{"##a", "b", " c", " don't", "!"}},
	} {
		if got := mustNew(t, c.value).Decode(slices.Clone(c.tokens)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q: %q, want %q", c.value, c.tokens, got, c.want)
		}
	}
	for _, v := range kinds {
		if d := mustNew(t, v); !strings.HasPrefix(v, `{"type":"`+d.Type()+`"`) {
			t.Errorf("%s: type %q", v, d.Type())
		}
	}
}

func TestNew(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","decoders":[`, 10) + `{"type":"Fuse"}` + strings.Repeat(`]}`, 10)
	for _, c := range []struct{ value, want string }{
		{`null`, "decoder: null is no decoder"},
		{`{}`, `decoder: decoder "" is not known`},
		{`{"type":"Foo"}`, `decoder: decoder "Foo" is not known`},
		{`{"type":"Fuse","x":1}`, "decoder: json"},
		{`{"type":"BPEDecoder"}`, `decoder: no "suffix"`},
		{`{"type":"ByteLevel"}`, `decoder: no "add_prefix_space"`},
		{`{"type":"ByteLevel","add_prefix_space":true}`, `decoder: no "trim_offsets"`},
		{`{"type":"CTC","pad_token":"","cleanup":true}`, `decoder: no "word_delimiter_token"`},
		{`{"type":"Metaspace"}`, `decoder: no "replacement"`},
		{`{"type":"Metaspace","replacement":"ab"}`, `decoder.replacement: "ab" is not one character`},
		{`{"type":"Metaspace","replacement":"▁","prepend_scheme":"last"}`, `decoder.prepend_scheme: "last" is neither`},
		{`{"type":"Metaspace","replacement":"▁","add_prefix_space":false}`, "add_prefix_space is false"},
		{`{"type":"Strip","content":"","start":1,"stop":1}`, `decoder.content: "" is not one character`},
		{`{"type":"Strip","content":"a","start":-1,"stop":1}`, "decoder: json"},
		{`{"type":"Strip","content":"a","start":1}`, `decoder: no "stop"`},
		{`{"type":"WordPiece","prefix":""}`, `decoder: no "cleanup"`},
		{`{"type":"Replace","pattern":{},"content":""}`, `decoder.pattern: needs either "String" or "Regex"`},
		{`{"type":"Replace","pattern":{"Regex":"("},"content":""}`, "decoder.pattern: "},
		{`{"type":"Sequence"}`, `decoder: no "decoders"`},
		{`{"type":"Sequence","decoders":[{"type":"Sequence","decoders":[{"type":"X"}]}]}`,
			`decoder.decoders[0].decoders[0]: decoder "X" is not known`},
		{deep, "more than 8 Sequences in one another"},
	} {
		d, err := New("decoder", jsontext.Value(c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", c.value, d, err, c.want)
		}
		var unsupported *component.UnsupportedError
		if errors.As(err, &unsupported) != (strings.Contains(c.want, "is not known") || strings.Contains(c.want, "more than")) {
			t.Errorf("%s: %T", c.value, err)
		}
	}
}

// TestLossy compares with package utf8: begun takes what could still become a character, and no more.
func TestLossy(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a\xc0\x80b", "a\ufffd\ufffdb"},
		{"\xe0\x80\x80", "\ufffd\ufffd\ufffd"},
		{"\xe0\xa0", "\ufffd"},
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		{"\xf0\x90\x80x", "\ufffdx"},
		{"\xf0\x8f\x80", "\ufffd\ufffd\ufffd"},
		{"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
		{"\xe6\x97\xe6\x97\xa5", "\ufffd日"},
		{"\xf8\x88\x80", "\ufffd\ufffd\ufffd"},
		{"\ufffd", "\ufffd"},
	} {
		if got := lossy([]byte(c.text)); got != c.want {
			t.Errorf("%+q: %+q, want %+q", c.text, got, c.want)
		}
	}
	b := make([]byte, 4)
	for i := range 1 << 16 {
		b[0], b[1] = byte(i>>8), byte(i)
		could := false
		for _, next := range []string{"", "\x80", "\xbf", "\x80\x80", "\xbf\xbf"} {
			could = could || utf8.RuneCount(append(append(b[:0], byte(i>>8), byte(i)), next...)) == 1
		}
		b[0], b[1] = byte(i>>8), byte(i)
		if got := begun(b[:2]); !utf8.Valid(b[:2]) && !utf8.Valid(b[:1]) && (got == 2) != could {
			t.Fatalf("% x: %d", b[:2], got)
		}
	}
}

// TestLong: hostile tokens take no more than their length asks for.
func TestLong(t *testing.T) {
	const size = 1 << 17
	for _, s := range []string{"a", "▁", " ", " '", "Ġ", "æĹ", " do not"} {
		long := strings.Repeat(s, size/len(s))
		many := strings.Split(strings.Repeat(s+"\x00<0xE6>\x00", size/16), "\x00")
		for _, v := range kinds {
			d := mustNew(t, v)
			d.Decode([]string{long, long})
			d.Decode(slices.Clone(many))
		}
	}
}

func FuzzDecode(f *testing.F) {
	var all []Decoder
	for _, v := range kinds {
		all = append(all, mustNew(f, v))
	}
	for _, s := range []string{"", "a\x00a", "<0xE6>\x00<0x97>\x00x", "æĹ\x00¥", "▁a\x00▁", "##a\x00##b\x00 '", "\xff\x00\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tokens := strings.Split(s, "\x00")
		for i, d := range all {
			once := strings.Join(d.Decode(slices.Clone(tokens)), "")
			if utf8.ValidString(s) && !utf8.ValidString(once) {
				t.Errorf("%s: %+q becomes %+q", kinds[i], tokens, once)
			}
		}
	})
}

func FuzzNew(f *testing.F) {
	for _, v := range kinds {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if d, err := New("decoder", jsontext.Value(v)); err == nil {
			d.Decode([]string{"▁a", "<0xE6>", "##b", "", " ' "})
		}
	})
}
