package model

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// hostile are models that are slow if anything is, by type. The texts fit them.
func hostile(t testing.TB) map[string]Model {
	t.Helper()
	models := map[string]Model{}
	read := func(name, text string) {
		m, err := Read("model", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		models[name] = m
	}
	// Every two runs of a become one.
	var vocab, merges []string
	for i := range 18 {
		vocab = append(vocab, fmt.Sprintf(`"%s":%d`, strings.Repeat("a", 1<<i), i))
		if i > 0 {
			merges = append(merges, fmt.Sprintf(`["%[1]s","%[1]s"]`, strings.Repeat("a", 1<<(i-1))))
		}
	}
	read("BPE", `{"type":"BPE","vocab":{`+strings.Join(vocab, ",")+`,"b":99,"<unk>":100},"merges":[`+strings.Join(merges, ",")+`],"unk_token":"<unk>"}`)
	read("BPE with a prefix", `{"type":"BPE","vocab":{"a":0,"#a":1,"aa":2,"#aa":3,"aaa":4},"merges":["a #a","#a #a","aa #a"],"continuing_subword_prefix":"#"}`)
	long := strings.Repeat("a", 100_000)
	read("WordPiece", `{"type":"WordPiece","unk_token":"b","continuing_subword_prefix":"##","max_input_chars_per_word":100000000,"vocab":{"a":0,"##a":1,"b":2,"##`+long+`b":3,"`+long+`c":4}}`)
	read("WordLevel", `{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"`+long+`":1}}`)
	read("Unigram", `{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["`+long+`b",-1],["`+long[:2000]+`",-3],["`+long[:65]+`",-2]]}`)
	return models
}

func TestLongPieces(t *testing.T) {
	texts := [][]byte{
		bytes.Repeat([]byte("a"), 1<<20),
		bytes.Repeat([]byte("ab"), 1<<17),
		bytes.Repeat([]byte("é"), 1<<17),
		bytes.Repeat([]byte{0xff, 'a'}, 1<<17),
	}
	for name, m := range hostile(t) {
		e := m.NewEncoder()
		for _, text := range texts {
			if _, err := e.AppendPiece(nil, text); err != nil {
				t.Fatal(name, err)
			}
			text = text[:1<<16]
			ids, err := e.AppendPiece(nil, text)
			if err != nil {
				t.Fatal(name, err)
			}
			tokens, err := e.AppendTokens(nil, text)
			if err != nil {
				t.Fatal(name, err)
			}
			if len(tokens) != len(ids) || len(ids) > 0 && tokens[len(tokens)-1].ID != ids[len(ids)-1] {
				t.Errorf("%s: %d ids, %d tokens", name, len(ids), len(tokens))
			}
		}
	}
	ids, err := hostile(t)["Unigram"].NewEncoder().AppendPiece(nil, texts[0][:4066])
	slices.Sort(ids)
	if want := []uint32{1, 3, 3, 4}; err != nil || !slices.Equal(ids, want) { // 2·2000 + 65 + 1
		t.Errorf("%v %v, want the ids %v", ids, err, want)
	}
}

// TestLongTokens compares the automaton with a look at every place.
func TestLongTokens(t *testing.T) {
	tokens := []string{strings.Repeat("a", 65), strings.Repeat("a", 80), strings.Repeat("ab", 40), strings.Repeat("a", 70) + "b", "a", strings.Repeat("ba", 33)}
	l, err := newLongTokens(func(f func(token []byte, id uint32) error) error {
		for id, s := range tokens {
			if err := f([]byte(s), uint32(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("a", 200) + strings.Repeat("ab", 100) + strings.Repeat("a", 66) + "b" + strings.Repeat("a", 90) + "b"
	found := 0
	for at, state := range l.states(nil, []byte(text)) {
		var got, want []uint32
		for n := l.longest(state); n != 0; n = l.shorter[n] {
			got = append(got, l.t.value[n])
		}
		for id, s := range tokens {
			if len(s) > shortToken && strings.HasPrefix(text[at:], s) {
				want = append(want, uint32(id))
			}
		}
		found += len(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("at %d: %v, want %v", at, got, want)
		}
	}
	if found < 100 {
		t.Error(found)
	}
}

func TestNoAllocations(t *testing.T) {
	pieces := [][]byte{[]byte("a"), []byte("aaaaab"), []byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")}
	models := hostile(t)
	for name, m := range models {
		e := m.NewEncoder()
		ids, tokens := make([]uint32, 0, 1000), make([]Token, 0, 1000)
		if n := testing.AllocsPerRun(10, func() {
			for _, p := range pieces {
				var err error
				if ids, err = e.AppendPiece(ids[:0], p); err != nil {
					t.Fatal(err)
				}
				if tokens, err = e.AppendTokens(tokens[:0], p); err != nil {
					t.Fatal(err)
				}
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for pieces that came before", name, n)
		}
	}
}

// TestMemoForgets gives an encoder more pieces than it can remember.
func TestMemoForgets(t *testing.T) {
	var m memo
	forgot := 0
	for i := range uint32(memoShorts) {
		piece := fmt.Appendf(nil, "%d", i)
		if i%3 == 0 {
			piece = fmt.Appendf(piece, "%040d", i)
		}
		var tokens []uint32
		for k := range i % 7 {
			tokens = append(tokens, i+k)
		}
		before := m.shorts + m.longs
		m.put(piece, tokens)
		if m.shorts+m.longs < before {
			forgot++
		}
		got, ok := m.append(nil, piece)
		if !ok || !slices.Equal(got, tokens) {
			t.Fatalf("%q: %v %v, want %v", piece, got, ok, tokens)
		}
		if n := 32*(cap(m.short)+cap(m.long)) + cap(m.keys) + 4*cap(m.results); n > memoMemory {
			t.Fatalf("it holds %d bytes, above %d", n, memoMemory)
		}
	}
	if forgot == 0 {
		t.Error("it never forgot")
	}
}
