package eval_test

import (
	"math"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/record"
	"curate/shards"
	"curate/train/eval"
)

// TestShardPositions: documents have the same loss at each position in shards as in a file that has them in the shards' order.
func TestShardPositions(t *testing.T) {
	s := tiny(t, 0, 1)
	for name, cfg := range map[string]shards.Config{
		"documents": {Format: "megatron", Schedule: []shards.Length{{Length: 600}}},
		"packed":    {Format: "megatron", Packing: "best-fit", Schedule: []shards.Length{{Length: 512}}},
		"padded":    {Format: "nanogpt", Packing: "best-fit", Schedule: []shards.Length{{Length: 512}}},
		"cut":       {Format: "megatron", Packing: "concat", Schedule: []shards.Length{{Length: 48}}},
		"EOD first": {Format: "llmc", Packing: "best-fit", Schedule: []shards.Length{{Length: 512}}},
	} {
		for _, c := range []eval.PositionsConfig{{Length: 64, Buckets: 4}, {Length: 96, Bounds: true}} {
			t.Run(name, func(t *testing.T) {
				sets := makeShards(t, s, cfg, "testdata/texts.jsonl", nil)
				p, err := eval.NewPositions(s, c)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range textsOf(t, s, sets) {
					line, err := json.Marshal(map[string]string{"text": text})
					if err != nil {
						t.Fatal(err)
					}
					batch := &record.Batch{}
					batch.Append(0, 1, line)
					batch.Parse()
					if err := p.Add(t.Context(), &batch.Records[0]); err != nil {
						t.Fatal(err)
					}
				}
				want, err := p.Finish(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := eval.ShardPositions(t.Context(), s, sets, c)
				if err != nil {
					t.Fatal(err)
				}
				// In front of documents the last EOD is missing, and the first one stands behind the prefix.
				near := int64(0)
				if name == "EOD first" {
					near = 1
				}
				if d := got.Tokens - want.Tokens; d != 0 && near == 0 || len(got.Buckets) != len(want.Buckets) || got.Kind != eval.KindPositions {
					t.Fatalf("%d tokens in %d buckets, not %d in %d", got.Tokens, len(got.Buckets), want.Tokens, len(want.Buckets))
				}
				if near > 0 && !c.Bounds {
					return // every token stands one further
				}
				for k, b := range got.Buckets {
					w := want.Buckets[k]
					if near > 0 {
						if math.Abs(float64(b.Tokens-w.Tokens)) > 2+0.1*float64(w.Tokens) {
							t.Errorf("%d–%d: %d tokens, not about %d", b.From, b.To, b.Tokens, w.Tokens)
						}
						continue
					}
					if b.Tokens != w.Tokens || b.Bytes != w.Bytes || math.Abs(*b.Loss-*w.Loss) > 1e-5**w.Loss {
						t.Errorf("%d–%d: loss %v of %d tokens, %d bytes; not %v of %d, %d", b.From, b.To, *b.Loss, b.Tokens, b.Bytes, *w.Loss, w.Tokens, w.Bytes)
					}
				}
			})
		}
	}
	// What is not learnt is seen, and does not count.
	cut, c := shards.Config{Format: "megatron", Packing: "concat", Schedule: []shards.Length{{Length: 48}}}, eval.PositionsConfig{Length: 96, Buckets: 3}
	var halves [3]*eval.Result
	for i, masked := range []func(int) bool{nil, func(i int) bool { return i%40 < 20 }, func(i int) bool { return i%40 >= 20 }} {
		var err error
		if halves[i], err = eval.ShardPositions(t.Context(), s, makeShards(t, s, cut, "testdata/texts.jsonl", masked), c); err != nil {
			t.Fatal(err)
		}
	}
	for k, whole := range halves[0].Buckets {
		a, b := halves[1].Buckets[k], halves[2].Buckets[k]
		// EODs count in the set without a mask, and in one half at most.
		if a.Tokens == 0 || b.Tokens == 0 || a.Tokens+b.Tokens > whole.Tokens || a.Bytes+b.Bytes != whole.Bytes {
			t.Errorf("%d–%d: %d + %d of %d tokens, %d + %d of %d bytes", whole.From, whole.To, a.Tokens, b.Tokens, whole.Tokens, a.Bytes, b.Bytes, whole.Bytes)
		}
	}
}

// textsOf are the documents of sets in their order; what a row goes on with belongs to the document before.
func textsOf(t *testing.T, s *eval.Subject, sets []*shards.Set) (texts []string) {
	t.Helper()
	var ids []uint32
	flush := func() {
		if len(ids) > 0 {
			texts = append(texts, string(s.Tokenizer.AppendDecoded(nil, ids)))
		}
		ids = ids[:0]
	}
	for _, set := range sets {
		err := set.Rows(t.Context(), 0, -1, func(r *shards.Row) error {
			for k, p := range r.Pieces {
				if p.Padding {
					continue
				}
				if !p.Continues {
					flush()
				}
				to := len(r.IDs)
				if k+1 < len(r.Pieces) {
					to = r.Pieces[k+1].Start
				}
				for _, id := range r.IDs[p.Start:to] {
					if id != s.EOD {
						ids = append(ids, id)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	flush()
	return texts
}
