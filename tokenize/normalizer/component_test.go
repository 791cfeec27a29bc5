package normalizer

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// kinds has each kind at least once.
var kinds = []string{
	`{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`,
	`{"type":"ByteLevel"}`,
	`{"type":"Lowercase"}`,
	`{"type":"NFC"}`,
	`{"type":"NFD"}`,
	`{"type":"NFKC"}`,
	`{"type":"NFKD"}`,
	`{"type":"Nmt"}`,
	`{"type":"Precompiled","precompiled_charsmap":"@custom"}`,
	`{"type":"Precompiled","precompiled_charsmap":"@nmt_nfkc"}`,
	`{"type":"Prepend","prepend":"▁"}`,
	`{"type":"Prepend","prepend":""}`,
	`{"type":"Replace","pattern":{"String":" "},"content":"▁"}`,
	`{"type":"Replace","pattern":{"String":""},"content":"-"}`,
	`{"type":"Replace","pattern":{"Regex":" {2,}|(?<=a)"},"content":"▁"}`,
	`{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"},{"type":"Lowercase"}]}`,
	`{"type":"Strip","strip_left":true,"strip_right":true}`,
	`{"type":"StripAccents"}`,
}

func mustNew(t testing.TB, v string) Normalizer {
	t.Helper()
	n, err := New("normalizer", withCharsMap(t, jsontext.Value(v)))
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return n
}

func TestType(t *testing.T) {
	for _, v := range kinds {
		if n := mustNew(t, v); !strings.HasPrefix(v, `{"type":"`+n.Type()+`"`) {
			t.Errorf("%s: type %q", v, n.Type())
		}
	}
}

