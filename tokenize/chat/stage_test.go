package chat

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
	"curate/tokenize"
)

func chatml(t testing.TB) *Templates {
	t.Helper()
	templates, err := (&Templates{special: []special{{"eos_token", "<|endoftext|>"}}}).Choose("chatml")
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

func lines() [][]byte {
	all := []string{
		`{"text":"Hello world","input_ids":[7],"n":1e2}`, `{"text":""}`, `{"text":null}`, `{"text":7}`, `not json`, `{"id":1}`, `{"text":"a","text":"b"}`,
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a\u00e9"}],"loss_mask":[3]}`,
		`{"messages":[{"role":"user","content":"q"}]}`, `{"messages":[]}`, `{"messages":[{"role":"user","content":7}]}`,
		`{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}],"system":"s"}`,
		`{"prompt":"p","completion":" c"}`, `{"prompt":"p","completion":"c","label":false}`, `{"prompt":"p","chosen":" c","rejected":" r"}`,
		`{"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]}`,
		`{"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}],"chosen_ids":null}`,
		`{"chosen":[{"role":"user","content":"q"}],"rejected":[{"role":"user","content":"r"}]}`,
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"` + strings.Repeat("word ", 40) + `"}]}`,
		`{"messages":[{"role":"user","content":"` + strings.Repeat("word ", 40) + `"},{"role":"assistant","content":"a"}]}`,
		`{"text":"` + strings.Repeat("word ", 40) + `"}`, `{"messages":[{"role":"user","content":"q"}],"curate":7}`,
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]}`,
	}
	var out [][]byte
	for _, l := range all {
		out = append(out, []byte(l))
	}
	return out
}

func TestStage(t *testing.T) {
	for name, cfg := range map[string]Config{
		"in the batch": {},
		"json":         {JSON: true},
		"last":         {JSON: true, TrainOn: Last},
		"all":          {JSON: true, TrainOn: All, Options: tokenize.Options{AddSpecialTokens: true}},
		"as text":      {JSON: true, Options: tokenize.Options{SpecialsAsText: true}},
		"drop":         {JSON: true, MaxLength: 20, Truncate: Drop, Verdicts: true},
		"end":          {JSON: true, MaxLength: 20, Truncate: End},
		"start":        {JSON: true, MaxLength: 20, Truncate: Start},
		"turns":        {JSON: true, MaxLength: 20, Truncate: Turns, Verdicts: true},
		"annotate":     {JSON: true, MaxLength: 20, Truncate: Turns, Annotate: true},
		"render":       {Render: true},
	} {
		cfg.Tokenizer, cfg.Templates = gpt2(t), chatml(t)
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { stagetest.Mapper(t, s, lines()) })
	}
	s, err := New(Config{Tokenizer: gpt2(t), JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("no template", func(t *testing.T) { stagetest.Mapper(t, s, lines()) })
	for name, cfg := range map[string]Config{
		"no tokenizer":           {},
		"a text where ids go":    {Tokenizer: gpt2(t), JSON: true, TextField: record.MustPath("loss_mask.x")},
		"a policy without limit": {Tokenizer: gpt2(t), Truncate: End},
		"a negative limit":       {Tokenizer: gpt2(t), MaxLength: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Error(name)
		}
	}
}

func mapAll(t *testing.T, cfg Config, lines ...string) *record.Batch {
	t.Helper()
	cfg.Tokenizer = gpt2(t)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), []byte(l))
	}
	b.Parse()
	if err := s.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStageRecords: what is in the batch and what is written say the same.
