package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"curate/stage"
	"curate/stage/stagetest"
	"curate/tokenize"
)

func baseOf(t testing.TB, name string) *Base {
	t.Helper()
	file, err := os.ReadFile("testdata/eu-1000." + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadBase(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustExtend(t testing.TB, s ExtendSettings) *Extender {
	t.Helper()
	r, err := NewExtender(s)
	if err != nil {
		t.Fatal(err)
	}
	return r.(*Extender)
}

func TestExtendStage(t *testing.T) {
	var lines [][]byte
	for _, l := range sample {
		lines = append(lines, []byte(l))
	}
	rng := rand.New(rand.NewPCG(5, 0))
	for i := range 40 {
		lines = append(lines, fmt.Appendf(nil, `{"text":%q,"id":%d}`, strings.Repeat("zuzenbide zaharra ", rng.IntN(5))+fmt.Sprint("itsasontzi", i*i%23), i))
	}
	stagetest.Reducer(t, mustExtend(t, ExtendSettings{Base: baseOf(t, "llama3"), ExtendConfig: ExtendConfig{Add: 30}}), lines)
	stagetest.Reducer(t, mustExtend(t, ExtendSettings{
		Base: baseOf(t, "qwen2"), ExtendConfig: ExtendConfig{Add: 500, MinFrequency: 2}, Counting: Counting{MaxWords: 30, Weights: []Weight{weight(t, "id=3:2.5")}},
	}), lines)
}

func resultFile(t testing.TB, ws stage.Workspace, name string) []byte {
	t.Helper()
	f, size, err := ws.Open(t.Context(), stage.ResultDir+name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExtendResult(t *testing.T) {
	var said []ExtendReport
	b := baseOf(t, "llama3")
	x := mustExtend(t, ExtendSettings{Base: b, ExtendConfig: ExtendConfig{Add: 12, MinFrequency: 1}, Report: func(r ExtendReport) { said = append(said, r) }})
	p := x.NewPartial()
	lines := []string{`{"text":"Ωμέγα Ωμέγα<|endoftext|>Ωμέγα"}`, `{"text":" Ωμέγα"}`}
	if err := p.Add(mapped(t, x.Key(), lines)); err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, p)
	ws := stagetest.NewWorkspace(64<<20, 1)
	if _, err := x.Finish(t.Context(), []stage.Sealed{{Size: int64(len(sealed)), Data: memoryFile{bytes.NewReader(sealed)}}}, ws); err != nil {
		t.Fatal(err)
	}
	raw := resultFile(t, ws, ExtendedFile)
	tok, err := tokenize.Load(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := tok.NewEncoder(tokenize.Options{}).Append(nil, []byte("Ωμέγα Ωμέγα<|endoftext|>"))
	if want := "[1008 1009 0]"; err != nil || fmt.Sprint(ids) != want {
		t.Errorf("%v, want %s: %v", ids, want, err)
	}
	tokens := strings.Split(strings.TrimSpace(string(resultFile(t, ws, NewTokensFile))), "\n")
	if len(said) != 1 || said[0].Added != len(tokens) || said[0].First != 1000 || said[0].Bytes != 42 || said[0].After != 4 || said[0].Before < 30 || said[0].Pretokens != 4 || said[0].Distinct != 2 {
		t.Errorf("reported %+v, %d tokens", said, len(tokens))
	}
	var last struct {
		ID          int
		Token, Text string
		Bytes       int
		Count       uint64
		Init        []int32
	}
	if err := json.Unmarshal([]byte(tokens[len(tokens)-1]), &last); err != nil || last.Text != " Ωμέγα" || last.Bytes != 11 || last.Count != 2 || last.ID != 1009 {
		t.Errorf("%v: %s", err, tokens[len(tokens)-1])
	}
	// All but the new elements stands as it stood.
	if old := b.file; len(raw) < len(old) || !bytes.HasPrefix(raw, old[:b.vocab.end]) || !bytes.HasSuffix(raw, old[b.merges.end:]) || !bytes.Contains(raw, old[b.vocab.end:b.merges.end]) {
		t.Error("the base's own bytes have changed")
	}
	// A part of a character is no text.
	if !strings.Contains(tokens[0], `"text":null`) {
		t.Error(tokens[0])
	}
}

func TestReadBaseRefuses(t *testing.T) {
	good := string(baseOf(t, "gpt2").file)
	for _, c := range []struct{ old, new, want string }{
		{good, "{}", "model"},
		{good, "[", "no tokenizer.json"},
		{good, "", "no tokenizer.json"},
		{`"dropout": null`, `"dropout": 0.1`, "dropout"},
		{`"end_of_word_suffix": null`, `"end_of_word_suffix": "</w>"`, "end_of_word_suffix"},
		{`"type": "BPE"`, `"type": "Unigram"`, "model: "},
		{`"byte_fallback": false`, `"byte_fallback": true`, "byte_fallback"},
	} {
		if _, err := ReadBase([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: %v, want %q", c.new, err, c.want)
		}
	}
	for _, c := range []struct {
		s    ExtendConfig
		want string
	}{
		{ExtendConfig{}, "at least 1"},
		{ExtendConfig{Add: maxIDs}, "at most 2096151"},
		{ExtendConfig{Add: 1, MaxTokenLength: 1}, "at least 2"},
		{ExtendConfig{Add: 1, MinFrequency: 1 << 50}, "at most"},
	} {
		if _, err := NewExtender(ExtendSettings{Base: baseOf(t, "gpt2"), ExtendConfig: c.s}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.s, err, c.want)
		}
	}
}

// FuzzReadBase: what is read as a tokenizer can be extended, and is one afterwards.
func FuzzReadBase(f *testing.F) {
	f.Add(baseOf(f, "gpt2").file)
	f.Add(randomBase(f, rand.New(rand.NewPCG(1, 1)), []counted{{"abab", 3}, {"ababab", 2}}))
	f.Add(randomBase(f, rand.New(rand.NewPCG(2, 1)), []counted{{"abcab", 3}, {"aab", 2}}))
	words := wordsOf(f, []counted{{"abababab", 3}, {" aab", 2}, {"Ωμέγα", 1}})
	f.Fuzz(func(t *testing.T, file []byte) {
		b, err := ReadBase(file)
		if err != nil {
			return
		}
		x, err := b.Extend(words, ExtendConfig{Add: 5}, nil)
		if err != nil {
			return
		}
		out, err := x.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokenize.Load(bytes.NewReader(out)); err != nil {
			t.Fatalf("%v: from\n%s\ncame\n%s", err, file, out)
		}
	})
}
