package train

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"curate/kernel"
	"curate/safetensors"
	"curate/shards"
	"curate/train/model"
)

// reference is five steps of a tiny model in torch.
type reference struct {
	Family string `json:"family"`
	Config struct {
		HiddenSize       int     `json:"hidden_size"`
		NumHiddenLayers  int     `json:"num_hidden_layers"`
		Heads            int     `json:"num_attention_heads"`
		KVHeads          int     `json:"num_key_value_heads"`
		IntermediateSize int     `json:"intermediate_size"`
		VocabSize        int     `json:"vocab_size"`
		RMSNormEps       float64 `json:"rms_norm_eps"`
		RopeTheta        float64 `json:"rope_theta"`
		Tied             bool    `json:"tie_word_embeddings"`
		RopeScaling      *struct {
			Factor   float64 `json:"factor"`
			Low      float64 `json:"low_freq_factor"`
			High     float64 `json:"high_freq_factor"`
			Original int     `json:"original_max_position_embeddings"`
		} `json:"rope_scaling"`
		NEmbd            int     `json:"n_embd"`
		NLayer           int     `json:"n_layer"`
		NHead            int     `json:"n_head"`
		NInner           int     `json:"n_inner"`
		LayerNormEpsilon float64 `json:"layer_norm_epsilon"`
		EmbeddingsScale  float64 `json:"mup_embeddings_scale"`
		OutputAlpha      float64 `json:"mup_output_alpha"`
		WidthScale       float64 `json:"mup_width_scale"`
		ScaleByD         bool    `json:"mup_scale_qk_dot_by_d"`
	} `json:"config"`
	Steps   [][2]float64 `json:"steps_loss_gradnorm"` // the committed ones
	Results struct {
		F64 struct {
			Steps [][2]float64        `json:"steps_loss_gradnorm"`
			DPO   referencePreference `json:"dpo"`
		} `json:"f64"`
	} `json:"results"`

	weights, inputs, after *safetensors.File
}

// referencePreference is what torch makes of two pairs: the policy is the model after the steps, the reference the one before.
type referencePreference struct {
	Beta        float64    `json:"beta"`
	RefChosen   [2]float64 `json:"ref_chosen"`
	RefRejected [2]float64 `json:"ref_rejected"`
	PolChosen   [2]float64 `json:"pol_chosen"`
	PolRejected [2]float64 `json:"pol_rejected"`
	Chosen      [2]float64 `json:"reward_chosen"`
	Rejected    [2]float64 `json:"reward_rejected"`
	Loss        float64    `json:"loss"`
	GradNorm    float64    `json:"grad_norm"`
}

func (r *reference) model() *model.Config {
	c := &r.Config
	if r.Family == model.BTLM {
		return &model.Config{
			Family: model.BTLM, Vocabulary: c.VocabSize, Width: c.NEmbd, Layers: c.NLayer, Heads: c.NHead, KVHeads: c.NHead,
			HeadSize: c.NEmbd / c.NHead, FFN: c.NInner, Tied: true, NormEpsilon: c.LayerNormEpsilon, AlibiSlopeScale: 1,
			EmbeddingScale: c.EmbeddingsScale, LogitScale: c.OutputAlpha * c.WidthScale, WidthScale: c.WidthScale, ScaleByHead: c.ScaleByD,
		}
	}
	m := &model.Config{
		Family: model.Llama, Vocabulary: c.VocabSize, Width: c.HiddenSize, Layers: c.NumHiddenLayers, Heads: c.Heads, KVHeads: c.KVHeads,
		HeadSize: c.HiddenSize / c.Heads, FFN: c.IntermediateSize, Tied: c.Tied, NormEpsilon: c.RMSNormEps, RopeTheta: c.RopeTheta,
		EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
	}
	if s := c.RopeScaling; s != nil {
		m.RopeScaling = &model.RopeScaling{Factor: s.Factor, Low: s.Low, High: s.High, Original: s.Original}
	}
	return m
}

// ints reads a tensor; nil if there is none.
func ints(t *testing.T, f *safetensors.File, name string) ([]int64, []int64) {
	tensor := f.Lookup(name)
	if tensor == nil {
		return nil, nil
	}
	n := int64(1)
	for _, s := range tensor.Shape {
		n *= s
	}
	x := make([]int64, n)
	if err := f.Ints(tensor, 0, x); err != nil {
		t.Fatal(err)
	}
	return x, tensor.Shape
}

// inMemory puts numbers that are in the order of a file into that of memory.
func inMemory(tensor *model.Tensor, file []float32) []float32 {
	if !tensor.Transposed {
		return file
	}
	x := make([]float32, len(file))
	for i := range x {
		x[i] = file[i%tensor.Cols*tensor.Rows+i/tensor.Cols]
	}
	return x
}

