package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"curate/pipeline/recipe"
	"curate/shards"
	"curate/shards/trainerconfig"
	"curate/train"
	"curate/train/model"
)

// exportedTraining is what --train of shards export-config says: a run's folder, its train.json, or RECIPE.yaml:STEP.
type exportedTraining struct {
	config *train.Config
	step   *recipe.Step // of a recipe; nil of a run
	recipe *recipe.Recipe
}

// openExportedTraining reads it.
func openExportedTraining(ctx context.Context, name string) (*exportedTraining, error) {
	if file, step, ok := cutStep(name); ok {
		return recipeTraining(ctx, file, step)
	}
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("--train %s: no such run; name its folder or its train.json, or RECIPE.yaml:STEP", name)
	case err != nil:
		return nil, err
	case st.IsDir():
		name = filepath.Join(name, train.ConfigFile)
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("--train: %s is not there: the folder is that of no run", name)
	} else if err != nil {
		return nil, err
	}
	c, err := train.ReadConfig(name, b)
	return &exportedTraining{config: c}, err
}

// cutStep cuts RECIPE.yaml:STEP. A colon of a path is followed by none.
func cutStep(name string) (file, step string, ok bool) {
	i := strings.LastIndex(name, ":")
	if i < 0 || strings.ContainsAny(name[i:], `/\`) {
		return "", "", false
	}
	ext := strings.ToLower(filepath.Ext(name[:i]))
	return name[:i], name[i+1:], ext == ".yaml" || ext == ".yml"
}

func recipeTraining(ctx context.Context, file, name string) (*exportedTraining, error) {
	r, err := readRecipe(ctx, file, nil, nil)
	if err != nil {
		return nil, err
	}
	var there []string
	for _, s := range r.Steps {
		if s.Uses[0].Kind.Name != "train" {
			continue
		}
		if s.Name == name {
			t, err := kindTraining(s.Uses[0].Values)
			if err != nil {
				return nil, err
			}
			if len(t.search) > 0 {
				return nil, usage("--train %s:%s is a search; name a step of one run", file, name)
			}
			return &exportedTraining{&t.config, s, r}, nil
		}
		there = append(there, s.Name)
	}
	if there == nil {
		return nil, usage("--train %s: no step of the recipe trains", file)
	}
	return nil, usage("--train %s: no step that trains is called %q; there are: %s", file, name, strings.Join(there, ", "))
}

// input is what a trainer's configuration is made of: the shards of dir or, where that is "", those of the run. Of a recipe they need
// not be built yet.
func (t *exportedTraining) input(ctx context.Context, dir string, trainer *trainerconfig.Trainer, log io.Writer) (*trainerconfig.Input, error) {
	if len(t.config.Mix) > 0 {
		return nil, usage("--train: the run mixes rows of several folders (mix), which no configuration can say; build shards of the mixture")
	}
	given := dir != ""
	if !given {
		dir = filepath.FromSlash(t.config.Shards)
	}
	_, err := os.Stat(dir)
	var in *trainerconfig.Input
	if errors.Is(err, fs.ErrNotExist) && !given && t.step != nil {
		in, err = t.planned(trainer, log)
	} else {
		in, err = trainerInput(ctx, dir)
	}
	if err != nil {
		return nil, err
	}
	if n := t.config.TokensPerStep; n > 0 {
		in.Schedule.TokensPerStep = n
		for i := range in.Schedule.Stages {
			if length := int64(in.Schedule.Stages[i].Length); length > 0 {
				in.Schedule.Stages[i].RowsPerStep = max(1, n/length)
			}
		}
	}
	// As in train: pairs are learnt where there is nothing else, and beside rows where the folder named is theirs alone.
	if len(in.Manifests) > 0 {
		in.Preference, in.Schedule.Preference = nil, ""
	} else if t.config.DPO == nil {
		o := train.DefaultDPO()
		t.config.DPO = &o
	}
	if in.Training, err = t.training(ctx); err != nil {
		return nil, err
	}
	if tokens := t.config.Tokens; tokens > 0 {
		perStep := in.Schedule.TokensPerStep
		if perStep == 0 {
			return nil, usage("--train: the run's length is in tokens, and nobody says how many a step has; give tokens_per_step")
		}
		in.Training.Steps, in.Training.Epochs = (tokens+perStep-1)/perStep, 0
	}
	return in, nil
}

// planned is the input of shards that a step of the recipe will build.
func (t *exportedTraining) planned(trainer *trainerconfig.Trainer, log io.Writer) (*trainerconfig.Input, error) {
	i := slices.IndexFunc(t.recipe.Steps, func(s *recipe.Step) bool { return s.Dir() == t.config.Shards })
	if i < 0 {
		return nil, usage("--train: the shards in %s are not there, and no step of the recipe builds them", t.config.Shards)
	}
	step := t.recipe.Steps[i]
	use := &step.Uses[len(step.Uses)-1]
	if use.Kind.Name != "shards" {
		return nil, usage("--train: the step %q builds no shards", step.Name)
	}
	s, err := kindSharding(use.Values)
	if err != nil {
		return nil, err
	}
	cfg, err := s.config(keyName)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(step.Dir())
	if err != nil {
		return nil, err
	}
	lengths := cfg.Schedule
	if len(lengths) == 0 {
		lengths = []shards.Length{{Length: shards.DefaultLength, Share: 1}}
	}
	fmt.Fprintf(log, "curate: the shards of the step %s are not built yet: their files, rows and steps are left open\n", step.Name)
	built := cfg.Format
	if t.config.DPO == nil && !slices.Contains(trainer.Formats, built) {
		built = trainer.Formats[0]
		fmt.Fprintf(log, "curate: the step %s builds format %s, which %s does not read; say format: %s there\n", step.Name, cfg.Format, trainer.Name, built)
	}
	in := &trainerconfig.Input{Root: filepath.ToSlash(root), Planned: true, Schedule: &shards.Schedule{Format: built, Seed: cfg.Seed, TokensPerStep: cfg.TokensPerStep}}
	if is, err := openTokenizer("tokenizer", use.Values.Path("tokenizer")); err == nil {
		v, err := shardsVocabulary(is, s.eod, s.noEOD, "eod", "no_eod")
		if err != nil {
			return nil, err
		}
		in.Schedule.Vocabulary, in.Schedule.Tokenizer = v.Size, v.Fingerprint
		if v.EOD >= 0 {
			in.Schedule.EOD = &v.EOD
		}
	} else {
		fmt.Fprintf(log, "curate: the tokenizer %s is not here: the size of the vocabulary is left open\n", use.Values.Path("tokenizer"))
	}
	rest := 1.0
	for _, l := range lengths {
		rest -= l.Share
	}
	if t.config.DPO != nil {
		in.Schedule.Preference = shards.PairDir
		in.Preference = &shards.Manifest{Format: shards.PairFormat, Length: lengths[0].Length}
		return in, nil
	}
	for _, l := range lengths {
		m := &shards.Manifest{Format: built, Length: l.Length}
		if cfg.Packing != "" {
			m.Packing = &shards.Packing{Method: cfg.Packing}
		}
		share := l.Share
		if share == 0 {
			share = rest
		}
		in.Manifests = append(in.Manifests, m)
		in.Schedule.Stages = append(in.Schedule.Stages, shards.Stage{
			Dir: shards.StageDir(l.Length), Length: l.Length, Share: share, RowsPerStep: cfg.TokensPerStep / int64(l.Length),
		})
	}
	return in, nil
}

// training is the run's configuration in the words of trainerconfig.
func (t *exportedTraining) training(ctx context.Context) (*trainerconfig.Training, error) {
	c := t.config
	out := &trainerconfig.Training{
		Steps: c.Steps, Epochs: c.Epochs, LearningRate: c.LearningRate,
		Schedule: trainerconfig.Rates{Kind: c.Schedule.Kind, Warmup: c.Schedule.Warmup, End: c.Schedule.End, Decay: c.Schedule.Decay, DecayShape: c.Schedule.DecayShape},
		Beta1:    c.Optimizer.Beta1, Beta2: c.Optimizer.Beta2, Epsilon: c.Optimizer.Epsilon, WeightDecay: c.Optimizer.WeightDecay, Clip: c.Optimizer.Clip,
		BF16: c.Precision == "bf16", NEFTune: c.NEFTune,
	}
	if c.Steps == 0 && c.Epochs == 0 {
		out.Epochs = 1
	}
	if c.DPO != nil {
		out.DPO = &trainerconfig.DPO{Beta: c.DPO.Beta, NLL: c.DPO.NLL, LabelSmoothing: c.DPO.LabelSmoothing}
	}
	if c.LoRA != nil {
		out.LoRA = &trainerconfig.LoRA{Rank: c.LoRA.Rank, Alpha: c.LoRA.Alpha, Targets: c.LoRA.Targets, RSLoRA: c.LoRA.RSLoRA}
	}
	if c.EarlyStopping != nil {
		out.Patience = c.EarlyStopping.Patience
	}
	shape := c.Model
	if shape != nil {
		s := model.Shape(*shape)
		if s.Vocabulary == 0 {
			s.Vocabulary = 1 // the shards know it; the shape does not depend on it
		}
		m, err := s.New()
		if err != nil {
			return nil, usage("--train: model: %v", err)
		}
		out.Shape = exportedShape(m, c.InitStd)
		return out, nil
	}
	from, err := filepath.Abs(c.From)
	if err != nil {
		return nil, err
	}
	out.Model = filepath.ToSlash(from)
	// The model need not be on this machine, or may be what another step is to make.
	if m, _, dir, err := train.ReadModelConfig(ctx, storage(), filepath.ToSlash(c.From)); err == nil {
		if abs, err := filepath.Abs(dir); err == nil {
			out.Model = filepath.ToSlash(abs)
		}
		out.Shape = exportedShape(m, 0)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	} else {
		out.Missing = true
	}
	return out, nil
}

func exportedShape(m *model.Config, std float64) *trainerconfig.Shape {
	s := &trainerconfig.Shape{
		ALiBi: m.Family == model.BTLM, Width: m.Width, Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads, FFN: m.FFN, Tied: m.Tied,
		RopeTheta: m.RopeTheta, RopeScaled: m.RopeScaling != nil, InitStd: std,
	}
	if m.WidthScale != 1 {
		s.BaseWidth, s.EmbeddingScale = int(math.Round(m.WidthScale*float64(m.Width))), m.EmbeddingScale
		s.OutputAlpha = m.LogitScale / m.WidthScale
	}
	return s
}
