package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/tokenize"
)

// wholeText is a pre-tokenizer that cuts nothing: each text is a word.
const wholeText = `{"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}}`

// randomBase trains a tokenizer and spoils it: merges are taken out, so that merges no longer lead to some tokens, it
// gets added tokens within and behind its vocabulary, and its file one of several forms.
func randomBase(t testing.TB, rng *rand.Rand, words []counted) []byte {
	t.Helper()
	pre, err := PreTokenizerOf([]byte(wholeText))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{VocabSize: 258 + rng.IntN(30), Special: []string{"<s>", "<e>"}, Ties: Ties()[rng.IntN(2)]}
	m, err := Train(wordsOf(t, words), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.AppendJSON(nil, pre)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	model := file["model"].(map[string]any)
	merges := model["merges"].([]any)
	for range rng.IntN(6) {
		if n := len(merges); n > 0 {
			i := rng.IntN(n)
			merges = slices.Delete(merges, i, i+1)
		}
	}
	vocab := model["vocab"].(map[string]any)
	size := len(vocab)
	if _, ok := vocab["ababab"]; !ok && rng.IntN(2) == 0 { // a token that no merge makes
		vocab["ababab"] = size
		size++
	}
	model["ignore_merges"] = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		for i, m := range merges {
			left, right, _ := strings.Cut(m.(string), " ")
			merges[i] = []any{left, right}
		}
	}
	model["merges"] = merges
	if rng.IntN(2) == 0 {
		added := file["added_tokens"].([]any)
		for i, s := range []string{"[PAD]", "aab"} {
			id := size + i
			if known, ok := vocab[s]; ok {
				id = 0
				switch n := known.(type) {
				case int:
					id = n
				case float64:
					id = int(n)
				}
			}
			added = append(added, map[string]any{"id": id, "content": s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false})
			if id < size {
				break
			}
		}
		file["added_tokens"] = added
	}
	if rng.IntN(2) == 0 {
		raw, err = json.Marshal(file)
	} else {
		raw, err = json.MarshalIndent(file, "", "  ")
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestExtendSegments: the extended tokenizer, loaded as any other, makes of each word what the trainer saw it become,
// and has all that the base has.
func TestExtendSegments(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	reused, counted := 0, 0
	for round := range 120 {
		where := fmt.Sprintf("seed %d, round %d", seed, round)
		raw := randomBase(t, rng, randomWords(rng))
		b, err := ReadBase(raw)
		if err != nil {
			t.Fatalf("%s: %v in\n%s", where, err, raw)
		}
		// As the stage does: pieces between added tokens.
		seen := map[string]uint64{}
		for _, w := range randomWords(rng) {
			if err := b.tokenizer.NewEncoder(tokenize.Options{}).Pieces([]byte(w.word), func(p []byte) { seen[string(p)] += w.count }); err != nil {
				t.Fatal(err)
			}
		}
		var words Words
		for w, n := range seen {
			if err := words.Add([]byte(w), n); err != nil {
				t.Fatal(err)
			}
		}
		cfg := ExtendConfig{Add: 1 + rng.IntN(40), MinFrequency: uint64(rng.IntN(3)), MaxTokenLength: []int{0, 0, 4}[rng.IntN(3)]}
		x, err := b.extend(&words, cfg, nil)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		reused += len(x.Merges) - len(x.Tokens)
		out, err := x.AppendJSON(nil)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		tok, err := tokenize.Load(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("%s: %v in\n%s", where, err, out)
		}
		e, old := tok.NewEncoder(tokenize.Options{}), b.tokenizer.NewEncoder(tokenize.Options{})
		var before, after uint64
		for w := range uint32(words.Len()) {
			text := words.word(w)
			ids, err := e.Append(nil, text)
			if err != nil {
				t.Fatal(err)
			}
			var got []int32
			for at := x.at(w); x.nodes[at].symbol != border; at += int(x.length[x.nodes[at].symbol]) {
				got = append(got, x.nodes[at].symbol)
			}
			if fmt.Sprint(ids) != fmt.Sprint(got) {
				t.Fatalf("%s: %q becomes %v, and the trainer has %v; base\n%s", where, text, ids, got, raw)
			}
			after += words.counts[w] * uint64(len(ids))
			if ids, err = old.Append(nil, text); err != nil {
				t.Fatal(err)
			}
			before += words.counts[w] * uint64(len(ids))
		}
		if x.Before != before || x.After != after || x.After > x.Before {
			t.Fatalf("%s: tokens %d and %d, counted %d and %d", where, x.Before, x.After, before, after)
		}
		if tok.Info().VocabSize != b.Size()+len(x.Tokens) {
			t.Fatalf("%s: %d entries, %d and %d", where, tok.Info().VocabSize, b.Size(), len(x.Tokens))
		}
		for i := range x.Tokens {
			counted++
			var text []byte
			for _, id := range x.AppendInit(nil, i) {
				if int(id) >= b.Size() {
					t.Fatalf("%s: token %d begins as %d, which is new", where, i, id)
				}
				text = append(text, unspelled(b.spelled[id])...)
			}
			if want := unspelled(x.Tokens[i].Token); !bytes.Equal(text, want) {
				t.Fatalf("%s: token %d is %q and made of %q", where, i, want, text)
			}
		}
		var again *Extension
		shuffled := &Words{}
		for _, i := range rng.Perm(words.Len()) {
			if err := shuffled.Add(words.word(uint32(i)), words.counts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if again, err = b.Extend(shuffled, cfg, nil); err != nil || !slices.Equal(again.Tokens, x.Tokens) || !slices.Equal(again.Merges, x.Merges) {
			t.Fatalf("%s: another extension for words in another order: %v", where, err)
		}
	}
	t.Logf("%d new tokens, %d merges that make old ones", counted, reused)
	if reused == 0 || counted == 0 {
		t.Errorf("seed %d: %d new tokens, %d merges that make old ones: the cases are too tame", seed, counted, reused)
	}
}