// floats reads the numbers of a tensor of the layout.
func floats(t *testing.T, f *safetensors.File, name string, tensor *model.Tensor) []float32 {
	entry := f.Lookup(name)
	if entry == nil {
		t.Fatalf("%s: no tensor %s", f.Name, name)
	}
	x := make([]float32, tensor.Len())
	if err := f.Floats(entry, 0, x); err != nil {
		t.Fatal(err)
	}
	return inMemory(tensor, x)
}

// batch of a step: the last token of a row is only a target.
func (r *reference) batch(t *testing.T, step int) (*model.Batch, int) {
	tokens, shape := ints(t, r.inputs, "tokens")
	labels, _ := ints(t, r.inputs, "labels")
	docs, _ := ints(t, r.inputs, "doc_ids")
	rows, width := int(shape[1]), int(shape[2])
	b := &model.Batch{Rows: rows, Length: width - 1}
	counted := 0
	for row := range rows {
		start := int32(0)
		for i := range width - 1 {
			at := (step*rows+row)*width + i
			target := int32(labels[at+1])
			if target == -100 {
				target = model.Ignore
			} else {
				counted++
			}
			if at := (step*rows+row)*(width-1) + i; docs != nil && i > 0 && docs[at] != docs[at-1] {
				start = int32(i)
			}
			b.Tokens, b.Targets, b.Starts = append(b.Tokens, int32(tokens[at])), append(b.Targets, target), append(b.Starts, start)
		}
	}
	return b, counted
}

