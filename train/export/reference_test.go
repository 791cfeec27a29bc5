package export

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/safetensors"
	"curate/train/model"
)

// TestReference reads the models of package model's tests, whose weights lie under the names and in the orientation of their
// families, through config.json and ReadWeights, and computes torch's logits.
func TestReference(t *testing.T) {
	for _, name := range []string{"btlm_packed", "llama3_rope_packed", "llama_tied_masked"} {
		packed, err := os.ReadFile("../model/testdata/" + name + ".safetensors.zst")
		if err != nil {
			t.Fatal(err)
		}
		d, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.DecodeAll(packed, nil)
		d.Close()
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(name, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		var about struct {
			Family string         `json:"family"`
			Config map[string]any `json:"config"`
		}
		if err := json.Unmarshal([]byte(f.Metadata["json"]), &about); err != nil {
			t.Fatal(err)
		}
		about.Config["model_type"] = about.Family
		about.Config["activation_function"], about.Config["position_embedding_type"] = "swiglu", "alibi"
		if s, ok := about.Config["rope_scaling"].(map[string]any); ok {
			s["rope_type"] = "llama3"
		}
		text, err := json.Marshal(about.Config)
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := ReadConfig(name, text)
		if err != nil {
			t.Fatal(err)
		}
		weights := *f // without the results, which lie in the same file
		weights.Tensors = nil
		for i := range model.NewLayout(c).Tensors {
			at := f.Lookup(model.NewLayout(c).Tensors[i].Name)
			if at == nil {
				t.Fatalf("%s: %s is not there", name, model.NewLayout(c).Tensors[i].Name)
			}
			weights.Tensors = append(weights.Tensors, *at)
		}
		p, err := ReadWeights(c, []*File{Safetensors(&weights)})
		if err != nil {
			t.Fatal(err)
		}
		batch := firstBatch(t, f)
		want := make([]float32, batch.Rows*batch.Length*c.Vocabulary)
		if err := f.Floats(f.Lookup("f64.logits"), 0, want); err != nil {
			t.Fatal(err)
		}
		compare := func(what string, got []float32) {
			worst := 0.0
			for i, v := range got {
				worst = max(worst, math.Abs(float64(v-want[i])))
			}
			if worst > 1e-5 {
				t.Errorf("%s %s: logits differ by %v", name, what, worst)
			}
		}
		compare("as read", logits(t, c, p, batch))
		folded, q, err := Fold(c, p)
		if err != nil {
			t.Fatal(err)
		}
		compare("folded", logits(t, folded, q, batch))
		// And as it is written again.
		var out bytes.Buffer
		if err := WriteWeights(&out, p, safetensors.F32, nil); err != nil {
			t.Fatal(err)
		}
		again, err := safetensors.Open("again", bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range weights.Tensors {
			a, b := make([]float32, mustLen(t, &weights.Tensors[i])), make([]float32, mustLen(t, &weights.Tensors[i]))
			at := again.Lookup(weights.Tensors[i].Name)
			if err := f.Floats(&weights.Tensors[i], 0, a); err != nil {
				t.Fatal(err)
			}
			if err := again.Floats(at, 0, b); err != nil {
				t.Fatal(err)
			}
			for j := range a {
				if a[j] != b[j] {
					t.Fatalf("%s: number %d of %s is another", name, j, at.Name)
				}
			}
		}
	}
}

func mustLen(t *testing.T, at *safetensors.Tensor) int64 {
	t.Helper()
	n, err := at.Len()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// firstBatch is that of the first step: of the tokens of a row the last is only a target.
func firstBatch(t *testing.T, f *safetensors.File) *model.Batch {
	t.Helper()
	tokens := f.Lookup("tokens") // [steps, rows, length + 1]
	b := &model.Batch{Rows: int(tokens.Shape[1]), Length: int(tokens.Shape[2]) - 1}
	numbers := func(name string, n int) []float32 {
		at := f.Lookup(name)
		if at == nil {
			return nil
		}
		x := make([]float32, n)
		if at.Dtype.Floating() {
			if err := f.Floats(at, 0, x); err != nil {
				t.Fatal(err)
			}
			return x
		}
		ints := make([]int64, n)
		if err := f.Ints(at, 0, ints); err != nil {
			t.Fatal(err)
		}
		for i, v := range ints {
			x[i] = float32(v)
		}
		return x
	}
	ids, docs := numbers("tokens", b.Rows*(b.Length+1)), numbers("doc_ids", b.Rows*b.Length)
	for r := range b.Rows {
		for i := range b.Length {
			b.Tokens = append(b.Tokens, int32(ids[r*(b.Length+1)+i]))
			if docs == nil {
				continue
			}
			start := i
			for start > 0 && docs[r*b.Length+start-1] == docs[r*b.Length+i] {
				start--
			}
			b.Starts = append(b.Starts, int32(start))
		}
	}
	return b
}
