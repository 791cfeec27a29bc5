package tokenize

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// nested is so many Sequences in one another.
func nested(key string, depth int) string {
	return strings.Repeat(`{"type":"Sequence","`+key+`":[`, depth) + strings.Repeat(`]}`, depth)
}

func TestLoadErrors(t *testing.T) {
	split := func(rest string) string {
		return `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":` + rest + `},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}`
	}
	for _, c := range []struct {
		edits       []string
		want        string
		unsupported bool
	}{
		{[]string{`"normalizer":null`, `"normalizer":{"type":"NFKX"}`}, `normalizer: normalizer "NFKX" is not known`, true},
		{[]string{`"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"X"}]}`}, `normalizer.normalizers[1]: normalizer "X"`, true},
		{[]string{`"normalizer":null`, `"normalizer":{"type":"ByteLevel"}`}, `pre_tokenizer: ByteLevel in both the normalizer and the pre-tokenizer`, true},
		{[]string{smallPre, `{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Metaspace","replacement":"▁"}]}`}, `pre_tokenizer: Metaspace behind ByteLevel`, true},
		{[]string{smallPre, `{"type":"X"}`}, `pre_tokenizer: pre-tokenizer "X"`, true},
		{[]string{smallPre, split(`{"Regex":"\\s+("},"behavior":"Isolated","invert":false`)}, `pre_tokenizer.pretokenizers[0].pattern`, true},
		{[]string{smallPost, `"post_processor":{"type":"X"}`}, `post_processor: post-processor "X"`, true},
		{[]string{smallPost, `"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"x":{"id":"x","ids":[999],"tokens":["x"]}}}`}, `"x" has id 999, which is no token`, false},
		{[]string{`"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`, `"decoder":{"type":"X"}`}, `decoder: decoder "X"`, true},
		{[]string{`"normalizer":null`, `"normalizer":` + nested("normalizers", 40)}, `more than 8 Sequences in one another`, true},
		{[]string{`"BPE"`, `"X"`}, `model: model "X"; known are BPE, Unigram, WordLevel, WordPiece`, true},
		{[]string{`"dropout":null`, `"dropout":0.1`}, `model.dropout: `, true},
		{[]string{`"dropout":null`, `"unheard_of":1`}, `unheard_of`, false},
		{[]string{`"er":259`, `"er":-1`}, `model.vocab: "er" has the id -1; want a whole number below 2097151`, false},
		{[]string{`"er":259`, `"er":9999999`}, `model.vocab: "er" has the id 9999999`, false},
		{[]string{`"e r"`, `"e r x"`}, `model.merges[3]: "e r x"; want two tokens and a space`, false},
		{[]string{`"e r"`, `["e"]`}, `model.merges[3]: want two tokens`, false},
		{[]string{`"e r"`, `["e","r","x"]`}, `model.merges[3]: want two tokens`, false},
		{[]string{`"e r"`, `7`}, `[3]: want a string or an array`, false},
		{[]string{`"e r"`, `"e zz"`}, `model.merges[3]: "zz" is not in the vocabulary`, false},
		{[]string{`"e r"`, `"e s"`}, `model: merge 3: "e" and "s" make "es", which is no token`, false},
		{[]string{`"id":261,`, ``}, `added_tokens[0]: no id`, false},
		{[]string{smallAdded, smallAdded + "," + strings.Replace(smallAdded, "true", "false", 1)}, `added_tokens[1]: "<|endoftext|>" stands twice, and not the same`, false},
		{[]string{`"normalizer":null`, `"normalizer":{"type":"Strip","strip_left":true,"strip_right":true}`, smallAdded, smallAdded + `,{"id":262,"content":"  ","normalized":true,"special":false}`}, `added_tokens[1]: "  " is nothing once it is normalized`, true},
		{[]string{`"model":`, `"modell":`}, `not a tokenizer.json`, false},
		{[]string{`{"version"`, `["version"`}, `not a tokenizer.json`, false},
	} {
		_, err := Load(strings.NewReader(small(t, c.edits...)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.edits, err, c.want)
		}
		var u *UnsupportedError
		if errors.As(err, &u) != c.unsupported {
			t.Errorf("%q: %v: unsupported should be %v", c.edits, err, c.unsupported)
		}
	}
	for _, c := range []struct{ file, want string }{
		{"", "the file is empty"}, {"{}", `it has no "model"`}, {"null", `it has no "model"`}, {"{", "not a tokenizer.json"},
		{`{"model":[]}`, "model: "},
	} {
		if _, err := Load(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.file, err, c.want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, []byte(small(t)), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dir} {
		if _, err := Open(path); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(file, []byte(small(t, `"BPE"`, `"X"`)), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.HasPrefix(err.Error(), file+": model: ") {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestInfo(t *testing.T) {
	in := smallTokenizer(t, small(t, `"truncation":null,"padding":null`, `"truncation":{"max_length":4},"padding":{"pad_id":0}`)).Info()
	if in.VocabSize != 262 || in.Tokens != 262 || in.Merges != 4 || in.Added != 1 || len(in.Patterns) != 1 || in.Patterns[0].Scanner != "gpt2" || in.Format != FileName {
		t.Errorf("%+v", in)
	}
	if eod := []Token{{261, "<|endoftext|>"}}; !slices.Equal(in.EOD, eod) || !slices.Equal(in.Special, eod) {
		t.Errorf("%+v", in)
	}
	if len(in.Ignored) != 2 || len(in.Fingerprint) != 64 {
		t.Errorf("%+v", in)
	}
	if in := smallTokenizer(t, small(t, `"id":261`, `"id":300`)).Info(); len(in.Ignored) != 1 || in.Special[0].ID != 261 || !strings.Contains(in.Ignored[0], `"<|endoftext|>" has id 300 in the file and is encoded as 261`) {
		t.Errorf("%+v", in)
	}
	if in.Fingerprint == smallTokenizer(t, small(t)).Info().Fingerprint {
		t.Error("two files with one fingerprint")
	}
}

// TestEncode is small files, each with one thing in it. HF tokenizers 0.23.3 gives the same ids
// for all of them.
func TestEncode(t *testing.T) {
	added := func(id int, content, flags string) string {
		f := `{"id":` + fmt.Sprint(id) + `,"content":"` + content + `","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}`
		for _, flag := range strings.Fields(flags) {
			f = strings.Replace(f, `"`+flag+`":false`, `"`+flag+`":true`, 1)
		}
		return f
	}
	template := `"post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|endoftext|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<|endoftext|>","type_id":0}}],"pair":[],"special_tokens":{"<|endoftext|>":{"id":"<|endoftext|>","ids":[261],"tokens":["<|endoftext|>"]}}}]}`
	for name, c := range map[string]struct {
		edits []string
		o     Options
		cases map[string][]uint32
	}{
		"plain": {cases: map[string][]uint32{
			"":                         nil,
			"low lower":                {257, 258, 259},
			"xlow":                     {'x', 257},
			"<|endoftext|>":            {261},
			"low<|endoftext|> low":     {257, 261, 258},
			"<|endoftex":               {'<', '|', 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x'},
			"<|<|endoftext|><|endof|>": {'<', '|', 261, '<', '|', 'e', 'n', 'd', 'o', 'f', '|', '>'},
			"é":                        {0xc3, 0xa9},
			"lower":                    {257, 259},
			"lower<|endoftext|>":       {257, 259, 261},
		}},
		"ignore_merges": {edits: []string{`"ignore_merges":false`, `"ignore_merges":true`}, cases: map[string][]uint32{
			"lower": {260}, " lower": {258, 259}, "lowerlower": {257, 259, 257, 259},
		}},
		"merges as pairs": {edits: []string{`"l o"`, `["l","o"]`, `"lo w"`, `["lo","w"]`, `"Ġ low"`, `["Ġ","low"]`, `"e r"`, `["e","r"]`}, cases: map[string][]uint32{"lower": {257, 259}}},
		"no type":         {edits: []string{`"type":"BPE",`, ``, `"unk_token":null`, `"unk_token":""`}, cases: map[string][]uint32{"lower": {257, 259}}},
		"prefix space": {edits: []string{`"add_prefix_space":false`, `"add_prefix_space":true`}, cases: map[string][]uint32{
			"":                    nil,
			"low":                 {258},
			" low":                {258},
			"\nlow":               {' ', '\n', 257},
			"low<|endoftext|>low": {258, 261, 258},
			"<|endoftext|>":       {261},
		}},
		"no regex": {edits: []string{`"use_regex":true`, `"use_regex":false`}, cases: map[string][]uint32{
			"low low": {257, 258}, "e re": {'e', ' ', 'r', 'e'},
		}},
		"special tokens added": {edits: []string{smallPost, template}, o: Options{AddSpecialTokens: true}, cases: map[string][]uint32{
			"": {261, 261}, "low": {261, 257, 261},
		}},
		"specials as text": {edits: []string{smallAdded, smallAdded + "," + added(262, "<x>", "")}, o: Options{SpecialsAsText: true}, cases: map[string][]uint32{
			"<|endoftext|><x>": {'<', '|', 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|', '>', 262},
		}},
		"longest": {edits: []string{smallAdded, smallAdded + "," + added(262, "<a", "") + "," + added(263, "<ab>", "") + "," + added(264, "b><", "")}, cases: map[string][]uint32{
			"<ab><a": {263, 262}, "<ab<ab>": {262, 'b', 263}, "ab><ab>": {'a', 264, 'a', 'b', '>'},
		}},
		"strip": {edits: []string{smallAdded, smallAdded + "," + added(262, "<L>", "lstrip") + "," + added(263, "<R>", "rstrip") + "," + added(264, "<B>", "lstrip rstrip")}, cases: map[string][]uint32{
			"a \n<L> b":     {'a', 262, ' ', 'b'},
			"a <R> \u00a0b": {'a', ' ', 263, 'b'},
			"<R>  <L>":      {263, 262},
			"a <B> <B> b":   {'a', 264, 264, 'b'},
			" <B> ":         {264},
		}},
		// Of HF tokenizers 0.23.3, but for the last: there it panics.
		"strip taken by the one before": {edits: []string{smallAdded, smallAdded + "," + added(262, "\\n", "lstrip") + "," + added(263, "<R>", "rstrip") + "," + added(264, "\\r ", "lstrip rstrip")}, cases: map[string][]uint32{
			"<R>\u0085\n": {263}, "<R>\na": {263, 'a'}, "a\n<R>\n\u3000b": {'a', 262, 263, 'b'}, "x\r \r y": {'x', 264, 'y'}, "<R>\n\u0085\nx": {263, 'x'},
		}},
		"rstrip and the next one overlap": {edits: []string{smallAdded, smallAdded + "," + added(262, "\\n", "rstrip") + "," + added(263, "<R>", "rstrip")}, cases: map[string][]uint32{
			"<R>\n\na": {263, 262, 262, 'a'},
		}},
		"twice and empty": {edits: []string{smallAdded, smallAdded + "," + smallAdded + "," + added(7, "", "") + "," + added(262, "<x>", "")}, cases: map[string][]uint32{
			"<x><|endoftext|>": {262, 261},
		}},
		"letter of Unicode 16 behind a single word": {edits: []string{smallAdded, added(261, "[A]", "single_word")}, cases: map[string][]uint32{
			"[A]!": {261, '!'}, "[A]\U00010d4c": {'[', 'A', ']', 0xf0, 0x90, 0xb5, 0x8c},
		}},
		"a normalizer that is nothing": {edits: []string{`"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[]}`}, cases: map[string][]uint32{
			"e\u0301": {'e', 0xcc, 0x81},
		}},
		"normalized": {
			edits: []string{`"normalizer":null`, `"normalizer":{"type":"NFC"}`, smallAdded, smallAdded + "," + added(262, "é!", "normalized") + "," + added(263, "e\u0300", "")},
			cases: map[string][]uint32{
				"é!": {262}, "e\u0301!x": {262, 'x'}, "e\u0300!": {263, '!'}, "a\u0301": {0xc3, 0xa1},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tok := smallTokenizer(t, small(t, c.edits...))
			e := tok.NewEncoder(c.o)
			for text, want := range c.cases {
				if got := must(e.Append(nil, []byte(text))); !slices.Equal(got, want) {
					t.Errorf("%q: %v, want %v", text, got, want)
				}
			}
		})
	}
}

// TestNoNormalizers: a Sequence of none is not NFC.
func TestNoNormalizers(t *testing.T) {
	for _, c := range []struct{ normalizer, text, want string }{
		{`{"type":"Sequence","normalizers":[]}`, "e\u0301", "[101 204 129]"},
		{`{"type":"Sequence","normalizers":[{"type":"NFC"}]}`, "e\u0301", "[195 169]"},
	} {
		tok := smallTokenizer(t, small(t, `"normalizer":null`, `"normalizer":`+c.normalizer))
		if tok.short == nil {
			t.Errorf("%s: not the short way", c.normalizer)
		}
		if got := fmt.Sprint(must(tok.NewEncoder(Options{}).Append(nil, []byte(c.text)))); got != c.want {
			t.Errorf("%s: %s, want %s", c.normalizer, got, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	tok := smallTokenizer(t, small(t, smallAdded, smallAdded+`,{"id":262,"content":"a b","special":false},{"id":263,"content":"Ġx","special":false}`))
	// A token whose characters are all of the alphabet stands for their bytes, also if it was added (as in HF).
	if got := string(tok.AppendDecoded([]byte("="), []uint32{258, 259, 262, 263, 9999, 261})); got != "= lowera b x<|endoftext|>" {
		t.Errorf("%q", got)
	}
	if id, ok := tok.ID("a b"); !ok || id != 262 || tok.Special(262) || !tok.Special(261) {
		t.Error(id, ok)
	}
	if _, ok := tok.ID("b"); ok {
		t.Error("b is no added token")
	}
}

// TestDecodeTaken is an added token whose number, as HF tokenizers counts, a token of the model has, too.
func TestDecodeTaken(t *testing.T) {
	tok := smallTokenizer(t, small(t, `"lower":260`, `"lower":261`, `"id":261`, `"id":400`))
	if ids := must(tok.NewEncoder(Options{}).Append(nil, []byte("x<|endoftext|>"))); !slices.Equal(ids, []uint32{'x', 261}) || tok.Decode(ids, DecodeOptions{}) != "x<|endoftext|>" {
		t.Errorf("%v: %q", ids, tok.Decode(ids, DecodeOptions{}))
	}
}

// TestNoAllocations holds for texts whose pieces have come before, and for those of a text of the same words.
func TestNoAllocations(t *testing.T) {
	e := gpt2(t).NewEncoder(Options{})
	text := []byte(strings.Repeat("The quick brown fox jumps over 12345 lazy dogs' internationalizations.\n\n", 20) + "<|endoftext|>")
	ids := make([]uint32, 0, 4*len(text))
	ids = must(e.Append(ids[:0], text))
	if n := testing.AllocsPerRun(20, func() { ids = must(e.Append(ids[:0], text)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzLoad wants an error or a tokenizer that works, and no more memory than the file gives reason for.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(small(f)))
	f.Add([]byte(small(f, `"e r"`, `["e","r"]`, `"normalizer":null`, `"normalizer":{"type":"NFC"}`)))
	f.Add([]byte(`{"model":{"vocab":{"a":2097150},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"}}`))
	f.Add([]byte(`{"config":{"pattern":"\\s+|\\S+","default_vocab_size":5,"default_num_special_tokens":2,"version":"v3"},"vocab":[{"rank":0,"token_bytes":"YQ=="},{"rank":1,"token_bytes":"YWE="},{"rank":2,"token_bytes":"YmI="}],"special_tokens":[{"rank":1,"token_str":"<s>","is_control":true}]}`))
	f.Add([]byte("YQ== 0\nYg== 1\nYWI= 2\n"))
	f.Add([]byte("\n\f\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n\x0b\n\x04\xe2\x96\x81a\x15\x00\x00\x80\xbf"))
	for _, parts := range [][]string{ // model, normalizer, pre-tokenizer, post-processor, decoder
		{`{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],["▁",-1],["lo",-2.5],["<0x41>",-3],["<unk>",-3]]}`, `{"type":"Sequence","normalizers":[{"type":"Nmt"},{"type":"Strip","strip_left":true,"strip_right":false}]}`, `{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}`, `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"x":{"id":"x","ids":[1],"tokens":["x"]}}}`, `{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}`},
		{`{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":9,"vocab":{"[UNK]":0,"lo":1,"##w":2}}`, `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`, `{"type":"BertPreTokenizer"}`, `{"type":"Sequence","processors":[{"type":"BertProcessing","sep":["a",0],"cls":["b",1]},{"type":"ByteLevel"}]}`, `{"type":"WordPiece","prefix":"##","cleanup":true}`},
		{`{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"low":1}}`, `{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"Regex":"\\s+|x*"},"content":"▁"},{"type":"NFKC"}]}`, `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?=[A-Z])| "},"behavior":"MergedWithNext","invert":false},{"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"Contiguous"}]}`, `{"type":"RobertaProcessing","sep":["a",0],"cls":["b",1],"trim_offsets":true,"add_prefix_space":true}`, `{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}`},
		{`{"type":"BPE","unk_token":"u","fuse_unk":true,"byte_fallback":true,"end_of_word_suffix":"</w>","vocab":{"u":0,"l":1,"o":2,"lo":3,"w</w>":4,"<0xC3>":5},"merges":[["l","o"]]}`, `null`, `null`, `null`, `{"type":"BPEDecoder","suffix":"</w>"}`},
	} {
		f.Add([]byte(`{"version":"1.0","added_tokens":[{"id":5,"content":"<|endoftext|>","lstrip":true,"rstrip":true,"single_word":true,"normalized":true,"special":true}],"normalizer":` + parts[1] + `,"pre_tokenizer":` + parts[2] + `,"post_processor":` + parts[3] + `,"decoder":` + parts[4] + `,"model":` + parts[0] + `}`))
		f.Add([]byte(`{"version":"1.0","added_tokens":[],"normalizer":` + parts[1] + `,"pre_tokenizer":` + parts[2] + `,"post_processor":` + parts[3] + `,"decoder":` + parts[4] + `,"model":` + parts[0] + `}`))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		tok, err := read(file, "", "")
		if err != nil && isRanks(file) {
			tok, err = read(file, "", "r50k")
		}
		if err != nil {
			return
		}
		text := []byte("low lower <|endoftext|>é\n")
		e := tok.NewEncoder(Options{AddSpecialTokens: true})
		ids, err := e.Append(nil, text)
		with, spans, err2 := e.AppendOffsets(nil, nil, text)
		if (err == nil) != (err2 == nil) || !slices.Equal(ids, with) || len(spans) != len(with) {
			t.Fatalf("%v %v, with offsets %v %v", ids, err, with, err2)
		}
		for _, s := range spans {
			if s.From > s.To || int(s.To) > len(text) {
				t.Fatalf("offsets %v", spans)
			}
		}
		tok.Decode(ids, DecodeOptions{})
	})
}

// FuzzEncode decodes what was encoded.
func FuzzEncode(f *testing.F) {
	tok := gpt2(f)
	e := tok.NewEncoder(Options{})
	asText := tok.NewEncoder(Options{SpecialsAsText: true})
	f.Add("Hello world<|endoftext|>  'll \u00e9\U0001f600\n\n")
	f.Add("\xff\xfe\xe2\x80")
	f.Add(strings.Repeat("ab", 100))
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range []*Encoder{e, asText} {
			ids := must(e.Append(nil, []byte(text)))
			if got := string(tok.AppendDecoded(nil, ids)); got != text {
				t.Fatalf("%q decodes to %q", text, got)
			}
			if again := must(tok.NewEncoder(e.o).Append(nil, []byte(text))); !slices.Equal(again, ids) {
				t.Fatalf("%q: %v, and %v from a new encoder", text, ids, again)
			}
		}
	})
}
