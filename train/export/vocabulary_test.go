package export

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/gguf"
	"curate/tokenize"
)

const smallTokenizer = "../../tokenize/testdata/small/tokenizer.json"

// folder writes files into a folder of their own.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func keysOf(pairs []gguf.Pair) map[string]any {
	m := map[string]any{}
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m
}

// edited is the small tokenizer with its parts changed.
func edited(t *testing.T, change func(f map[string]any)) string {
	t.Helper()
	b, err := os.ReadFile(smallTokenizer)
	if err != nil {
		t.Fatal(err)
	}
	f := map[string]any{}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	change(f)
	if b, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestVocabulary: each id has the token that the tokenizer gives it, and rows that it does not fill are unused.
func TestVocabulary(t *testing.T) {
	b, err := os.ReadFile(smallTokenizer)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Open(smallTokenizer)
	if err != nil {
		t.Fatal(err)
	}
	size := tok.Info().VocabSize
	dir := folder(t, map[string]string{"tokenizer.json": string(b), "chat_template.jinja": "{{ messages[0].content }}"})
	pairs, notes, err := Vocabulary(dir, size+2, Extra{BOS: -1, EOS: 3, MoreEOS: []int{7}, Pad: 5})
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	m := keysOf(pairs)
	tokens, types := m["tokenizer.ggml.tokens"].([]string), m["tokenizer.ggml.token_type"].([]int32)
	if len(tokens) != size+2 || len(types) != size+2 || tokens[size] != "[PAD"+itoa(size)+"]" || types[size] != tokenUnused || types[size-1] == tokenUnused {
		t.Errorf("%d tokens, %d types, %q", len(tokens), len(types), tokens[size])
	}
	for _, s := range tok.Info().Special {
		if tokens[s.ID] != s.Content || types[s.ID] != tokenControl {
			t.Errorf("%d is %q of type %d, and should be %q", s.ID, tokens[s.ID], types[s.ID], s.Content)
		}
	}
	for id := range size {
		want := tok.Decode([]uint32{uint32(id)}, tokenize.DecodeOptions{})
		if plain := strings.ReplaceAll(tokens[id], "Ġ", " "); isASCII(plain) && plain != want {
			t.Errorf("%d is %q, and decodes to %q", id, tokens[id], want)
		}
	}
	if len(m["tokenizer.ggml.merges"].([]string)) != tok.Info().Merges {
		t.Error("other merges")
	}
	want := map[string]any{
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.bos_token_id": uint32(261), "tokenizer.ggml.eos_token_id": uint32(3), "tokenizer.ggml.eot_token_id": uint32(7),
		"tokenizer.ggml.padding_token_id": uint32(5), "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": false, "tokenizer.chat_template": "{{ messages[0].content }}",
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if m[key] != want[key] {
			t.Errorf("%s is %v, want %v", key, m[key], want[key])
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 126 || r < 32 })
}

// TestPreTokenizers: tokenizers cut text under the name that llama.cpp has for it, which also says what ignore_merges does.
func TestPreTokenizers(t *testing.T) {
	scanner := func(regex string) func(f map[string]any) {
		return func(f map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{
				map[string]any{"type": "Split", "pattern": map[string]any{"Regex": regex}, "behavior": "Isolated", "invert": false},
				map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
			}}
		}
	}
	const (
		cl100k = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
		qwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	)
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	for _, x := range []struct {
		pre, note, err string
		change         func(f map[string]any)
	}{
		{"gpt-2", "", "", func(f map[string]any) { f["pre_tokenizer"] = byteLevel }},
		{"dbrx", "", "", scanner(cl100k)},
		{"llama-bpe", "", "", func(f map[string]any) {
			scanner(cl100k)(f)
			f["model"].(map[string]any)["ignore_merges"] = true
		}},
		{"qwen2", "ignore_merges", "", func(f map[string]any) {
			scanner(qwen2)(f)
			f["model"].(map[string]any)["ignore_merges"] = true
		}},
		{"qwen2", "NFC", "", func(f map[string]any) {
			scanner(qwen2)(f)
			f["normalizer"] = map[string]any{"type": "NFC"}
		}},
		{"gpt-2", "added tokens", "", func(f map[string]any) {
			f["pre_tokenizer"] = byteLevel
			f["added_tokens"].([]any)[0].(map[string]any)["lstrip"] = true
		}},
		{"", "", "llama.cpp has no name for how the tokenizer cuts text", scanner(`\p{L}+|.`)},
		{"", "", "no normalizer such as the tokenizer's, Lowercase", func(f map[string]any) { f["normalizer"] = map[string]any{"type": "Lowercase"} }},
		{"", "", "add_prefix_space", func(f map[string]any) { f["pre_tokenizer"] = map[string]any{"type": "ByteLevel"} }},
	} {
		dir := folder(t, map[string]string{"tokenizer.json": edited(t, x.change)})
		pairs, notes, err := Vocabulary(dir, 600, Extra{BOS: -1, EOS: 1, Pad: -1})
		if x.err != "" {
			if err == nil || !strings.Contains(err.Error(), x.err) {
				t.Errorf("%v, want %q", err, x.err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if pre := keysOf(pairs)["tokenizer.ggml.pre"]; pre != x.pre {
			t.Errorf("%v, want %q", pre, x.pre)
		}
		if said := strings.Join(notes, "\n"); x.note == "" && said != "" || !strings.Contains(said, x.note) {
			t.Errorf("%q, want %q", said, x.note)
		}
	}
}

// TestSentencePiece: a BPE of SentencePiece keeps its scores and types; a Unigram is refused.
func TestSentencePiece(t *testing.T) {
	// ModelProto: pieces (1) of text (1), score (2) and type (3); trainer_spec (2) with model_type (3).
	piece := func(text string, kind byte) string {
		body := "\x0a" + string(rune(len(text))) + text + "\x15\x00\x00\x80\xbf" + "\x18" + string(rune(kind))
		return "\x0a" + string(rune(len(body))) + body
	}
	pieces := piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) + piece("a", 1) + piece("\u2581a", 1) + piece("\u2581x", 4)
	bpe, unigram := pieces+"\x12\x02\x18\x02", pieces+"\x12\x02\x18\x01"
	pairs, notes, err := Vocabulary(filepath.Join(folder(t, map[string]string{"tokenizer.model": bpe}), "tokenizer.model"), 8, Extra{BOS: 1, EOS: 2, Pad: -1})
	if err != nil {
		t.Fatal(err)
	}
	m := keysOf(pairs)
	if tokens := m["tokenizer.ggml.tokens"]; !slices.Equal(tokens.([]string), []string{"<unk>", "<s>", "</s>", "a", "▁a", " x", "[PAD6]", "[PAD7]"}) {
		t.Errorf("%q", tokens)
	}
	if types := m["tokenizer.ggml.token_type"]; !slices.Equal(types.([]int32), []int32{2, 3, 3, 1, 1, 4, 5, 5}) {
		t.Error(types)
	}
	if scores := m["tokenizer.ggml.scores"]; !slices.Equal(scores.([]float32), []float32{-1, -1, -1, -1, -1, -1, -10000, -10000}) {
		t.Error(scores)
	}
	if m["tokenizer.ggml.model"] != "llama" || m["tokenizer.ggml.add_bos_token"] != true || m["tokenizer.ggml.add_space_prefix"] != true || m["tokenizer.ggml.unknown_token_id"] != uint32(0) || len(notes) != 1 {
		t.Errorf("%v %q", m, notes)
	}
	for want, dir := range map[string]string{
		"a Unigram model":             folder(t, map[string]string{"tokenizer.model": unigram}),
		"neither tokenizer.json nor":  folder(t, nil),
		"the tokenizer has 6 pieces":  folder(t, map[string]string{"tokenizer.model": bpe}),
		"no such file or directory":   filepath.Join(t.TempDir(), "none"),
		"which token ends a text":     folder(t, map[string]string{"tokenizer.json": edited(t, func(f map[string]any) { f["added_tokens"], f["post_processor"] = []any{}, nil })}),
		"a tokenizer.json of the mod": folder(t, map[string]string{"tokenizer.json": `{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"a"}}`}),
	} {
		rows := 600
		if strings.HasPrefix(want, "the tokenizer has") {
			rows = 5
		}
		if _, _, err := Vocabulary(dir, rows, Extra{BOS: -1, EOS: -1, Pad: -1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