// TestNew: what serde refuses, and keys that are not known, which it does not look at.
func TestNew(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","normalizers":[`, 10) + `{"type":"NFC"}` + strings.Repeat(`]}`, 10)
	for _, c := range []struct{ value, want string }{
		{`null`, "normalizer: null is no normalizer"},
		{`[]`, "normalizer: json"},
		{`{}`, `normalizer: normalizer "" is not known`},
		{`{"type":"Foo"}`, `normalizer: normalizer "Foo" is not known`},
		{`{"type":"NFC","form":"D"}`, "normalizer: json"},
		{`{"type":"BertNormalizer","handle_chinese_chars":true,"lowercase":true}`, `normalizer: no "clean_text"`},
		{`{"type":"BertNormalizer","clean_text":true,"lowercase":true}`, `normalizer: no "handle_chinese_chars"`},
		{`{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true}`, `normalizer: no "lowercase"`},
		{`{"type":"Strip","strip_right":true}`, `normalizer: no "strip_left"`},
		{`{"type":"Strip","strip_left":true,"strip_right":null}`, `normalizer: no "strip_right"`},
		{`{"type":"Prepend"}`, `normalizer: no "prepend"`},
		{`{"type":"Replace","content":"b"}`, `normalizer: no "pattern"`},
		{`{"type":"Replace","pattern":"a","content":"b"}`, "normalizer: json"},
		{`{"type":"Replace","pattern":{"String":"a"}}`, `normalizer: no "content"`},
		{`{"type":"Replace","pattern":{},"content":""}`, `normalizer.pattern: needs either "String" or "Regex"`},
		{`{"type":"Replace","pattern":{"String":"a","Regex":"b"},"content":""}`, "normalizer.pattern: needs either"},
		{`{"type":"Replace","pattern":{"Regex":"("},"content":""}`, "normalizer.pattern: "},
		{`{"type":"Precompiled"}`, `normalizer: no "precompiled_charsmap"`},
		{`{"type":"Precompiled","precompiled_charsmap":"?"}`, "normalizer.precompiled_charsmap: illegal base64"},
		{`{"type":"Precompiled","precompiled_charsmap":""}`, "normalizer.precompiled_charsmap: "},
		{`{"type":"Precompiled","precompiled_charsmap":"AAQAAAAAAAA="}`, "normalizer.precompiled_charsmap: "},
		{`{"type":"Sequence"}`, `normalizer: no "normalizers"`},
		{`{"type":"Sequence","normalizers":[{"type":"NFC"},null]}`, "normalizer.normalizers[1]: null is no normalizer"},
		{`{"type":"Sequence","normalizers":[{"type":"Sequence","normalizers":[{"type":"X"}]}]}`,
			`normalizer.normalizers[0].normalizers[0]: normalizer "X" is not known`},
		{deep, "more than 8 Sequences in one another"},
	} {
		n, err := New("normalizer", jsontext.Value(c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", c.value, n, err, c.want)
		}
		var unsupported *component.UnsupportedError
		if errors.As(err, &unsupported) != (strings.Contains(c.want, "is not known") || strings.Contains(c.want, "more than")) {
			t.Errorf("%s: %T", c.value, err)
		}
	}
}

// TestNoEdit: a text that has the form already is not copied.
func TestNoEdit(t *testing.T) {
	text := []byte("plain text, of lower case. " + strings.Repeat("and more of it ", 9) + "日本")
	word := []byte("word")
	for _, c := range []struct {
		value string
		text  []byte
	}{
		{`{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"lowercase":true}`, text[:100]},
		{`{"type":"ByteLevel"}`, word},
		{`{"type":"Lowercase"}`, text},
		{`{"type":"NFC"}`, text},
		{`{"type":"NFD"}`, text},
		{`{"type":"NFKC"}`, text},
		{`{"type":"NFKD"}`, text},
		{`{"type":"NFC"}`, []byte("e" + strings.Repeat("\u0323", 50) + "x")}, // more marks than package norm allows
		{`{"type":"Nmt"}`, text},
		{`{"type":"Precompiled","precompiled_charsmap":"@nmt_nfkc"}`, text},
		{`{"type":"Prepend","prepend":"▁"}`, nil},
		{`{"type":"Replace","pattern":{"String":"zz"},"content":"▁"}`, text},
		{`{"type":"Replace","pattern":{"Regex":"z+"},"content":"▁"}`, text},
		{`{"type":"Strip","strip_left":true,"strip_right":true}`, text},
		{`{"type":"StripAccents"}`, text},
	} {
		n := mustNew(t, c.value)
		if c.value == `{"type":"NFC"}` && len(c.text) < len(text) && c.text[0] == 'e' {
			c.text = []byte("x" + strings.Repeat("\u0323", 50)) // x takes none of them
		}
		var some aligned.Text
		some.Set(c.text, 0, true)
		if err := n.Normalize(&some); err != nil {
			t.Fatal(err)
		}
		if string(some.B) != string(c.text) || len(c.text) > 0 && &some.B[0] != &c.text[0] {
			t.Errorf("%s: edited", c.value)
		}
	}
}

// TestAllocs: in the long run nothing is allocated, whether texts change or not.
func TestAllocs(t *testing.T) {
	texts := [][]byte{
		[]byte("Plain text with Two  Spaces, and a tab:\t."),
		[]byte("Ünïcödé e\u0301 한국어 \u1100\u1161 日本語、ﬁ ①\u0327\u0301 İ ｶﾞ\r\n"),
	}
	for _, v := range kinds {
		n := mustNew(t, v)
		var some aligned.Text
		run := func() {
			for _, text := range texts {
				some.Set(text, 0, true)
				if err := n.Normalize(&some); err != nil {
					t.Fatal(err)
				}
			}
		}
		run()
		run()
		if a := testing.AllocsPerRun(100, run); a > 0 && !underRace {
			t.Errorf("%s: %v allocations", v, a)
		}
	}
}

// TestLong: a hostile text takes no more than its length asks for.
func TestLong(t *testing.T) {
	const size = 1 << 16
	var texts [][]byte
	for _, s := range []string{"a", " ", "\u0301", "\u0301\u0323", "\u0344", "\u1161", "가\u11a8", "ﷺ", "\u00a9\u200d", "\U0001f1e6", "é", "\x80",
		"\xe3\x81", "a\u0301", "\r\n", "क्"} {
		texts = append(texts, []byte(strings.Repeat(s, size/len(s))))
	}
	for _, v := range kinds {
		n := mustNew(t, v)
		var some aligned.Text
		for _, text := range texts {
			some.Set(text, 0, false)
			if err := n.Normalize(&some); err != nil {
				t.Fatal(err)
			}
			if len(some.B) > 40*size {
				t.Errorf("%s: %q...: %d bytes", v, text[:4], len(some.B))
			}
		}
	}
}

// TestShared runs one normalizer in two goroutines.
func TestShared(t *testing.T) {
	n := mustNew(t, `{"type":"Replace","pattern":{"Regex":"b+"},"content":"-"}`)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			var some aligned.Text
			for range 1000 {
				some.Set([]byte("abba bb"), 0, true)
				if err := n.Normalize(&some); err != nil || string(some.B) != "a-a -" {
					t.Errorf("%q, %v", some.B, err)
				}
			}
		})
	}
	group.Wait()
}

