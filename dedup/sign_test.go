package dedup

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

func TestSignStage(t *testing.T) {
	for _, name := range []string{"words", "slimpajama", "datasketch2@affine64"} {
		st, err := NewSign(SignConfig{Scheme: named(t, name)})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { stagetest.Mapper(t, st, mixed()) })
	}
}

// TestSignRows: a row is what the scheme says of the text, whatever the record holds besides.
func TestSignRows(t *testing.T) {
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, 0))
	s, err := named(t, "datatrove@xxh32").With(SchemeOptions{Values: 6})
	if err != nil {
		t.Fatal(err)
	}
	st, err := NewSign(SignConfig{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(st.Spec().Config.(json.RawMessage)), `{"field":"text","id_field":"id","scheme":"datatrove@xxh32","scheme_version":1,"short":"none","values":6}`; got != want {
		t.Errorf("configuration %s", got)
	}
	w := st.NewWorker()
	var b record.Batch
	for _, c := range []struct{ line, id, text string }{
		{`{"text":"a b c d e","id":"x\u0031"}`, `"x\u0031"`, "a b c d e"},
		{`{"id":-5e0,"text":"the quick brown fox jumps over"}`, `-5e0`, "the quick brown fox jumps over"},
		{`{"id":{"a":1},"text":"A, b: c d e f g h"}`, "", "A, b: c d e f g h"},
		{`{"text":"too few words"}`, "", "too few words"},
		{`{"text":""}`, "", ""},
	} {
		b.Reset()
		id := record.ID(rng.Uint64N(1 << 62))
		r := b.Append(id, 1, []byte(c.line))
		b.Parse()
		if err := w.Map(t.Context(), &b); err != nil || r.Outcome != record.Keep {
			t.Fatalf("%s: %v, %v", c.line, err, r.Outcome)
		}
		var row struct {
			Record    uint64
			ID        json.RawMessage
			Scheme    string
			Version   int
			Shingles  int
			Signature []byte
		}
		out := r.AppendLine([]byte("before "))
		if err := json.Unmarshal(out[len("before "):], &row); err != nil || out[len(out)-1] != '\n' {
			t.Fatalf("%s: %s: %v", c.line, out, err)
		}
		var sc Scratch
		shingles := s.Shingles(nil, []byte(c.text), &sc)
		var want []byte
		if len(shingles) > 0 {
			want = s.AppendBytes(nil, s.Signature(nil, shingles))
			if len(want) != 4*6 {
				t.Errorf("%d bytes of 6 values", len(want))
			}
		}
		if row.Record != uint64(id) || string(row.ID) != c.id || row.Scheme != s.Name || row.Version != 1 || row.Shingles != len(shingles) || !slices.Equal(row.Signature, want) {
			t.Errorf("%s: %s; signature %s (seed %d)", c.line, out, base64.StdEncoding.EncodeToString(want), seed)
		}
	}
	b.Reset()
	r := b.Append(1, 1, []byte(`{"text":["a"]}`))
	b.Parse()
	if err := w.Map(t.Context(), &b); err != nil || r.Outcome != record.Quarantine {
		t.Errorf("a list is no text: %v, %v", err, r.Outcome)
	}
}

var _ stage.Mapper = (*Sign)(nil)
