package normalizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"curate/tokenize/aligned"
)

func unpack(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if data, err = z.DecodeAll(data, nil); err != nil {
		t.Fatal(file, err)
	}
	return data
}

// withCharsMap puts the blobs of charsmaps.json.zst where a component names one.
func withCharsMap(t testing.TB, v jsontext.Value) jsontext.Value {
	t.Helper()
	if !bytes.Contains(v, []byte(`"@`)) {
		return v
	}
	var maps map[string]string
	if err := json.Unmarshal(unpack(t, "testdata/charsmaps.json.zst"), &maps); err != nil {
		t.Fatal(err)
	}
	for name, blob := range maps {
		v = bytes.ReplaceAll(v, []byte(`"@`+name+`"`), []byte(`"`+blob+`"`))
	}
	return v
}

// answer is what the reference made of a text: 0 if it left it as it is, or the text and, for each of its characters,
// in characters of the original, how far it begins behind the one before it, and how long it is.
type answer struct {
	text  string
	spans []int
}

func (a *answer) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&a.text, &a.spans})
}

// check compares what n makes of text with want; nil is text itself.
func check(n Normalizer, t *aligned.Text, text string, want *answer) error {
	t.Set([]byte(text), 0, false)
	if err := n.Normalize(t); err != nil {
		return err
	}
	plain := string(t.B)
	t.Set([]byte(text), 0, true)
	if err := n.Normalize(t); err != nil {
		return err
	}
	if plain != string(t.B) {
		return fmt.Errorf("%+q: %+q without offsets, %+q with", text, plain, t.B)
	}
	wanted := text
	if want != nil {
		wanted = want.text
	}
	if string(t.B) != wanted {
		return fmt.Errorf("%+q: %+q, want %+q", text, t.B, wanted)
	}
	var starts []int // of the characters of text
	for i := range text {
		starts = append(starts, i)
	}
	starts = append(starts, len(text))
	at, i := 0, 0
	for b, r := range wanted {
		from, to := i, i+1
		if want != nil {
			from = at + want.spans[2*i]
			to = from + want.spans[2*i+1]
		}
		at = from
		i++
		span := aligned.Span{From: int32(starts[from]), To: int32(starts[to])}
		for _, of := range t.Of[b : b+utf8.RuneLen(r)] {
			if of != span {
				return fmt.Errorf("%+q: in %+q %+q at %d stands for %v, want %v", text, wanted, r, b, of, span)
			}
		}
	}
	return nil
}

// TestGolden compares with what HF tokenizers 0.23.3 made of hostile and random texts; see testdata/README.md.
func TestGolden(t *testing.T) {
	file := "testdata/golden.jsonl.zst"
	lines := strings.Split(strings.TrimSpace(string(unpack(t, file))), "\n")
	var head struct{ Configs []jsontext.Value }
	if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
		t.Fatal(err)
	}
	all := make([]Normalizer, len(head.Configs))
	for i, v := range head.Configs {
		var err error
		if all[i], err = New("normalizer", withCharsMap(t, v)); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	var scratch aligned.Text
	bad := make([]int, len(all))
	for _, line := range lines[1:] {
		var row struct {
			T string
			A []jsontext.Value
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		for i, n := range all {
			var want *answer
			if v := row.A[i]; v.Kind() != '0' {
				want = new(answer)
				if err := json.Unmarshal(v, want); err != nil {
					t.Fatal(err)
				}
			}
			if err := check(n, &scratch, row.T, want); err != nil {
				if bad[i]++; bad[i] <= 5 {
					t.Errorf("%s: %v", head.Configs[i], err)
				}
			}
		}
	}
	for i, n := range bad {
		if n > 5 {
			t.Errorf("%s: %d texts in all", head.Configs[i], n)
		}
	}
}
