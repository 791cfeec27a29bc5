package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/spf13/pflag"

	"curate/kernel"
	"curate/stage"
	"curate/translate"
	"curate/translate/marian"
	"curate/translate/protect"
)

// localEngine is a family of models that translate in this process. Its name is that of the backend.
type localEngine struct {
	name     string
	open     func(dir string, o marian.Options) (translate.Engine, error)
	quantize func(ctx context.Context, from, to string) error
}

// localEngines by name, sorted.
var localEngines = []localEngine{
	{"marian", func(dir string, o marian.Options) (translate.Engine, error) {
		e, err := marian.Open(dir, o)
		if err != nil {
			return nil, err // and not a nil *marian.Engine in an interface
		}
		return e, nil
	}, marian.Quantize},
}

// computedTranslation is how a model in this process is set: as typed, and once opened, opened.
type computedTranslation struct {
	beams              int
	precision, kernels string
	workers            int // 0 is one a core
	backend            *translate.Local
}

// localPrecisions of weights; "" is as they are stored.
var localPrecisions = []string{"f32", "int8"}

func (c *computedTranslation) flags(fs *pflag.FlagSet) {
	fs.IntVar(&c.beams, "beams", 0, "`N` hypotheses of a model in this process; default what its configuration says")
	fs.StringVar(&c.precision, "precision", "", "weights of a model in this process as `f32|int8`; default as they are stored")
	fs.StringVar(&c.kernels, "kernels", kernel.Auto, "`NAME` of the kernels of a model in this process: portable, avx2, avx512, or the best that the processor can run")
}

// local is the family of the backend, nil if it is none.
func (t *translating) local() *localEngine {
	i := slices.IndexFunc(localEngines, func(e localEngine) bool { return e.name == t.backend })
	if i < 0 {
		return nil
	}
	return &localEngines[i]
}

// checkLocal is what can be said of a backend in this process, and of its settings where the backend is another, before the model is
// opened.
func (t *translating) checkLocal() error {
	c := &t.computed
	if t.local() == nil {
		switch {
		case c.beams != 0 || c.precision != "" || c.kernels != "" && c.kernels != kernel.Auto:
			return fmt.Errorf("beams, precision and kernels are for a model in this process (%s), and the backend is %s", localEngines[0].name, t.backend)
		case t.cfg.Placeholder == protect.Aligned().Name:
			return translate.ErrAligned
		}
		return nil
	}
	p := t.policy
	switch limits := p.MaxRequests > 0 || p.MaxTokens > 0 || p.MaxCost > 0 || p.PriceIn > 0 || p.PriceOut > 0; {
	case t.openai.Model == "":
		return fmt.Errorf("backend %s needs a model: the folder with its config.json, weights and vocabularies", t.backend)
	case t.openai.BaseURL != "":
		return fmt.Errorf("backend %s translates in this process: it has no base URL", t.backend)
	case limits && t.judge == "" && t.fallback == "":
		return fmt.Errorf("backend %s translates in this process, and costs nothing: limits and prices are for servers and commands", t.backend)
	case c.beams < 0 || c.beams > maxBeams:
		return fmt.Errorf("%d beams: from 1 to %d, or 0 for what the model's configuration says", c.beams, maxBeams)
	case c.precision != "" && !slices.Contains(localPrecisions, c.precision):
		return stage.UnknownName("precision", c.precision, localPrecisions)
	}
	if _, err := kernel.Named(cmp.Or(c.kernels, kernel.Auto)); err != nil {
		return fmt.Errorf("kernels: %w", err)
	}
	return modelFolder(t.openai.Model)
}

// maxBeams is far above what search gains from: a memory that is asked for by mistake.
const maxBeams = 64

// modelFolder says what is wrong with a folder that should hold a model of Hugging Face's kind.
func modelFolder(dir string) error {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("model %s: no such folder; a model is a folder on this machine, with its config.json, weights and vocabularies", dir)
	case err != nil:
		return err
	case !st.IsDir():
		return fmt.Errorf("model %s: is a file, and a model is the folder with its config.json, weights and vocabularies", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("model %s: the folder has no config.json, so it is no model's", dir)
	}
	return nil
}

// localWorkers are the batches that are computed at a time.
func (t *translating) localWorkers() int { return cmp.Or(t.computed.workers, runtime.GOMAXPROCS(0)) }

// openLocal opens the model, once. closeLocal closes it, unless a stage has taken it over.
func (t *translating) openLocal() error {
	c := &t.computed
	if t.local() == nil || c.backend != nil {
		return nil
	}
	e, err := t.local().open(t.openai.Model, t.localOptions())
	if err != nil {
		return fmt.Errorf("model %s: %w", t.openai.Model, err)
	}
	c.backend = translate.NewLocal(e, translate.LocalOptions{Family: t.backend, Workers: t.localWorkers()})
	return nil
}

func (t *translating) closeLocal() error {
	b := t.computed.backend
	if b == nil {
		return nil
	}
	t.computed.backend = nil
	return b.Close()
}

// localMemories are what models take, by localMemoryKey: a recipe asks before each of its steps, and to open a model is to read it.
var localMemories sync.Map

type localMemoryKey struct {
	family, dir string
	o           marian.Options
}

// localMemory is what the model takes, in bytes; 0 of one that cannot be opened, which check has said.
func (t *translating) localMemory() int64 {
	key := localMemoryKey{t.backend, t.openai.Model, t.localOptions()}
	if n, ok := localMemories.Load(key); ok {
		return n.(int64)
	}
	had := t.computed.backend != nil
	if t.openLocal() != nil {
		return 0
	}
	n := t.computed.backend.Memory()
	localMemories.Store(key, n)
	if !had {
		_ = t.closeLocal() // it was only looked at
	}
	return n
}

func (t *translating) localOptions() marian.Options {
	c := &t.computed
	return marian.Options{Kernels: c.kernels, Workers: t.localWorkers(), Beams: c.beams, Precision: c.precision}
}

// takeLocal makes the model the backend, where it is one: what is opened closes it from now on.
func (t *translating) takeLocal(p *translate.Parts, o *opened) error {
	if t.local() == nil {
		return nil
	}
	if err := t.openLocal(); err != nil {
		return err
	}
	b := t.computed.backend
	t.computed.backend = nil
	p.Backend, p.Model = b, b.Name()
	o.closers, o.stats = append(o.closers, b), b.Stats
	return nil
}
