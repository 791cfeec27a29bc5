package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/tokenize"
	"curate/train/export"
	"curate/train/model"
)

// MergeFile is where a merged model says what it was made of. docs/formats/model.md is its page.
const MergeFile = "merge.json"

// MergeOptions say which models are merged, and how.
type MergeOptions struct {
	// Base is what the others were trained from. With it the result is base + Σ weight · (model − base): task arithmetic (Ilharco and
	// others 2023, arXiv 2212.04089, section 2). "": the mean Σ weight · model / Σ weight (model soups, Wortsman and others 2022, arXiv
	// 2203.05482, section 2, for equal weights).
	Base   string
	Models []MergeModel
	// Tokenizer is the path of the one that goes along; "": that of the first model.
	Tokenizer string
	SaveOptions
	Program string // who merges, for MergeFile
}

// MergeModel is a model that is merged: a folder as Load takes it.
type MergeModel struct {
	Dir    string
	Weight float64
}

// merged is a model as MergeFile has it.
type merged struct {
	Model  string            `json:"model"`
	Base   bool              `json:"base,omitzero"`
	Weight *float64          `json:"weight,omitzero"`
	Share  float64           `json:"share"` // what its numbers were multiplied by
	Files  map[string]string `json:"sha256"`
}

// Merge writes a model's folder with the weighted sum of others, number by number. All must have the same configuration, but for how
// long their rows were, and the same tokenizer, id by id. What is no number comes from the first model: config.json's special
// tokens, generation_config.json, the tokenizer's files unless o says others. Memory does not grow with the models; each is read
// twice, once for the digests in MergeFile.
func Merge(ctx context.Context, st store.Store, dir string, o MergeOptions) (*model.Config, error) {
	list, err := o.shares()
	if err != nil {
		return nil, err
	}
	var l *Loaded
	var mix export.Mix
	var about []merged
	var first string // the tokenizer that others are compared with
	for k, m := range list {
		c, extra, from, err := ReadModelConfig(ctx, st, m.Dir)
		if err != nil {
			return nil, err
		}
		tokenizer, err := TokenizerIn(ctx, st, from)
		if err != nil {
			return nil, err
		}
		if l == nil {
			l = &Loaded{Dir: from, Config: c, BOS: extra.BOS, EOS: extra.EOS, Pad: extra.Pad, MoreEOS: extra.MoreEOS, Jais: extra.Jais, Tokenizer: tokenizer}
			if !isGGUF(ctx, st, from) {
				if l.Generation, err = readFile(ctx, st, path.Join(from, generationFile), 1<<20); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return nil, err
				}
			}
			if o.Dtype == "" {
				o.Dtype = extra.Dtype
			}
		}
		if err := sameConfig(l.Config, c); err != nil {
			return nil, fmt.Errorf("%s and %s cannot be merged: %w", list[0].Dir, m.Dir, err)
		}
		if tokenizer != "" && first != "" {
			if err := sameTokenizer(first, tokenizer); err != nil {
				return nil, fmt.Errorf("%s and %s cannot be merged: their ids mean other things: %w", first, tokenizer, err)
			}
		}
		if first == "" {
			first = tokenizer
		}
		files, done, err := openWeights(ctx, st, from)
		if err != nil {
			return nil, err
		}
		defer done()
		w, err := export.Locate(c, files)
		if err != nil {
			return nil, err
		}
		mix = append(mix, struct {
			Weight float64
			*export.Weights
		}{m.Weight, w})
		entry := merged{Model: m.Dir, Share: m.Weight, Files: map[string]string{}}
		if o.Base != "" && k == len(list)-1 {
			entry.Base = true
		} else {
			entry.Weight = &o.Models[k].Weight
		}
		for _, f := range files {
			if entry.Files[path.Base(f.Name)], err = fileDigest(ctx, st, f.Name); err != nil {
				return nil, err
			}
		}
		about = append(about, entry)
	}
	if o.Tokenizer != "" {
		l.Tokenizer = o.Tokenizer
	}
	b, err := json.Marshal(map[string]any{"program": o.Program, "dtype": o.dtype(), "models": about}, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	if err := writeFile(ctx, st, path.Join(dir, MergeFile), append(b, '\n')); err != nil {
		return nil, err
	}
	return l.Config, save(ctx, st, dir, l, o.SaveOptions, func(w io.Writer, from, to int) error {
		return export.WriteMix(w, mix, from, to, o.dtype(), metadata)
	})
}

// shares are the models with what their numbers are multiplied by, the base last.
func (o *MergeOptions) shares() ([]MergeModel, error) {
	if len(o.Models) == 0 {
		return nil, errors.New("no models to merge")
	}
	sum := 0.0
	for _, m := range o.Models {
		if m.Weight-m.Weight != 0 {
			return nil, fmt.Errorf("%s: the weight %v is no finite number", m.Dir, m.Weight)
		}
		sum += m.Weight
	}
	list := make([]MergeModel, len(o.Models))
	copy(list, o.Models)
	if o.Base != "" {
		return append(list, MergeModel{o.Base, 1 - sum}), nil
	}
	if !(sum > 0) {
		return nil, fmt.Errorf("the weights sum to %v; a mean wants more than 0", sum)
	}
	for i := range list {
		list[i].Weight /= sum
	}
	return list, nil
}

// sameConfig is an error that names what of two configurations differs. Context does not change what a model computes.
func sameConfig(a, b *model.Config) error {
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for i := range x.NumField() {
		name := x.Type().Field(i).Name
		if v, w := x.Field(i).Interface(), y.Field(i).Interface(); name != "Context" && !reflect.DeepEqual(v, w) {
			if name == "RopeScaling" {
				return errors.New("their rope_scaling is not the same")
			}
			return fmt.Errorf("%s is %v in one and %v in the other", name, v, w)
		}
	}
	return nil
}

// sameTokenizer is an error if two tokenizers have other ids, or cut text in another way.
func sameTokenizer(a, b string) error {
	x, err := tokenize.Open(a)
	if err != nil {
		return err
	}
	y, err := tokenize.Open(b)
	if err != nil {
		return err
	}
	i, j := x.Info(), y.Info()
	if i.Fingerprint == j.Fingerprint {
		return nil
	}
	// Other bytes may say the same: added tokens in another order, merges as pairs, a template of special tokens.
	if i.Model != j.Model || i.Normalizer != j.Normalizer || i.Merges != j.Merges || !reflect.DeepEqual(i.Patterns, j.Patterns) {
		return fmt.Errorf("%s of %d merges and %s of %d", i.Model, i.Merges, j.Model, j.Merges)
	}
	for id := range uint32(max(i.VocabSize, j.VocabSize)) {
		one := []uint32{id}
		if v, w := x.Decode(one, tokenize.DecodeOptions{}), y.Decode(one, tokenize.DecodeOptions{}); v != w {
			return fmt.Errorf("id %d is %q in one and %q in the other", id, v, w)
		}
	}
	return nil
}

// fileDigest is the sha256 of a file, in hex.
func fileDigest(ctx context.Context, st store.Store, name string) (string, error) {
	r, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