// references are those of the folder train in CURATE_CONFORMANCE, or else the committed ones.
func references(t *testing.T) map[string]*reference {
	open := func(name string, b []byte) *safetensors.File {
		f, err := safetensors.Open(name, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	all := map[string]*reference{}
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir != "" {
		for _, name := range []string{"llama_gqa", "llama_tied_masked", "llama3_rope_packed", "btlm", "btlm_packed"} {
			r, path := &reference{}, filepath.Join(dir, "train", name)
			if err := json.Unmarshal(read(path+".json"), r); err != nil {
				t.Fatal(err)
			}
			r.Steps = r.Results.F64.Steps
			for _, part := range []struct {
				name string
				to   **safetensors.File
			}{{"weights", &r.weights}, {"inputs", &r.inputs}, {"expected", &r.after}} {
				*part.to = open(name, read(path+"."+part.name+".safetensors"))
			}
			all[name] = r
		}
		return all
	}
	t.Log("CURATE_CONFORMANCE is not set: running the copies under testdata/")
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, name := range []string{"llama_tied_masked", "btlm_packed"} {
		r := &reference{}
		for _, part := range []struct {
			dir string
			to  **safetensors.File
		}{{"testdata", &r.inputs}, {"model/testdata", &r.weights}} {
			b, err := z.DecodeAll(read(filepath.Join(part.dir, name+".safetensors.zst")), nil)
			if err != nil {
				t.Fatal(err)
			}
			*part.to = open(name, b)
		}
		if err := json.Unmarshal([]byte(r.inputs.Metadata["json"]), r); err != nil {
			t.Fatal(err)
		}
		var of reference // the results of the file of weights
		if err := json.Unmarshal([]byte(r.weights.Metadata["json"]), &of); err != nil {
			t.Fatal(err)
		}
		r.Results = of.Results
		all[name] = r
	}
	return all
}

// preferences are the two pairs: a third of a sequence is the prompt.
func (r *reference) preferences(t *testing.T) *stepBatch {
	in := r.inputs
	if in.Lookup("chosen") == nil {
		in = r.weights
	}
	chosen, shape := ints(t, in, "chosen")
	rejected, _ := ints(t, in, "rejected")
	n := int(shape[1])
	b := &stepBatch{}
	for i := range 2 {
		row := &shards.Row{Prompt: n / 3, Chosen: n, IsPair: true}
		for _, id := range slices.Concat(chosen[i*n:(i+1)*n], rejected[i*n+n/3:(i+1)*n]) {
			row.IDs = append(row.IDs, uint32(id))
		}
		b.addPair(row, int64(i), n)
	}
	b.parts = []part{{to: 4, dense: true, pairs: true}}
	return b
}

// checkPreferences compares log-probabilities, rewards, loss and gradient of the pairs. m holds the parameters after the steps.
func (r *reference) checkPreferences(t *testing.T, m *model.Model, before []float32) {
	want := &r.Results.F64.DPO
	if want.Beta == 0 {
		t.Fatal("no results of DPO")
	}
	near := func(what string, got, want, tolerance float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	for _, micro := range []int64{1, 1000} { // a pair at a time, and both
		b := r.preferences(t)
		b.group(micro)
		if b.pairs != 2 || len(b.micro) != map[int64]int{1: 2, 1000: 1}[micro] {
			t.Fatalf("%d pairs in %d batches", b.pairs, len(b.micro))
		}
		o := &model.DPO{Beta: want.Beta}
		var ref []float64
		after := slices.Clone(m.Params.Data)
		copy(m.Params.Data, before)
		for i := range b.micro {
			mb := &b.micro[i]
			mb.Weigh = func(losses, _ []float32) {
				for _, p := range mb.pairs {
					c, _ := logProb(mb, losses, p.chosen)
					j, _ := logProb(mb, losses, p.rejected)
					near("log π_ref of the chosen answer", c, want.RefChosen[p.number], 2e-5)
					near("log π_ref of the rejected answer", j, want.RefRejected[p.number], 2e-5)
					ref = append(ref, c, j)
				}
			}
			if _, _, err := m.Loss(&mb.Batch, 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		copy(m.Params.Data, after)
		grads := model.NewParams(m.Params.Layout)
		var sums dpoSums
		for i := range b.micro {
			mb := &b.micro[i]
			var each dpoSums
			mb.Weigh = each.weigh(o, ref, mb)
			if _, _, err := m.Loss(&mb.Batch, 0.5, grads); err != nil {
				t.Fatal(err)
			}
			if each.pairs == 1 {
				near("log π of the chosen answer", each.logChosen, want.PolChosen[i], 1e-3)
				near("log π of the rejected answer", each.logRejected, want.PolRejected[i], 1e-3)
				near("reward of the chosen answer", each.chosen, want.Chosen[i], 1e-4)
				near("reward of the rejected answer", each.rejected, want.Rejected[i], 1e-4)
			}
			sums.loss += each.loss
			sums.pairs += each.pairs
		}
		near("the loss", sums.metrics().Loss, want.Loss, 2e-5)
		norm := 0.0
		for _, g := range grads.Data {
			norm += float64(g) * float64(g)
		}
		near("the gradient's norm", math.Sqrt(norm)/want.GradNorm, 1, 1e-4)
	}
}

// TestConformance makes five steps as torch did, and then compares DPO.
func TestConformance(t *testing.T) {
	for name, r := range references(t) {
		for _, set := range kernel.Names() {
			t.Run(name+"/"+set, func(t *testing.T) {
				s, err := kernel.Named(set)
				if err != nil {
					t.Fatal(err)
				}
				pool := kernel.NewPool(s, 2)
				defer pool.Close()
				c := r.model()
				p := model.NewParams(model.NewLayout(c))
				for i := range p.Layout.Tensors {
					tensor := &p.Layout.Tensors[i]
					copy(p.Of(i), floats(t, r.weights, tensor.Name, tensor))
				}
				before := slices.Clone(p.Data)
				m, err := model.New(c, p, pool, kernel.F32)
				if err != nil {
					t.Fatal(err)
				}
				o := newOptimizer(pool, &Config{Optimizer: Default().Optimizer}, c, p)
				for step, want := range r.Steps {
					b, counted := r.batch(t, step)
					sum, n, err := m.Loss(b, 1/float32(counted), o.grads)
					if err != nil || n != counted {
						t.Fatal(n, counted, err)
					}
					loss, norm := sum/float64(n), o.norm()
					if !(math.Abs(loss/want[0]-1) <= 2e-5) || !(math.Abs(norm/want[1]-1) <= 2e-5) {
						t.Errorf("step %d: loss %v and norm %v, want %v", step, loss, norm, want)
					}
					o.step(int64(step), 1e-3, norm)
				}
				worst := 0.0
				for i := range p.Layout.Tensors {
					tensor := &p.Layout.Tensors[i]
					var want []float32
					if r.after != nil {
						want = floats(t, r.after, "f64.after5."+tensor.Name, tensor)
					} else {
						moved, _ := ints(t, r.inputs, "after5."+tensor.Name)
						for _, x := range moved {
							want = append(want, float32(float64(x)/1e6))
						}
						want = inMemory(tensor, want)
						for j := range want {
							want[j] += before[tensor.Offset+j]
						}
					}
					for j, x := range p.Of(i) {
						worst = max(worst, math.Abs(float64(x-want[j])))
					}
					if !(worst <= 2e-4) {
						t.Fatalf("%s: a parameter differs by %v", tensor.Name, worst)
					}
				}
				t.Logf("parameters within %.2g", worst)
				r.checkPreferences(t, m, before)
			})
		}
	}
}
