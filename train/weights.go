package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/safetensors"
	"curate/torchfile"
	"curate/train/export"
)

// openWeights opens the files with the weights of a model's folder, or the model's one file; done closes them.
func openWeights(ctx context.Context, st store.Store, dir string) (files []*export.File, done func(), err error) {
	if isGGUF(ctx, st, dir) {
		_, _, f, done, err := openGGUF(ctx, st, dir)
		return []*export.File{f}, done, err
	}
	names, err := weightFiles(ctx, st, dir)
	if err != nil {
		return nil, nil, err
	}
	var open []store.ReaderAt
	done = func() {
		for _, f := range open {
			f.Close()
		}
	}
	for _, name := range names {
		name = path.Join(dir, name)
		r, size, err := st.OpenAt(ctx, name)
		if err != nil {
			done()
			return nil, nil, err
		}
		open = append(open, r)
		f, err := openFile(name, r, size)
		if err != nil {
			done()
			return nil, nil, err
		}
		files = append(files, f)
	}
	return files, done, nil
}

// openFile opens a file of weights by the ending of its name.
func openFile(name string, r store.ReaderAt, size int64) (*export.File, error) {
	if path.Ext(name) == ".bin" {
		f, err := torchfile.Open(name, r, size)
		if err != nil {
			return nil, err
		}
		return export.Torch(f), nil
	}
	f, err := safetensors.Open(name, r, size)
	if err != nil {
		return nil, err
	}
	return export.Safetensors(f), nil
}

// weightFiles are the files with the weights, found in the order in which transformers looks for them.
func weightFiles(ctx context.Context, st store.Store, dir string) ([]string, error) {
	for _, name := range []string{WeightsFile, WeightsIndex, TorchFile, TorchIndex} {
		if path.Ext(name) != ".json" {
			_, err := st.Stat(ctx, path.Join(dir, name))
			if !errors.Is(err, fs.ErrNotExist) {
				return []string{name}, err
			}
			continue
		}
		b, err := readFile(ctx, st, path.Join(dir, name), 256<<20)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return indexed(path.Join(dir, name), b)
	}
	return nil, fmt.Errorf("%s: there is none of %s, %s, %s and %s; weights in another format have to be written as safetensors first, by transformers' save_pretrained", dir, WeightsFile, WeightsIndex, TorchFile, TorchIndex)
}

// indexed are the files that an index names, sorted.
func indexed(name string, b []byte) ([]string, error) {
	var index struct {
		Weights map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	files := map[string]bool{}
	for _, tensor := range slices.Sorted(maps.Keys(index.Weights)) {
		file := index.Weights[tensor]
		if file == "" || strings.HasPrefix(file, ".") || strings.ContainsAny(file, "/\\:\x00") {
			return nil, fmt.Errorf("%s: weight_map: tensor %q is in %q, which is no file of this folder", name, tensor, file)
		}
		files[file] = true
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: weight_map names no file", name)
	}
	return slices.Sorted(maps.Keys(files)), nil
}
