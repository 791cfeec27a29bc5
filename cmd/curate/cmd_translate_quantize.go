package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus/store"
	"curate/pipeline"
	"curate/stage"
)

func newTranslateQuantize(env environment) *cobra.Command {
	var out, backend string
	var names []string
	for _, e := range localEngines {
		names = append(names, e.name)
	}
	cmd := &cobra.Command{
		Use:   "quantize MODEL -o DIR",
		Short: "Write a translation model with weights of 8 bits",
		Long: `Write the model of folder MODEL into folder DIR with weights of 8 bits, as curate translate --precision int8
makes them each time it begins: about a quarter of the size. The same translations come out. DIR must not be
there yet; it appears whole or not at all.`,
		Example: `  curate translate quantize mt-en-eu -o mt-en-eu-int8
  curate translate --from en --to eu --backend marian --model mt-en-eu-int8 --memory-dir tm rows.jsonl -o rows.eu/`,
		Args: oneArg("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t := translating{backend: backend}
			e := t.local()
			switch {
			case e == nil:
				return usage("translate quantize: %v", stage.UnknownName("backend", backend, names))
			case out == "":
				return usage("-o is missing: the folder that the model is written into")
			}
			if err := modelFolder(args[0]); err != nil {
				return usage("translate quantize: %v", err)
			}
			if there, err := folderIsThere(cmd.Context(), out); err != nil {
				return err
			} else if there {
				return usage("%s: is there already; give a folder that is not", out)
			}
			before, after, err := quantized(cmd.Context(), e, args[0], out)
			if err != nil {
				return fmt.Errorf("model %s: %w", args[0], err)
			}
			slog.New(&plainHandler{out: env.stderr}).Info(fmt.Sprintf("%s: %s, from %s in %s", out, pipeline.FormatBytes(after), pipeline.FormatBytes(before), args[0]))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&out, "output", "o", "", "`DIR` that is made")
	fs.StringVar(&backend, "backend", localEngines[0].name, "`NAME` of the backend that the model is for: "+strings.Join(names, ", "))
	completeFlags(cmd, map[string][]string{"backend": names})
	return cmd
}

// quantized makes out, and says how many bytes the files of both folders have.
func quantized(ctx context.Context, e *localEngine, from, out string) (before, after int64, err error) {
	if before, err = folderSize(from); err != nil {
		return 0, 0, err
	}
	if store.IsURL(out) {
		after, err = quantizedTo(ctx, e, from, out)
		return before, after, err
	}
	out = filepath.Clean(out)
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		return 0, 0, err
	}
	// Beside out, so that a rename brings it there. A killed run leaves it, under a name that says what it was.
	tmp, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".tmp-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	made := filepath.Join(tmp, filepath.Base(out))
	if err := e.quantize(ctx, from, made); err != nil {
		return 0, 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, context.Cause(ctx)
	}
	if after, err = folderSize(made); err != nil {
		return 0, 0, err
	}
	if err := syncFolder(made); err != nil {
		return 0, 0, err
	}
	if err := os.Rename(made, out); err != nil {
		return 0, 0, err
	}
	return before, after, store.OS().SyncDir(filepath.Dir(out))
}

// folderIsThere says whether there is something under a name.
func folderIsThere(ctx context.Context, name string) (bool, error) {
	if !store.IsURL(name) {
		_, err := os.Lstat(name)
		return err == nil, nil
	}
	_, err := storage().Stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, store.ErrIsDir):
		return true, nil
	}
	return err == nil, err
}

// quantizedTo makes the model in a folder of this machine, and brings its files to a URL: the configuration last, without which a
// folder is no model.
func quantizedTo(ctx context.Context, e *localEngine, from, out string) (after int64, err error) {
	tmp, err := os.MkdirTemp("", "curate-quantize-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	made := filepath.Join(tmp, "model")
	if err := e.quantize(ctx, from, made); err != nil {
		return 0, err
	}
	if after, err = folderSize(made); err != nil {
		return 0, err
	}
	list, err := os.ReadDir(made)
	if err != nil {
		return 0, err
	}
	const last = "config.json"
	slices.SortStableFunc(list, func(a, b os.DirEntry) int {
		switch {
		case a.Name() == last:
			return 1
		case b.Name() == last:
			return -1
		}
		return cmp.Compare(a.Name(), b.Name())
	})
	for _, entry := range list {
		if err := send(ctx, filepath.Join(made, entry.Name()), path.Join(out, entry.Name())); err != nil {
			return 0, err
		}
	}
	return after, nil
}

// send copies a file of this machine to the storage.
func send(ctx context.Context, local, name string) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := storage().Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort() // after Commit it does nothing
	if _, err := io.Copy(w, store.UntilDone(ctx, f)); err != nil {
		return err
	}
	return w.Commit()
}

// syncFolder makes a folder's files durable, so that it is not there without their contents after a crash.
func syncFolder(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.IsDir() {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, e.Name()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return store.OS().SyncDir(dir)
}

// folderSize is the sum of the sizes of a folder's files.
func folderSize(dir string) (sum int64, err error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		st, err := os.Stat(filepath.Join(dir, e.Name())) // of what a link leads to
		if err != nil {
			return 0, err
		}
		if st.Mode().IsRegular() {
			sum += st.Size()
		}
	}
	return sum, nil
}
