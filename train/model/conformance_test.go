package model

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"curate/kernel"
)

// reference is a tiny model with what torch made of it: results in float64.
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
	Results struct {
		F64 struct {
			Loss float64 `json:"loss_step0"`
			Norm float64 `json:"grad_norm0"`
			DPO  struct {
				Chosen   []float64 `json:"ref_chosen"`
				Rejected []float64 `json:"ref_rejected"`
			} `json:"dpo"`
		} `json:"f64"`
	} `json:"results"`

	tensors map[string]tensor
}

type tensor struct {
	shape []int
	data  []float64
}

func (r *reference) config() *Config {
	c := &r.Config
	if r.Family == BTLM {
		return &Config{
			Family: BTLM, Vocabulary: c.VocabSize, Width: c.NEmbd, Layers: c.NLayer, Heads: c.NHead, KVHeads: c.NHead,
			HeadSize: c.NEmbd / c.NHead, FFN: c.NInner, Tied: true, NormEpsilon: c.LayerNormEpsilon,
			EmbeddingScale: c.EmbeddingsScale, LogitScale: c.OutputAlpha * c.WidthScale, WidthScale: c.WidthScale,
			ScaleByHead: c.ScaleByD, AlibiSlopeScale: 1,
		}
	}
	out := &Config{
		Family: Llama, Vocabulary: c.VocabSize, Width: c.HiddenSize, Layers: c.NumHiddenLayers, Heads: c.Heads, KVHeads: c.KVHeads,
		HeadSize: c.HiddenSize / c.Heads, FFN: c.IntermediateSize, Tied: c.Tied, NormEpsilon: c.RMSNormEps,
		RopeTheta: c.RopeTheta, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
	}
	if s := c.RopeScaling; s != nil {
		out.RopeScaling = &RopeScaling{Factor: s.Factor, Low: s.Low, High: s.High, Original: s.Original}
	}
	return out
}

// params are the weights under prefix, turned into memory's order.
func (r *reference) params(t *testing.T, c *Config, prefix string) *Params {
	p := NewParams(NewLayout(c))
	seen := 0
	for i, w := range p.Layout.Tensors {
		x, ok := r.tensors[prefix+w.Name]
		shape := []int{w.Rows, w.Cols}
		if w.Vector {
			shape = shape[1:]
		} else if w.Transposed {
			shape = []int{w.Cols, w.Rows}
		}
		if !ok || !slices.Equal(x.shape, shape) {
			t.Fatalf("%s%s: have shape %v, want %v", prefix, w.Name, x.shape, shape)
		}
		seen++
		for j := range p.Of(i) {
			at := j
			if w.Transposed {
				at = j%w.Cols*w.Rows + j/w.Cols
			}
			p.Of(i)[j] = float32(x.data[at])
		}
	}
	for name := range r.tensors {
		if strings.HasPrefix(name, "f64.grad.") {
			seen--
		}
	}
	if seen != 0 {
		t.Fatalf("the layout has %d tensors more than the reference", seen)
	}
	return p
}

// batch is that of the first step: the last token of a row is only a target.
func (r *reference) batch() *Batch {
	tokens, labels := r.tensors["tokens"], r.tensors["labels"]
	b := &Batch{Rows: tokens.shape[1], Length: tokens.shape[2] - 1}
	docs, packed := r.tensors["doc_ids"]
	for row := range b.Rows {
		for i := range b.Length {
			at := row*(b.Length+1) + i
			b.Tokens = append(b.Tokens, int32(tokens.data[at]))
			target := int32(labels.data[at+1])
			if target == -100 {
				target = Ignore
			}
			b.Targets = append(b.Targets, target)
			if packed {
				start, at := i, row*b.Length+i
				for start > 0 && docs.data[at-i+start-1] == docs.data[at] {
					start--
				}
				b.Starts = append(b.Starts, int32(start))
			}
		}
	}
	return b
}

// preference is a batch of sequences of which all but the first third are counted.
func (r *reference) preference(name string) *Batch {
	x := r.tensors[name]
	length := x.shape[1]
	b := &Batch{Rows: x.shape[0], Length: length - 1}
	for row := range b.Rows {
		for i := range b.Length {
			at := row*length + i
			b.Tokens = append(b.Tokens, int32(x.data[at]))
			target := int32(x.data[at+1])
			if i+1 < length/3 {
				target = Ignore
			}
			b.Targets = append(b.Targets, target)
		}
	}
	return b
}

