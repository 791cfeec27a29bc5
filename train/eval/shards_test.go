package eval_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/record"
	"curate/shards"
	"curate/stage"
	"curate/stage/stagetest"
	"curate/tokenize"
	"curate/train/eval"
)

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

// makeShards builds sets of texts in a new folder and opens them. masked says whether a token of a text counts.
func makeShards(t *testing.T, s *eval.Subject, cfg shards.Config, name string, masked func(i int) bool) []*shards.Set {
	t.Helper()
	cfg.Vocabulary = shards.Vocabulary{Size: 384, EOD: int(s.EOD), Fingerprint: s.Tokenizer.Info().Fingerprint}
	cfg.By = record.MustPath("language")
	b, err := shards.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	p := b.NewPartial()
	enc := s.Tokenizer.NewEncoder(tokenize.Options{})
	each(t, name, func(r *record.Record) error {
		batch := &record.Batch{}
		batch.Append(r.ID, r.LineNo, r.Line)
		batch.Parse()
		text, err := batch.Records[0].Text(record.MustPath("text"), new([]byte))
		if err != nil {
			return err
		}
		ids, err := enc.Append(nil, text)
		if err != nil {
			return err
		}
		batch.Records[0].SetTokens(ids)
		if masked != nil {
			mask := make([]byte, len(ids))
			for i := range mask {
				if masked(i) {
					mask[i] = 1
				}
			}
			batch.Records[0].SetMask(mask)
		}
		return errors.Join(b.Key().NewWorker().Map(ctx, batch), p.Add(batch))
	})
	var sealed bytes.Buffer
	if err := p.Seal(&sealed); err != nil {
		t.Fatal(err)
	}
	ws := stagetest.NewWorkspace(16<<20, 1)
	if _, err := b.Finish(ctx, []stage.Sealed{{Size: int64(sealed.Len()), Data: closer{bytes.NewReader(sealed.Bytes())}}}, ws); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range ws.Names() {
		below, ok := strings.CutPrefix(name, stage.ResultDir)
		if !ok {
			continue
		}
		f, size, err := ws.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		path := filepath.Join(dir, filepath.FromSlash(below))
		if err := errors.Join(err, f.Close(), os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, content, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	st := store.NewLocal(nil)
	dirs, err := shards.Find(ctx, st, filepath.ToSlash(dir))
	if err != nil {
		t.Fatal(err)
	}
	var sets []*shards.Set
	for _, d := range dirs {
		set, err := shards.Open(ctx, st, d)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	return sets
}

// TestShards: texts have as many bits in shards as in their file, however they are laid out.
func TestShards(t *testing.T) {
	s := tiny(t, 0, 1)
	task, err := eval.NewBits(s, eval.BitsConfig{By: record.MustPath("language")})
	want := measure(t, "testdata/texts.jsonl", task, err)
	for name, cfg := range map[string]shards.Config{
		"documents":     {Format: "megatron", Schedule: []shards.Length{{Length: 48}}},
		"packed":        {Format: "megatron", Packing: "best-fit", Schedule: []shards.Length{{Length: 512}}},
		"padded":        {Format: "nanogpt", Packing: "best-fit", Schedule: []shards.Length{{Length: 512}}},
		"EOD first":     {Format: "llmc", Packing: "best-fit", Schedule: []shards.Length{{Length: 512}}},
		"two lengths":   {Format: "megatron", Packing: "best-fit", Schedule: []shards.Length{{Length: 512, Share: 0.5}, {Length: 600}}},
		"several names": {Format: "olmo", Packing: "best-fit", Schedule: []shards.Length{{Length: 700}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := eval.Shards(t.Context(), s, makeShards(t, s, cfg, "testdata/texts.jsonl", nil), 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Groups) != len(want.Groups) {
				t.Fatalf("%d groups, not %d", len(got.Groups), len(want.Groups))
			}
			for i, g := range got.Groups {
				w := want.Groups[i]
				if g.Bytes != w.Bytes || g.Tokens != w.Tokens || g.Documents != w.Documents || math.Abs(g.Bits-w.Bits) > 1e-5*w.Bits {
					t.Errorf("group %d: %d documents, %d tokens, %d bytes, %v bits; not %d, %d, %d, %v", i, g.Documents, g.Tokens, g.Bytes, g.Bits, w.Documents, w.Tokens, w.Bytes, w.Bits)
				}
				if i > 0 && *g.Group != *w.Group {
					t.Errorf("group %q, not %q", *g.Group, *w.Group)
				}
			}
		})
	}
	// Documents that rows cut, and those of which a part is not learnt, have the bytes that are left.
	cut := shards.Config{Format: "megatron", Packing: "concat", Schedule: []shards.Length{{Length: 48}}}
	got, err := eval.Shards(t.Context(), s, makeShards(t, s, cut, "testdata/texts.jsonl", nil), 0)
	if err != nil || got.Groups[0].Bytes != want.Groups[0].Bytes || got.Groups[0].Tokens != want.Groups[0].Tokens || got.Groups[0].Documents <= want.Groups[0].Documents {
		t.Errorf("cut: %+v %v", got, err)
	}
	half, err := eval.Shards(t.Context(), s, makeShards(t, s, cut, "testdata/texts.jsonl", func(i int) bool { return i%40 >= 20 }), 0)
	if err != nil || half.Groups[0].Tokens >= got.Groups[0].Tokens || half.Groups[0].Bytes >= got.Groups[0].Bytes || half.Groups[0].Bits >= got.Groups[0].Bits {
		t.Errorf("masked: %+v %v", half, err)
	}
	all, err := eval.Shards(t.Context(), s, makeShards(t, s, cut, "testdata/texts.jsonl", func(i int) bool { return i%40 < 20 }), 0)
	if err != nil || all.Groups[0].Tokens+half.Groups[0].Tokens != got.Groups[0].Tokens || all.Groups[0].Bytes+half.Groups[0].Bytes != got.Groups[0].Bytes {
		t.Errorf("the two halves of a mask: %+v %v", all, err)
	}
	if sum := all.Groups[0].Bits + half.Groups[0].Bits; math.Abs(sum-got.Groups[0].Bits) > 1e-5*sum {
		t.Errorf("the two halves of a mask have %v bits, not %v", sum, got.Groups[0].Bits)
	}
}

// TestTable: one model with twins, and two models.
func TestTable(t *testing.T) {
	s := tiny(t, 0, 1)
	result := func(name, file string, task eval.Task, err error) *eval.Result {
		r := measure(t, file, task, err)
		r.Name = name
		return r
	}
	of := func(name string) eval.Model {
		m := eval.Model{Name: name}
		bits, err := eval.NewBits(s, eval.BitsConfig{By: record.MustPath("language")})
		m.Results = append(m.Results, result("pages", "testdata/texts.jsonl", bits, err))
		for _, lang := range []string{"eu", "en"} {
			pairs, err := eval.NewPairs(s, eval.PairsConfig{})
			m.Results = append(m.Results, result(lang, "testdata/pairs.jsonl", pairs, err))
			choice, err := eval.NewChoice(s, eval.ChoiceConfig{})
			m.Results = append(m.Results, result(lang, "testdata/choice.jsonl", choice, err))
		}
		return m
	}
	m := of("base")
	var b bytes.Buffer
	for _, r := range []eval.Report{{Models: []eval.Model{m}}, {Models: []eval.Model{m, of("more\nthan a line")}}, {Models: []eval.Model{{Name: "bits", Results: m.Results[:1]}}}} {
		if err := r.Table(&b); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}
	const golden = "testdata/table.golden"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("the tables are (-update writes them)\n%s%v", b.Bytes(), err)
	}
}