func TestStageRecords(t *testing.T) {
	b := mapAll(t, Config{Templates: chatml(t), JSON: true},
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"Hello world"}],"input_ids":[1]}`,
		`{"text":"Hello world"}`,
		`{"prompt":"Hello","chosen":" world","rejected":"x"}`,
		`{"prompt":"Hello","completion":" world"}`)
	var chats, text, pair, completion struct {
		IDs      []uint32 `json:"input_ids"`
		Mask     []int    `json:"loss_mask"`
		Prompt   []uint32 `json:"prompt_ids"`
		Chosen   []uint32 `json:"chosen_ids"`
		Rejected []uint32 `json:"rejected_ids"`
	}
	for i, v := range []any{&chats, &text, &pair, &completion} {
		if b.Records[i].Err != nil {
			t.Fatal(b.Records[i].Err)
		}
		if err := json.Unmarshal(b.Records[i].AppendLine(nil), v); err != nil {
			t.Fatal(err)
		}
	}
	ids, _ := b.Records[0].Tokens()
	if !slices.Equal(ids, chats.IDs) || len(chats.Mask) != len(ids) {
		t.Errorf("%v %v %v", ids, chats.IDs, chats.Mask)
	}
	var learnt []uint32
	for i, m := range b.Records[0].Mask() {
		if int(m) != chats.Mask[i] {
			t.Errorf("mask %d: %d and %d", i, m, chats.Mask[i])
		}
		if m == 1 {
			learnt = append(learnt, ids[i])
		}
	}
	if got := decoded(t, learnt); got != "Hello world<|im_end|>\n" {
		t.Errorf("%q is learnt", got)
	}
	if !slices.Equal(text.IDs, []uint32{15496, 995}) || text.Mask != nil || len(b.Records[1].Mask()) != 0 {
		t.Errorf("%+v", text)
	}
	prompt, chosen, ok := b.Records[2].Pair()
	ids, _ = b.Records[2].Tokens()
	if !ok || !slices.Equal(ids[:prompt], pair.Prompt) || !slices.Equal(ids[prompt:chosen], pair.Chosen) || !slices.Equal(ids[chosen:], pair.Rejected) {
		t.Errorf("%v %d %d %v, %+v", ids, prompt, chosen, ok, pair)
	}
	// Hello | world<|endoftext|>; "Hellox" is other tokens than Hello's, so nothing of the prompt is shared.
	if got := decoded(t, append(slices.Clone(pair.Prompt), pair.Rejected...)); got != "Hellox<|endoftext|>" {
		t.Errorf("%q", got)
	}
	if !slices.Equal(completion.IDs, []uint32{15496, 995, 50256}) || !slices.Equal(completion.Mask, []int{0, 1, 1}) {
		t.Errorf("%+v", completion)
	}
	tallies := map[string]int64{}
	for _, x := range b.TakeTallies() {
		tallies[x.Name] += x.N
	}
	if tallies["chats"] != 2 || tallies["pairs"] != 1 || tallies["tokens"] == 0 || tallies["trained_tokens"] == 0 {
		t.Errorf("%v", tallies)
	}
}

// TestStageDrops: a row of which the cut leaves nothing to learn goes, and says why.
func TestStageDrops(t *testing.T) {
	long := `{"messages":[{"role":"user","content":"` + strings.Repeat("word ", 40) + `"},{"role":"assistant","content":"a"}]}`
	cfg := Config{Templates: chatml(t), JSON: true, MaxLength: 20, Truncate: End, Verdicts: true}
	r := &mapAll(t, cfg, long).Records[0]
	if r.Outcome != record.Drop || r.Rule != Rule || r.Reason != ReasonNothing {
		t.Errorf("%v %s %s", r.Outcome, r.Rule, r.Reason)
	}
	if got := string(r.AppendDropped(nil)); !strings.Contains(got, `"curate":{"tokenize":{"verdict":"drop","rule":"tokenize","reason":"nothing_to_learn","tokens":20}}`) {
		t.Error(got)
	}
	cfg.Annotate, cfg.Verdicts = true, false
	r = &mapAll(t, cfg, long).Records[0]
	if r.Outcome != record.Keep || r.Reason != ReasonNothing {
		t.Errorf("%v %s %s", r.Outcome, r.Rule, r.Reason)
	}
	// One that never had anything to learn stays, and is counted.
	b := mapAll(t, Config{Templates: chatml(t)}, `{"messages":[{"role":"user","content":"q"}]}`)
	if b.Records[0].Outcome != record.Keep || !slices.Contains(b.TakeTallies(), record.Tally{Name: tallyNothing, N: 1}) {
		t.Error("a chat without an assistant")
	}
	b = mapAll(t, Config{Templates: chatml(t)}, `{"prompt":"p","chosen":" a","rejected":" a"}`)
	if b.Records[0].Outcome != record.Keep || !slices.Contains(b.TakeTallies(), record.Tally{Name: tallyAlike, N: 1}) {
		t.Error("a pair of the same answers")
	}
}

func TestStageRender(t *testing.T) {
	b := mapAll(t, Config{Templates: chatml(t), Render: true},
		`{"messages":[{"role":"user","content":"ñ"},{"role":"assistant","content":"é"}]}`,
		`{"text":"é"}`,
		`{"prompt":"p","completion":"c"}`,
		`{"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}]}`)
	for i, want := range []string{
		`,"curate":{"tokenize":{"template":"built-in chatml","text":"<|im_start|>user\nñ<|im_end|>\n<|im_start|>assistant\né<|im_end|>\n","trained":[[51,63]]}}}`,
		`,"curate":{"tokenize":{"text":"é"}}}`,
		`,"curate":{"tokenize":{"text":"pc<|endoftext|>","trained":[[1,15]]}}}`,
		`,"curate":{"tokenize":{"template":"built-in chatml","prompt":"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n","chosen":"a<|im_end|>\n","rejected":"b<|im_end|>\n"}}}`,
	} {
		got := strings.TrimSpace(string(b.Records[i].AppendLine(nil)))
		if !strings.HasSuffix(got, want) {
			t.Errorf("%d: %s\nwant %s", i, got, want)
		}
		if _, ok := b.Records[i].Tokens(); ok {
			t.Errorf("%d: tokens of a text that is only shown", i)
		}
	}
}

// Documents are encoded as before: without an allocation.
func TestStageAllocations(t *testing.T) {
	s, err := New(Config{Tokenizer: gpt2(t), Templates: chatml(t), JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	w := s.NewWorker()
	b := &record.Batch{}
	line := []byte(`{"id":"x","text":"The quick brown fox\njumps over the lazy dog"}`)
	run := func() {
		b.Reset()
		for i := range 100 {
			b.Append(record.ID(i), 0, line)
		}
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.TakeTallies()
	}
	run()
	if n := testing.AllocsPerRun(10, run); n >= 1 {
		t.Errorf("%v allocations for 100 documents that came before", n)
	}
}