// add reads a file of safetensors. Tests know what is in it.
func (r *reference) add(t *testing.T, file []byte) (metadata string) {
	var header map[string]struct {
		Dtype   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
		JSON    string `json:"json"`
	}
	n := 8 + int(binary.LittleEndian.Uint64(file))
	if err := json.Unmarshal(file[8:n], &header); err != nil {
		t.Fatal(err)
	}
	for name, h := range header {
		if name == "__metadata__" {
			metadata = h.JSON
			continue
		}
		x := tensor{shape: h.Shape}
		for b := file[n+h.Offsets[0] : n+h.Offsets[1]]; len(b) > 0; {
			switch h.Dtype {
			case "F32":
				x.data = append(x.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
				b = b[4:]
			case "I32":
				x.data = append(x.data, float64(int32(binary.LittleEndian.Uint32(b))))
				b = b[4:]
			case "F64":
				x.data = append(x.data, math.Float64frombits(binary.LittleEndian.Uint64(b)))
				b = b[8:]
			default:
				t.Fatalf("%s: %s", name, h.Dtype)
			}
		}
		r.tensors[name] = x
	}
	return metadata
}

// references are those of the folder train in CURATE_CONFORMANCE, or else the committed ones.
func references(t *testing.T) map[string]*reference {
	all := map[string]*reference{}
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir != "" {
		for _, name := range []string{"llama_gqa", "llama_tied_masked", "llama3_rope_packed", "btlm", "btlm_packed"} {
			r := &reference{tensors: map[string]tensor{}}
			path := filepath.Join(dir, "train", name)
			if err := json.Unmarshal(read(path+".json"), r); err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"weights", "inputs", "expected"} {
				r.add(t, read(path+"."+part+".safetensors"))
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
	files, _ := filepath.Glob("testdata/*.safetensors.zst")
	if len(files) != 3 {
		t.Fatalf("found %q", files)
	}
	for _, path := range files {
		file, err := z.DecodeAll(read(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &reference{tensors: map[string]tensor{}}
		if err := json.Unmarshal([]byte(r.add(t, file)), r); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".safetensors.zst")] = r
	}
	return all
}

// newPool makes a pool of a set of kernels that ends with the test.
func newPool(t testing.TB, set string, workers int) *kernel.Pool {
	t.Helper()
	s, err := kernel.Named(set)
	if err != nil {
		t.Fatal(err)
	}
	p := kernel.NewPool(s, workers)
	t.Cleanup(p.Close)
	return p
}

func norm64(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

func TestConformance(t *testing.T) {
	for name, r := range references(t) {
		for _, set := range kernel.Names() {
			t.Run(name+"/"+set, func(t *testing.T) {
				c := r.config()
				m, err := New(c, r.params(t, c, ""), newPool(t, set, 2), kernel.F32)
				if err != nil {
					t.Fatal(err)
				}
				b := r.batch()
				logits := make([]float32, len(b.Tokens)*c.Vocabulary)
				if err := m.Logits(b, logits); err != nil {
					t.Fatal(err)
				}
				worst := 0.0
				for i, v := range r.tensors["f64.logits"].data {
					worst = max(worst, math.Abs(v-float64(logits[i])))
				}
				if !(worst <= 1e-5) {
					t.Errorf("logits differ by %v", worst)
				}

				counted := 0
				for _, target := range b.Targets {
					if target != Ignore {
						counted++
					}
				}
				grads := NewParams(m.Params.Layout)
				sum, n, err := m.Loss(b, 1/float32(counted), grads)
				if err != nil || n != counted {
					t.Fatal(n, counted, err)
				}
				want := r.Results.F64
				if loss := sum / float64(n); !(math.Abs(loss/want.Loss-1) <= 1e-6) {
					t.Errorf("loss is %v, want %v", loss, want.Loss)
				}
				if norm := norm64(grads.Data); !(math.Abs(norm/want.Norm-1) <= 1e-6) {
					t.Errorf("norm of the gradient is %v, want %v", norm, want.Norm)
				}
				expected := r.params(t, c, "f64.grad.")
				most := 0.0
				for i, x := range expected.Layout.Tensors {
					worst := 0.0
					for j, v := range expected.Of(i) {
						worst = max(worst, math.Abs(float64(v-grads.Of(i)[j])))
					}
					if !(worst <= 1e-6) {
						t.Errorf("gradient of %s differs by %v", x.Name, worst)
					}
					most = max(most, worst)
				}
				t.Logf("logits within %.2g, gradients within %.2g", worst, most)

				for _, x := range []struct {
					name string
					want []float64
				}{{"chosen", want.DPO.Chosen}, {"rejected", want.DPO.Rejected}} {
					b := r.preference(x.name)
					p := make([]float32, len(b.Tokens))
					if err := m.LogProbs(b, p); err != nil {
						t.Fatal(err)
					}
					for row, want := range x.want {
						sum := 0.0
						for _, v := range p[row*b.Length : (row+1)*b.Length] {
							sum += float64(v)
						}
						if !(math.Abs(sum/want-1) <= 1e-6) {
							t.Errorf("log p of %s %d is %v, want %v", x.name, row, sum, want)
						}
					}
				}
			})
		}
	}
}
