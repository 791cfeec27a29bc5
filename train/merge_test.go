package train

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/safetensors"
	"curate/train/model"
)

// mergeModels writes three models of random numbers, and gives them with their folders.
func mergeModels(t *testing.T, st store.Store, c *model.Config) (list []*Loaded, dirs []string) {
	t.Helper()
	for k := range 3 {
		p := model.NewParams(model.NewLayout(c))
		r := rand.New(rand.NewPCG(uint64(k), 1))
		for i := range p.Data {
			p.Data[i] = float32(r.NormFloat64())
		}
		l := &Loaded{Config: c, Params: p, BOS: 1, EOS: 2 + k, Pad: -1}
		dir := filepath.ToSlash(t.TempDir())
		if err := Save(t.Context(), st, dir, l, SaveOptions{MaxShard: int64(2000 * k)}); err != nil {
			t.Fatal(err)
		}
		list, dirs = append(list, l), append(dirs, dir)
	}
	return list, dirs
}

// TestMerge: the numbers are the formula's, in float64, and what is no number is the first model's.
func TestMerge(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	for _, name := range []string{"llama-mup", "btlm"} {
		c, _, err := ReadModelConfigFile(t.Context(), st, "testdata/"+name+"/config.json")
		if err != nil {
			t.Fatal(err)
		}
		list, dirs := mergeModels(t, st, c)
		a, b, base := list[0].Params.Data, list[1].Params.Data, list[2].Params.Data
		for _, x := range []struct {
			name   string
			o      MergeOptions
			number func(i int) float64
		}{
			{"delta", MergeOptions{Base: dirs[2], Models: []MergeModel{{dirs[0], 1}, {dirs[1], 1}}}, func(i int) float64 { return float64(a[i]) + float64(b[i]) - float64(base[i]) }},
			{"task arithmetic", MergeOptions{Base: dirs[2], Models: []MergeModel{{dirs[0], 0.3}, {dirs[1], -0.5}}}, func(i int) float64 {
				return float64(base[i]) + 0.3*(float64(a[i])-float64(base[i])) - 0.5*(float64(b[i])-float64(base[i]))
			}},
			{"mean", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {dirs[1], 3}}}, func(i int) float64 { return 0.25*float64(a[i]) + 0.75*float64(b[i]) }},
			{"itself", MergeOptions{Base: dirs[2], Models: []MergeModel{{dirs[0], 1}}}, func(i int) float64 { return float64(a[i]) }},
		} {
			out := filepath.ToSlash(t.TempDir()) + "/out"
			x.o.Program = "test"
			if _, err := Merge(t.Context(), st, out, x.o); err != nil {
				t.Fatal(err)
			}
			got, err := Load(t.Context(), st, out)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Params.Data {
				if want := x.number(i); math.Abs(float64(v)-want) > 0x1p-24*math.Abs(want)+1e-15 {
					t.Fatalf("%s, number %d: %v, want %v", x.name, i, v, want)
				}
			}
			if got.EOS != 2 || sameConfig(got.Config, c) != nil {
				t.Errorf("%s: %+v", x.name, got)
			}
			// The same bytes again, whatever the files of weights are.
			again := filepath.ToSlash(t.TempDir()) + "/again"
			x.o.MaxShard = 3000
			if _, err := Merge(t.Context(), st, again, x.o); err != nil {
				t.Fatal(err)
			}
			second, err := Load(t.Context(), st, again)
			if err != nil || !slices.Equal(second.Params.Data, got.Params.Data) {
				t.Errorf("%s: another model in several files: %v", x.name, err)
			}
			text, err := os.ReadFile(out + "/" + MergeFile)
			if err != nil {
				t.Fatal(err)
			}
			var about struct {
				Models []struct {
					Model  string
					Base   bool
					Weight *float64
					Share  float64
					SHA256 map[string]string
				}
			}
			if err := json.Unmarshal(text, &about); err != nil {
				t.Fatal(err)
			}
			if n := len(about.Models); n != len(x.o.Models)+b2i(x.o.Base != "") || about.Models[0].Model != dirs[0] || *about.Models[0].Weight != x.o.Models[0].Weight || len(about.Models[0].SHA256["model.safetensors"]) != 64 || about.Models[n-1].Base != (x.o.Base != "") {
				t.Errorf("%s: %s", x.name, text)
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestMergeRefuses: what does not fit together is refused before anything is written.
func TestMergeRefuses(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	c, _, err := ReadModelConfigFile(t.Context(), st, "testdata/llama-mup/config.json")
	if err != nil {
		t.Fatal(err)
	}
	_, dirs := mergeModels(t, st, c)
	other := *c
	other.EmbeddingScale++
	_, others := mergeModels(t, st, &other)
	longer := *c
	longer.Context *= 2
	longer.RopeScaling = nil
	_, longers := mergeModels(t, st, &longer)
	// One whose tokenizer has two ids changed, and one whose file says the same in other bytes.
	tokenizer, err := os.ReadFile("../tokenize/testdata/small/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	for k, text := range []string{string(tokenizer), swapped(t, string(tokenizer)), string(tokenizer) + "\n"} {
		if err := os.WriteFile(dirs[k]+"/tokenizer.json", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	big, err := Load(t.Context(), st, others[0])
	if err != nil {
		t.Fatal(err)
	}
	big.Params.Data[3] = math.MaxFloat32
	huge := filepath.ToSlash(t.TempDir())
	if err := Save(t.Context(), st, huge, big, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		want string // "": nothing is wrong
		o    MergeOptions
	}{
		{"", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {dirs[2], 1}}}},
		{"", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {longers[0], 1}}}},
		{"EmbeddingScale is", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {others[0], 1}}}},
		{"their ids mean other things", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {dirs[1], 1}}}},
		{"their ids mean other things", MergeOptions{Models: []MergeModel{{longers[0], 1}, {dirs[0], 1}}, Base: dirs[1]}},
		{"no models", MergeOptions{Base: dirs[0]}},
		{"more than 0", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {dirs[0], -1}}}},
		{"no finite number", MergeOptions{Models: []MergeModel{{dirs[0], math.NaN()}}}},
		{"number 3 would be", MergeOptions{Base: others[1], Models: []MergeModel{{huge, 2}}}},
		{"f16 ends at 65504", MergeOptions{Models: []MergeModel{{huge, 1}, {huge, 1}}, SaveOptions: SaveOptions{Dtype: safetensors.F16}}},
		{"no model here", MergeOptions{Models: []MergeModel{{dirs[0], 1}, {filepath.ToSlash(t.TempDir()), 1}}}},
	} {
		out := filepath.ToSlash(t.TempDir()) + "/out"
		_, err := Merge(t.Context(), st, out, x.o)
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%v, want %q", err, x.want)
		}
		if _, err := os.Stat(out + "/config.json"); (err == nil) != (x.want == "") {
			t.Errorf("%q: %v", x.want, err)
		}
	}
}

// swapped is a tokenizer.json in which the ids of two tokens have changed places.
func swapped(t *testing.T, text string) string {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	vocab := f["model"].(map[string]any)["vocab"].(map[string]any)
	vocab["a"], vocab["b"] = vocab["b"], vocab["a"]
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
