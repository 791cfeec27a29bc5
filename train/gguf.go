package train

import (
	"context"
	"io"
	"path"
	"strings"

	"curate/corpus/store"
	"curate/gguf"
	"curate/train/export"
	"curate/train/model"
)

// SaveGGUF writes the model in dir, as Load finds it, into a file for llama.cpp. Its tensors pass one by one, so that memory does not
// grow with the model. tokenizer is the path of the tokenizer that goes along; "": that of the model; if that has none, the file has
// ids alone. It gives the model's configuration, and what the file cannot say of the tokenizer.
func SaveGGUF(ctx context.Context, st store.Store, name, dir, tokenizer string, matrices gguf.Type) (*model.Config, []string, error) {
	c, extra, dir, err := ReadModelConfig(ctx, st, dir)
	if err != nil {
		return nil, nil, err
	}
	if tokenizer == "" {
		if tokenizer, err = TokenizerIn(ctx, st, dir); err != nil {
			return nil, nil, err
		}
	}
	o := export.GGUFOptions{Type: matrices, Name: strings.TrimSuffix(path.Base(name), path.Ext(name))}
	notes := []string{"the model has no tokenizer, and so the file has ids alone; --tokenizer gives it one"}
	if tokenizer != "" {
		if o.Tokenizer, notes, err = export.Vocabulary(tokenizer, c.Vocabulary, extra); err != nil {
			return nil, nil, err
		}
	}
	files, done, err := openWeights(ctx, st, dir)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	weights, err := export.Locate(c, files)
	if err != nil {
		return nil, nil, err
	}
	return c, notes, create(ctx, st, name, func(w io.Writer) error { return export.WriteGGUF(w, c, weights, o) })
}

// ggufExt is how the name of a file ends that is a model by itself.
const ggufExt = ".gguf"

// isGGUF says whether a path that ModelDir gave is a GGUF file and not a folder.
func isGGUF(ctx context.Context, st store.Store, name string) bool {
	if path.Ext(name) != ggufExt {
		return false
	}
	_, err := st.Stat(ctx, name)
	return err == nil
}

// openGGUF opens a model's file; done closes it.
func openGGUF(ctx context.Context, st store.Store, name string) (c *model.Config, extra export.Extra, f *export.File, done func(), err error) {
	r, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return nil, export.Extra{}, nil, nil, err
	}
	done = func() { r.Close() }
	file, err := gguf.Open(name, r, size)
	if err == nil {
		c, extra, f, err = export.ReadGGUF(file)
	}
	if err != nil {
		done()
		return nil, export.Extra{}, nil, nil, err
	}
	return c, extra, f, done, nil
}
