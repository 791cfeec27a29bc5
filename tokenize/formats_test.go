package tokenize

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ranks is a tokenizer's vocabulary as a file of tiktoken's, without special tokens.
func ranks(tok *Tokenizer) string {
	var b strings.Builder
	for id := range uint32(tok.vocab.Size()) {
		if tok.vocab.Has(id) && !tok.special[id] {
			fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString(tok.vocab.Bytes(id)), id)
		}
	}
	return b.String()
}

// TestTiktoken gives the ids of GPT-2: the ranks of r50k_base are its tokens in their order.
func TestTiktoken(t *testing.T) {
	want := gpt2(t)
	dir := t.TempDir()
	named := filepath.Join(dir, "r50k_base.tiktoken")
	other := filepath.Join(dir, "mine.tiktoken")
	for _, f := range []string{named, other} {
		if err := os.WriteFile(f, []byte(ranks(want)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "50256 ranks of tiktoken") || !strings.Contains(err.Error(), "PATH#ENCODING with one of cl100k, llama3, o200k") {
		t.Error(err)
	}
	for _, path := range []string{named, other + "#r50k"} {
		tok, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		in := tok.Info()
		if in.Format != "tiktoken, r50k" || in.VocabSize != 50257 || len(in.EOD) != 1 || in.EOD[0].ID != 50256 || len(in.Patterns) != 1 || in.Patterns[0].Scanner != "gpt2" {
			t.Errorf("%+v", in)
		}
		a, b := want.NewEncoder(Options{}), tok.NewEncoder(Options{})
		n := 0
		eachLine(t, filepath.Join("testdata", "tokenize", "strings.jsonl.zst"), func(line []byte) {
			var s struct{ Text string }
			if err := json.Unmarshal(line, &s); err != nil {
				t.Fatal(err)
			}
			n++
			x, y := must(a.Append(nil, []byte(s.Text))), must(b.Append(nil, []byte(s.Text)))
			if !slices.Equal(x, y) {
				t.Errorf("%.60q: %.20v, want %.20v", s.Text, y, x)
			}
			if got := tok.Decode(y, DecodeOptions{}); got != s.Text {
				t.Errorf("%.60q decodes as %.60q", s.Text, got)
			}
		})
		if n < 1000 {
			t.Errorf("%d strings", n)
		}
	}
	a, err := Open(other + "#r50k")
	b, err2 := Open(other + "#p50k")
	if err != nil || err2 != nil || a.Info().Fingerprint == b.Info().Fingerprint {
		t.Error("two encodings with one fingerprint", err, err2)
	}
}

func TestTiktokenErrors(t *testing.T) {
	bytes256 := ""
	for b := range 256 {
		bytes256 += fmt.Sprintf("%s %d\n", base64.StdEncoding.EncodeToString([]byte{byte(b)}), b)
	}
	for _, c := range []struct{ file, encoding, want string }{
		{bytes256 + "YWI= x\n", "r50k", `line 257: "YWI= x"; want a token in base64`},
		{bytes256 + "YWI=\n", "r50k", `line 257: `},
		{bytes256 + "!!!! 256\n", "r50k", `line 257: `},
		{bytes256 + "YWI= 255\n", "r50k", `line 257: id 255 stands for both`},
		{bytes256 + "YQ== 256\n", "r50k", `line 257: "a" has both id 97 and 256`},
		{bytes256[len("AA== 0\n"):], "r50k", `no token for the byte 0x00`},
		{bytes256 + "YWI= 50256\n", "r50k", `id 50256 is "ab", where "<|endoftext|>" is expected: this is another encoding`},
		{bytes256, "", `256 ranks of tiktoken`},
	} {
		if _, err := load(strings.NewReader(c.file), "x", c.encoding); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %s", c.file[len(c.file)-20:], err, c.want)
		}
	}
}

// TestRanks compares with tiktoken's rule written out, on random ranks of two letters, where neighbours that become the
// same token overlap: of those the leftmost goes first, whatever it is made of.
func TestRanks(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 300 {
		rank := map[string]int{}
		file := ""
		put := func(s string) {
			if _, ok := rank[s]; !ok {
				file += fmt.Sprintf("%s %d\n", base64.StdEncoding.EncodeToString([]byte(s)), len(rank))
				rank[s] = len(rank)
			}
		}
		for b := range 256 {
			put(string([]byte{byte(b)}))
		}
		word := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = 'a' + byte(rng.IntN(2))
			}
			return string(b)
		}
		for range 2 + rng.IntN(20) {
			put(word(2 + rng.IntN(5)))
		}
		tok, err := load(strings.NewReader(file), "", "r50k")
		if err != nil {
			t.Fatal(err)
		}
		e := tok.NewEncoder(Options{})
		for range 50 {
			text := word(1 + rng.IntN(60)) // a piece: longer ones take the heap
			var parts []string
			for i := range text {
				parts = append(parts, text[i:i+1])
			}
			if _, ok := rank[text]; ok {
				parts = []string{text}
			}
			for {
				best, at := 1<<30, -1
				for i := 0; i+1 < len(parts); i++ {
					if r, ok := rank[parts[i]+parts[i+1]]; ok && r < best {
						best, at = r, i
					}
				}
				if at < 0 {
					break
				}
				parts[at] += parts[at+1]
				parts = slices.Delete(parts, at+1, at+2)
			}
			var want []uint32
			for _, p := range parts {
				want = append(want, uint32(rank[p]))
			}
			if got := must(e.Append(nil, []byte(text))); !slices.Equal(got, want) {
				t.Fatalf("%q with %v: %v, want %v", text, rank, got, want)
			}
		}
	}
}

