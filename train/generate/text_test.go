package generate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"curate/tokenize"
)

// small makes a tokenizer.json of a model's vocabulary and a decoder.
func small(t *testing.T, kind, tokens, rest, decoder string) *tokenize.Tokenizer {
	t.Helper()
	var vocab strings.Builder
	for i, token := range strings.Split(tokens, " ") {
		fmt.Fprintf(&vocab, ",%q:%d", token, i)
	}
	is, err := tokenize.Load(strings.NewReader(`{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":` + decoder +
		`,"model":{"type":"` + kind + `","vocab":{` + vocab.String()[1:] + `},` + rest + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// tokenizers are one of each kind that decodes in its own way.
func tokenizers(t *testing.T) map[string]*tokenize.Tokenizer {
	t.Helper()
	tiny, err := tokenize.Open("../eval/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	bytes := "<unk> ▁a b ▁ é ▁日 ! ▁ab"
	for i := range 256 {
		bytes += fmt.Sprintf(" <0x%02X>", i)
	}
	f, err := os.Open("../../sentencepiece/testdata/test_model.model.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	spm, err := tokenize.Load(z)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*tokenize.Tokenizer{
		"byte-level": tiny,
		"byte-fallback": small(t, "BPE", bytes, `"merges":[],"unk_token":"<unk>","byte_fallback":true`,
			`{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}`),
		"metaspace":     small(t, "BPE", "▁a b ▁ c ▁b", `"merges":[]`, `{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`),
		"wordpiece":     small(t, "WordPiece", "[UNK] a b ##c ##é . ! ' do n't", `"unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100`, `{"type":"WordPiece","prefix":"##","cleanup":false}`),
		"sentencepiece": spm,
	}
}

// TestText: what comes in pieces is what all tokens together are decoded to, and each piece is whole characters.
func TestText(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for name, tok := range tokenizers(t) {
		x := NewText(tok)
		encoder := tok.NewEncoder(tokenize.Options{})
		for round := range 400 {
			var ids []uint32
			switch {
			case name == "byte-level" && round%2 == 0: // also what is no UTF-8
				for range 1 + r.IntN(30) {
					ids = append(ids, uint32(r.IntN(tok.Info().VocabSize)))
				}
			case name == "sentencepiece" || name == "byte-level" || name == "byte-fallback":
				var text strings.Builder
				for range 1 + r.IntN(30) {
					text.WriteString([]string{"a", "b", " ", "é", "日", "the", "🙂", "!", "k", "ab", "\u0301"}[r.IntN(11)])
				}
				var err error
				if ids, err = encoder.Append(nil, []byte(text.String())); err != nil {
					t.Fatal(err)
				}
			default:
				for range 1 + r.IntN(30) {
					ids = append(ids, uint32(r.IntN(tok.Info().VocabSize)))
				}
			}
			// A prompt ends with a character.
			cut := r.IntN(len(ids) + 1)
			for cut > 0 && strings.HasSuffix(tok.Decode(ids[:cut], tokenize.DecodeOptions{}), "\uFFFD") {
				cut--
			}
			prompt, want := tok.Decode(ids[:cut], tokenize.DecodeOptions{}), tok.Decode(ids, tokenize.DecodeOptions{})
			if name == "byte-level" && cut > 0 && !strings.HasPrefix(want, prompt) {
				t.Fatalf("%s: %q does not begin with %q", name, want, prompt)
			}
			x.Begin(ids[:cut])
			got := prompt
			for _, id := range ids[cut:] {
				piece := x.Add(id)
				if !utf8.ValidString(piece) || name != "byte-level" && strings.Contains(piece, "\uFFFD") {
					t.Fatalf("%s: %v: a piece is %q", name, ids, piece)
				}
				got += piece
			}
			if got += x.End(); got != want {
				t.Fatalf("%s: %v cut at %d is %q, want %q", name, ids, cut, got, want)
			}
			if end := x.End(); end != "" {
				t.Fatalf("%s: the end comes twice: %q", name, end)
			}
		}
	}
}

// TestTextHolds: a character is given with the token that makes it whole, not before and not later.
func TestTextHolds(t *testing.T) {
	for name, want := range map[string][]string{"byte-level": {"", "", "", "🙂"}, "byte-fallback": {"", "", "", "🙂"}} {
		tok := tokenizers(t)[name]
		ids, err := tok.NewEncoder(tokenize.Options{}).Append(nil, []byte("🙂"))
		if err != nil || len(ids) != 4 {
			t.Fatal(name, ids, err)
		}
		x := NewText(tok)
		x.Begin(nil)
		for i, id := range ids {
			if got := x.Add(id); got != want[i] {
				t.Errorf("%s: with token %d of 4 comes %q", name, i, got)
			}
		}
	}
	// Bytes that make no character do not hold up what follows them.
	tok := tokenizers(t)["byte-fallback"]
	x := NewText(tok)
	x.Begin(nil)
	lone, _ := tok.NewEncoder(tokenize.Options{}).Append(nil, []byte("🙂"))
	got := ""
	for range 9 {
		got += x.Add(lone[1])
	}
	if n := strings.Count(got, "\uFFFD"); n < 6 || n != utf8.RuneCountInString(got) {
		t.Errorf("nine bytes that begin nothing are %q", got)
	}
}

// TestStopper: however a text comes, it stops where the first stop begins, and only what may be one is held back.
func TestStopper(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[r.IntN(2)]
		}
		return string(b)
	}
	for range 20000 {
		text := word(r.IntN(14))
		var stops []string
		for range r.IntN(3) {
			stops = append(stops, word(1+r.IntN(4)))
		}
		// The first to be whole: that is how a text that comes letter by letter stops.
		want, wantFound := text, false
		for end := 0; end <= len(text) && !wantFound; end++ {
			for _, s := range stops {
				if strings.HasSuffix(text[:end], s) && (!wantFound || end-len(s) < len(want)) {
					want, wantFound = text[:end-len(s)], true
				}
			}
		}
		s := &stopper{stops: stops}
		got, found := "", false
		for i := 0; i < len(text) && !found; i++ {
			var out string
			out, found = s.add(text[i : i+1])
			got += out
			for _, stop := range stops {
				if strings.Contains(got, stop) {
					t.Fatalf("%q with %q gives %q", text, stops, got)
				}
			}
		}
		if !found {
			got += s.held
		}
		if got != want || found != wantFound {
			t.Fatalf("%q with %q is %q, %v, want %q, %v", text, stops, got, found, want, wantFound)
		}
	}
}
