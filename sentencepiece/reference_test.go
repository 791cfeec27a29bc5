package sentencepiece

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// reference is a line that testdata/reference.py writes: a model, and what sentencepiece answers with it.
type reference struct {
	File    string
	Model   latin1
	Refused bool
	Special [4]int
	Cases   []struct {
		Text       latin1
		IDs        []uint32
		At         []int32 // where the tokens begin and end
		Decoded    latin1
		Any        []uint32
		AnyDecoded latin1 `json:"any_decoded"`
	}
}

// latin1 is bytes that stand in JSON as characters.
type latin1 []byte

func (l *latin1) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*l = make(latin1, 0, len(s))
	for _, r := range s {
		*l = append(*l, byte(r))
	}
	return nil
}

func eachReference(t testing.TB, f func(line int, r *reference)) {
	t.Helper()
	file := filepath.Join("testdata", "reference.jsonl.zst")
	if other := os.Getenv("CURATE_SENTENCEPIECE_REFERENCE"); other != "" {
		file = other // of another seed
	}
	n := 0
	eachLine(t, file, func(line []byte) {
		n++
		var r reference
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.File != "" {
			data, err := readFile(filepath.Join("testdata", r.File))
			if err != nil {
				t.Fatal(err)
			}
			r.Model = data
		}
		f(n, &r)
	})
	if n == 0 {
		t.Fatal(file, " is empty")
	}
}

// TestReference compares with sentencepiece 0.2.3 on random models and texts.
func TestReference(t *testing.T) {
	cases, refused, bad := 0, 0, 0
	eachReference(t, func(line int, r *reference) {
		if bad > 20 {
			return
		}
		m, err := Read(r.Model)
		if r.Refused {
			refused++
			if err == nil {
				t.Errorf("line %d: read, and should have been refused", line)
				bad++
			}
			return
		}
		if err != nil {
			t.Errorf("line %d: %v", line, err)
			bad++
			return
		}
		unk, bos, eos, pad := m.Special()
		if got := [4]int{unk, bos, eos, pad}; got != r.Special {
			t.Errorf("line %d: special %v, want %v", line, got, r.Special)
		}
		e := m.NewEncoder()
		for round := range 2 { // the second one remembers
			for i, c := range r.Cases {
				cases++
				where := []any{"line", line, "case", i, "round", round, "kind", m.kind, "cuts", m.cuts.at}
				ids := e.Append(nil, c.Text)
				if !slices.Equal(ids, c.IDs) {
					t.Errorf("%v: %q: %d, want %d", where, c.Text, ids, c.IDs)
					bad++
					continue
				}
				tokens := e.AppendTokens(nil, c.Text)
				var at []int32
				ids = ids[:0]
				for _, tok := range tokens {
					ids = append(ids, tok.ID)
					at = append(at, tok.From, tok.To)
				}
				if !slices.Equal(ids, c.IDs) || !slices.Equal(at, c.At) {
					t.Errorf("%v: %q: tokens %d at %d, want %d at %d", where, c.Text, ids, at, c.IDs, c.At)
					bad++
				}
				for _, d := range []struct {
					ids  []uint32
					want latin1
				}{{c.IDs, c.Decoded}, {c.Any, c.AnyDecoded}} {
					got, err := m.AppendDecoded([]byte("before"), d.ids)
					if err != nil || string(got) != "before"+string(d.want) {
						t.Errorf("%v: %d decoded is %q, want %q (%v)", where, d.ids, got, d.want, err)
						bad++
					}
				}
			}
		}
	})
	t.Logf("%d cases, %d models refused", cases, refused)
}

func referenceTexts(t testing.TB) (texts [][]byte) {
	eachReference(t, func(_ int, r *reference) {
		for _, c := range r.Cases {
			texts = append(texts, c.Text)
		}
	})
	return texts
}