// law: as many spans as bytes, inside the text, rising, and, if the text was UTF-8, the same for all bytes of a
// character. (Where not, what stood between two bytes may be gone, and they are a character now.)
func law(t *testing.T, what string, some *aligned.Text, from, to int, valid bool) {
	t.Helper()
	if len(some.Of) != len(some.B) {
		t.Fatalf("%s: %d spans of %d bytes", what, len(some.Of), len(some.B))
	}
	last := aligned.Span{From: int32(from), To: int32(from)}
	for i := 0; i < len(some.B); {
		n := 1
		if valid {
			_, n = utf8.DecodeRune(some.B[i:])
		}
		s := some.Of[i]
		if s.From < last.From || s.To < last.To || s.To < s.From || int(s.To) > to {
			t.Fatalf("%s: byte %d of %+q: %v behind %v", what, i, some.B, s, last)
		}
		for _, other := range some.Of[i : i+n] {
			if other != s {
				t.Fatalf("%s: character at %d of %+q: %v and %v", what, i, some.B, s, other)
			}
		}
		last = s
		i += n
	}
}

func FuzzNormalize(f *testing.F) {
	var all []Normalizer
	for _, v := range kinds {
		all = append(all, mustNew(f, v))
	}
	for _, s := range []string{"", "Plain", " a\tb ", "e\u0301\u0323", "\xc3a\x80\xe3\x81", "가\u11a8\u1161", "ﬁﷺ①", "\u0301", "\xff\u0301\xff", "abc\r\nd e\u0301",
		"\U00011935\U00011930", "\xf0\x9f\x98"} {
		f.Add([]byte(s), byte(0))
	}
	f.Fuzz(func(t *testing.T, text []byte, base byte) {
		if len(text) > 1<<10 {
			return
		}
		var some aligned.Text
		for i, n := range all {
			some.Set(text, int(base), false)
			if err := n.Normalize(&some); err != nil {
				continue // too many steps
			}
			plain := string(some.B)
			if utf8.Valid(text) && !utf8.Valid(some.B) {
				t.Fatalf("%s: %+q becomes %+q", kinds[i], text, plain)
			}
			some.Set(text, int(base), true)
			if err := n.Normalize(&some); err != nil {
				t.Fatal(err)
			}
			if string(some.B) != plain {
				t.Fatalf("%s: %+q: %+q without offsets, %+q with", kinds[i], text, plain, some.B)
			}
			law(t, kinds[i], &some, int(base), int(base)+len(text), utf8.Valid(text))
		}
	})
}

func FuzzNew(f *testing.F) {
	for _, v := range kinds {
		if !strings.Contains(v, "@nmt_nfkc") { // of 300 KB
			f.Add(string(withCharsMap(f, jsontext.Value(v))))
		}
	}
	f.Add(`{"type":"Sequence","normalizers":[{"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"Regex":"^"},"content":"\u0301"},{"type":"NFC"}]}]}`)
	f.Fuzz(func(t *testing.T, v string) {
		n, err := New("normalizer", jsontext.Value(v))
		if err != nil {
			return
		}
		var some aligned.Text
		some.Set([]byte("A téxt\r\n, e\u0301 日  ab"), 3, true)
		if err := n.Normalize(&some); err == nil && len(some.Of) != len(some.B) {
			t.Errorf("%d spans of %d bytes", len(some.Of), len(some.B))
		}
	})
}
