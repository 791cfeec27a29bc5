package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/train/model"
)

// Names in the folder of a checkpoint. The adapters have a folder of their own: transformers would take that of the merged model for
// one of adapters otherwise.
const (
	AdapterDir        = "adapter"
	AdapterFile       = "adapter_model.safetensors"
	AdapterConfigFile = "adapter_config.json"
)

// Model is LoRA as the model has it; nil stays nil.
func (l *LoRA) Model() *model.LoRA {
	if l == nil {
		return nil
	}
	return &model.LoRA{Rank: l.Rank, Alpha: l.Alpha, RankStabilized: l.RSLoRA, Targets: l.Targets}
}

func (l *LoRA) check() error {
	switch {
	case l.Rank < 1 || l.Rank > 1<<16:
		return fmt.Errorf("lora.rank is %d: at least 1, at most %d", l.Rank, 1<<16)
	case !(l.Alpha > 0) || l.Alpha > 1e9 || l.Model().Scale() < 1e-9:
		return fmt.Errorf("lora.alpha is %v: above 0, such as twice the rank", l.Alpha)
	case l.Targets != nil && len(l.Targets) == 0:
		return errors.New("lora.targets is empty: without the key all linear layers get an adapter")
	}
	for i, t := range l.Targets {
		if t == "" || slices.Contains(l.Targets[:i], t) {
			return fmt.Errorf("lora.targets has %q twice, or without a name", t)
		}
	}
	return nil
}

// adapt gives the run's model its adapters: of the last checkpoint, of which r.loaded is the merged model, or new ones.
func (r *run) adapt(ctx context.Context, state *State) error {
	var merged []uint64 // of the checkpoint: there need not be room for two models
	if r.saved >= 0 {
		merged = digests(r.loaded.Params)
		layout := r.loaded.Params.Layout
		r.loaded.Params = nil
		base, err := r.start(ctx)
		if err != nil {
			return fmt.Errorf("the model that the adapters are of: %w", err)
		}
		if !slices.Equal(base.Params.Layout.Tensors, layout.Tensors) {
			return r.otherBase()
		}
		r.loaded.Params = base.Params
	}
	p := r.loaded.Params
	a, err := model.NewAdapters(*r.c.LoRA.Model(), p)
	if err != nil {
		return fmt.Errorf("lora.%w", err)
	}
	a.Init(r.c.Seed)
	m, err := model.New(r.loaded.Config, p, r.env.Pool, r.c.precision())
	if err != nil {
		return err
	}
	if r.saved >= 0 {
		if err := readTensors(ctx, r.st, path.Join(stepDir(r.dir, r.saved), AdapterDir, AdapterFile), a.Params); err != nil {
			return err
		}
	}
	if err := m.Adapt(a); err != nil {
		return err
	}
	// With other kernels the last bits of the sum are others, and only what has no adapter can be compared.
	for i, d := range merged {
		if (state.Kernels == r.c.Kernels || !a.Changes(i)) && digest(p.Of(i)) != d {
			return r.otherBase()
		}
	}
	r.model, r.adapters = m, a
	return nil
}

// digests are those of all tensors.
func digests(p *model.Params) []uint64 {
	list := make([]uint64, len(p.Layout.Tensors))
	for i := range list {
		list[i] = digest(p.Of(i))
	}
	return list
}

// digest tells numbers from others, bit by bit.
func digest(x []float32) uint64 {
	d := xxhash.New()
	var b [1 << 12]byte
	for piece := range slices.Chunk(x, len(b)/4) {
		for i, v := range piece {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
		}
		d.Write(b[:4*len(piece)])
	}
	return d.Sum64()
}

func (r *run) otherBase() error {
	return fmt.Errorf("%s: with the adapters of %s it is not the model of that checkpoint: it was changed since the run was begun; restore it, or start again", r.c.From, stepDir(r.dir, r.saved))
}

// adapterConfig is adapter_config.json as PEFT's LoraConfig reads it.
type adapterConfig struct {
	Base     string   `json:"base_model_name_or_path"`
	Bias     string   `json:"bias"`
	FanInOut bool     `json:"fan_in_fan_out"`
	Frozen   bool     `json:"inference_mode"`
	Alpha    float64  `json:"lora_alpha"`
	Dropout  float64  `json:"lora_dropout"`
	Type     string   `json:"peft_type"`
	Rank     int      `json:"r"`
	Targets  []string `json:"target_modules"`
	Task     string   `json:"task_type"`
	RSLoRA   bool     `json:"use_rslora"`
}

// saveAdapters writes the folder of the adapters as PEFT has it, where ends of names mean the same.
func saveAdapters(ctx context.Context, st store.Store, dir, base string, a *model.Adapters) error {
	err := create(ctx, st, path.Join(dir, AdapterFile), writeTensors(a.Params, metadata))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = json.MarshalWrite(&b, &adapterConfig{
		Base: base, Bias: "none", FanInOut: a.Transposed(), Frozen: true, Alpha: a.Alpha, Type: "LORA", Rank: a.Rank,
		Targets: a.Names(), Task: "CAUSAL_LM", RSLoRA: a.RankStabilized,
	}, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return writeFile(ctx, st, path.Join(dir, AdapterConfigFile), append(b.Bytes(), '\n'))
}