// tekken is a small tekken.json: 4 special tokens, the bytes and two tokens more.
func tekken(edits ...string) string {
	var vocab []string
	for i := range 258 {
		token := []byte{byte(i)}
		if i >= 256 {
			token = []byte([]string{"lo", "low"}[i-256])
		}
		vocab = append(vocab, fmt.Sprintf(`{"rank":%d,"token_bytes":%q,"token_str":null}`, i, base64.StdEncoding.EncodeToString(token)))
	}
	f := `{"config":{"pattern":"\\p{L}+|[^\\p{L}]+","num_vocab_tokens":258,"default_vocab_size":262,"default_num_special_tokens":4,"version":"v3"},"vocab":[` +
		strings.Join(vocab, ",") + `],"image":{"size":16}}`
	for i := 0; i < len(edits); i += 2 {
		f = strings.Replace(f, edits[i], edits[i+1], 1)
	}
	return f
}

func TestTekken(t *testing.T) {
	tok := smallTokenizer(t, tekken())
	in := tok.Info()
	if in.Format != "tekken v3" || in.VocabSize != 262 || len(in.Special) != 4 || in.Special[1] != (Token{1, "<s>"}) || in.Special[3] != (Token{3, "[INST]"}) {
		t.Errorf("%+v", in)
	}
	ids := must(tok.NewEncoder(Options{AddSpecialTokens: true}).Append(nil, []byte("low [INST]lo")))
	if want := []uint32{1, 261, 4 + ' ', 3, 260}; !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
	if got := tok.Decode(ids, DecodeOptions{SkipSpecialTokens: true}); got != "low lo" {
		t.Errorf("%q", got)
	}
	tok = smallTokenizer(t, tekken(`"image"`, `"special_tokens":[{"rank":2,"token_str":"[X]","is_control":true}],"image"`))
	if got := tok.Info().Special; got[2].Content != "[X]" || got[3].Content != "<SPECIAL_3>" {
		t.Errorf("%v", got)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"default_vocab_size":262`, `"default_vocab_size":263`, `they do not fit together`},
		{`"default_vocab_size":262`, `"default_vocab_size":4`, `they do not fit together`},
		{`"default_num_special_tokens":4`, `"default_num_special_tokens":-1`, `they do not fit together`},
		{`"rank":7,`, `"rank":8,`, `vocab[7]: rank 8; want them in order`},
		{`"token_bytes":"AA=="`, `"token_bytes":"AQ=="`, `vocab[1]: `},
		{`"token_bytes":"AA=="`, `"token_bytes":"A"`, `not a tekken.json`},
		{`"token_bytes":"AA=="`, `"token_bytes":7`, `not a tekken.json`},
		{`"image"`, `"special_tokens":[{"rank":9,"token_str":"[X]"}],"image"`, `special_tokens[0]: rank 9`},
		{`"image"`, `"special_tokens":[{},{},{},{},{}],"image"`, `special_tokens: 5, where config says at most 4`},
	} {
		if _, err := Load(strings.NewReader(tekken(c.old, c.new))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
}

// TestFolder is which file of a folder is the tokenizer.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !os.IsNotExist(err) {
		t.Error(err)
	}
	for _, c := range []struct{ name, file, format string }{
		{"r50k_base.tiktoken", ranks(gpt2(t)), "tiktoken, r50k"},
		{"tekken.json", tekken(), "tekken v3"},
		{FileName, small(t), FileName},
	} {
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte(c.file), 0o666); err != nil {
			t.Fatal(err)
		}
		tok, err := Open(dir)
		if err != nil || tok.Info().Format != c.format {
			t.Errorf("%s: %v %v", c.name, tok, err)
		}
	}
}

// TestLossy has the answers of Rust's String::from_utf8_lossy.
func TestLossy(t *testing.T) {
	for in, want := range map[string]string{
		"abc": "abc", "\xff": "�", "\xff\xff": "��", "a\xe2\x82": "a�", "\xe2\x82\xacx": "€x", "\xe2\x28\xa1": "�(�", "\xf0\x9f\x98": "�", "\xf0\x9f\x98\x80": "😀",
		"\xf0\x9f\x98a": "�a", "\xed\xa0\x80": "���", "\xc0\x80": "��", "\xf4\x90\x80\x80": "����", "\xe0\x80": "��", "\xf0\x80": "��", "\xe2\x82\xe2\x82\xac": "�€", "\xc3": "�", "\x80": "�",
	} {
		if got := lossy([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
