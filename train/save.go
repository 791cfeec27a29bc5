package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/safetensors"
	"curate/train/export"
	"curate/train/model"
)

// SaveOptions say how a model's folder is written.
type SaveOptions struct {
	Dtype safetensors.Dtype // "": F32
	// MaxShard is how many bytes a file of weights has at most, but for one that a single tensor fills; 0: one file has all.
	MaxShard int64
}

// Save writes a model's folder as Hugging Face has it, with copies of the tokenizer's files; l.Dir is where the model came from
// and plays no part. Each file appears whole or not at all, and config.json, without which the folder is none of a model, comes
// last. l keeps what it has read of the tokenizer for the next time.
func Save(ctx context.Context, st store.Store, dir string, l *Loaded, o SaveOptions) error {
	if o.Dtype == "" {
		o.Dtype = safetensors.F32
	}
	extra := export.Extra{BOS: l.BOS, EOS: l.EOS, Pad: l.Pad, MoreEOS: l.MoreEOS, Dtype: o.Dtype}
	config, err := export.WriteConfig(l.Config, extra)
	if err != nil {
		return err
	}
	if err := l.readTokenizer(ctx, st); err != nil {
		return err
	}
	for _, f := range l.tokenizer {
		if err := writeFile(ctx, st, path.Join(dir, f.name), f.content); err != nil {
			return err
		}
	}
	if err := saveWeights(ctx, st, dir, l.Params, o); err != nil {
		return err
	}
	generation, err := l.generation()
	if err != nil {
		return err
	}
	if err := writeFile(ctx, st, path.Join(dir, generationFile), generation); err != nil {
		return err
	}
	return writeFile(ctx, st, path.Join(dir, ModelConfigFile), config)
}

// generation is generation_config.json: as it was, or made of the special tokens.
func (l *Loaded) generation() ([]byte, error) {
	if l.Generation != nil {
		return l.Generation, nil
	}
	g := map[string]any{"_from_model_config": true}
	for key, id := range map[string]int{"bos_token_id": l.BOS, "eos_token_id": l.EOS, "pad_token_id": l.Pad} {
		if id >= 0 {
			g[key] = id
		}
	}
	if l.EOS >= 0 && len(l.MoreEOS) > 0 {
		g["eos_token_id"] = append([]int{l.EOS}, l.MoreEOS...)
	}
	b, err := json.Marshal(g, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}

// save writes the model of a checkpoint.
func (r *run) save(ctx context.Context, st store.Store, dir string) error {
	if err := Save(ctx, st, dir, r.loaded, SaveOptions{}); err != nil || r.adapters == nil {
		return err
	}
	return saveAdapters(ctx, st, path.Join(dir, AdapterDir), r.c.From, r.adapters)
}

// metadata that transformers looks for in its files.
var metadata = map[string]string{"format": "pt"}

// saveWeights writes one file, or several and their index.
func saveWeights(ctx context.Context, st store.Store, dir string, p *model.Params, o SaveOptions) error {
	l, size := p.Layout, o.Dtype.Size()
	var cuts []int // first tensor of each file
	room := int64(0)
	for i := range l.Tensors {
		n := int64(l.Tensors[i].Len()) * size
		if i == 0 || o.MaxShard > 0 && n > room {
			cuts, room = append(cuts, i), o.MaxShard
		}
		room -= n
	}
	cuts = append(cuts, len(l.Tensors))
	if len(cuts) == 2 {
		return create(ctx, st, path.Join(dir, WeightsFile), func(w io.Writer) error {
			return export.WriteWeights(w, p, o.Dtype, metadata)
		})
	}
	weights := map[string]string{}
	for k, from := range cuts[:len(cuts)-1] {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", k+1, len(cuts)-1)
		err := create(ctx, st, path.Join(dir, name), func(w io.Writer) error {
			return export.WriteTensors(w, p, from, cuts[k+1], o.Dtype, metadata)
		})
		if err != nil {
			return err
		}
		for i := from; i < cuts[k+1]; i++ {
			weights[l.Tensors[i].Name] = name
		}
	}
	index := map[string]any{"metadata": map[string]int64{"total_size": int64(l.Len) * size}, "weight_map": weights}
	b, err := json.Marshal(index, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return writeFile(ctx, st, path.Join(dir, WeightsIndex), append(b, '\n'))
}

func create(ctx context.Context, st store.Store, name string, write func(w io.Writer) error) error {
	f, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

// tokenizerFile is a file of a tokenizer as it lies in a model's folder.
type tokenizerFile struct {
	name    string
	content []byte
}

// maxTokenizerFile is several times the largest known.
const maxTokenizerFile = 256 << 20

// readTokenizer reads the files of the tokenizer: of a folder all that belong to one; of a file itself and, if it is called as one
// of a folder is, those beside it.
func (l *Loaded) readTokenizer(ctx context.Context, st store.Store) error {
	if l.tokenizerPath == l.Tokenizer {
		return nil
	}
	from, rename := l.Tokenizer, ""
	names := tokenizerFiles
	_, err := st.Stat(ctx, from)
	switch {
	case errors.Is(err, store.ErrIsDir):
	case err != nil:
		return err
	case slices.Contains(tokenizerFiles, path.Base(from)):
		from = path.Dir(from)
	default: // a file with a name of its own
		names, rename = []string{path.Base(from)}, path.Base(from)
		if ext := path.Ext(from); ext == ".json" || ext == ".model" {
			rename = "tokenizer" + ext
		}
		from = path.Dir(from)
	}
	var list []tokenizerFile
	for _, name := range names {
		b, err := readFile(ctx, st, path.Join(from, name), maxTokenizerFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if rename != "" {
			name = rename
		}
		list = append(list, tokenizerFile{name, b})
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: no tokenizer in this folder that could be put beside the model", from)
	}
	l.tokenizer, l.tokenizerPath = list, l.Tokenizer
	return nil
}
