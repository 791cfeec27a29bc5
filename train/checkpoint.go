package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/safetensors"
	"curate/train/model"
)

// Names in the folder of a run.
const (
	// CheckpointsDir has a folder for each checkpoint, called by how many steps were done: step-00001000. It is a model's
	// folder as Hugging Face has it, and has two files more.
	CheckpointsDir = "checkpoints"
	// OptimizerFile holds the moments of the optimiser: tensors "m.NAME" and "v.NAME", F32, shaped as the weight NAME.
	OptimizerFile = "optimizer.safetensors"
	// StateFile is made last, and removed first: without it a folder is no checkpoint.
	StateFile = "trainer.json"
	// DoneFile says that a run has come to its end. It names the last checkpoint.
	DoneFile = "done"
)

const (
	stateVersion = 1
	stepPrefix   = "step-"
)

// State is what StateFile holds.
type State struct {
	Version int    `json:"version"`
	Step    int64  `json:"step"`   // steps done
	Tokens  int64  `json:"tokens"` // seen
	Config  string `json:"config_sha256"`
	Kernels string `json:"kernels"`
	// MetricsBytes is how long MetricsFile was.
	MetricsBytes int64            `json:"metrics_bytes"`
	Files        []CheckpointFile `json:"files"` // the others of the folder
}

// CheckpointFile is a file of a checkpoint.
type CheckpointFile struct {
	Name  string `json:"name"`
	Size  int64  `json:"size"`
	XXH64 string `json:"xxh64"` // 16 hex digits
}

// stepDir is the folder of a checkpoint.
func stepDir(dir string, step int64) string {
	return path.Join(dir, CheckpointsDir, fmt.Sprintf("%s%08d", stepPrefix, step))
}

// Checkpoints gives the steps of a run's checkpoints, ascending. An absent folder has none.
func Checkpoints(ctx context.Context, st store.Store, dir string) ([]int64, error) {
	whole, _, err := checkpoints(ctx, st, dir)
	return whole, err
}

// checkpoints gives those that are whole and the folders of those that are not.
func checkpoints(ctx context.Context, st store.Store, dir string) (whole []int64, rest []string, err error) {
	root := path.Join(dir, CheckpointsDir)
	infos, err := st.List(ctx, root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	found := map[string]bool{}
	var names []string
	for _, info := range infos {
		name, file, ok := strings.Cut(strings.TrimPrefix(info.Name, root+"/"), "/")
		if !ok || !strings.HasPrefix(name, stepPrefix) {
			continue
		}
		if _, seen := found[name]; !seen {
			names = append(names, name)
		}
		found[name] = found[name] || file == StateFile
	}
	for _, name := range names {
		step, err := strconv.ParseInt(name[len(stepPrefix):], 10, 64)
		if err != nil || len(name) != len(stepPrefix)+8 {
			continue // somebody else's
		}
		if found[name] {
			whole = append(whole, step)
		} else {
			rest = append(rest, path.Join(root, name))
		}
	}
	slices.Sort(whole)
	return whole, rest, nil
}

// removeCheckpoint removes a folder, StateFile first.
func removeCheckpoint(ctx context.Context, st store.Store, dir string) error {
	if err := st.Remove(ctx, path.Join(dir, StateFile)); err != nil {
		return err
	}
	infos, err := st.List(ctx, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, info := range infos {
		if err := st.Remove(ctx, info.Name); err != nil {
			return err
		}
	}
	_ = os.Remove(filepath.FromSlash(dir)) // an empty folder is no checkpoint; stores have no word for it
	return nil
}

// keepLast removes all checkpoints but the last n; 0 keeps all.
func keepLast(ctx context.Context, st store.Store, dir string, n int) error {
	steps, _, err := checkpoints(ctx, st, dir)
	if err != nil || n == 0 {
		return err
	}
	for _, step := range steps[:max(0, len(steps)-n)] {
		if err := removeCheckpoint(ctx, st, stepDir(dir, step)); err != nil {
			return err
		}
	}
	return nil
}

// writeCheckpoint writes the folder of a checkpoint; save writes the model.
func writeCheckpoint(ctx context.Context, st store.Store, dir string, s State, o *optimizer, save func(st store.Store, dir string) error) error {
	to := &digesting{Store: st}
	if err := save(to, dir); err != nil {
		return err
	}
	if err := writeMoments(ctx, to, path.Join(dir, OptimizerFile), o); err != nil {
		return err
	}
	for _, f := range to.files {
		f.Name = strings.TrimPrefix(f.Name, dir+"/")
		s.Files = append(s.Files, f)
	}
	slices.SortFunc(s.Files, func(a, b CheckpointFile) int { return strings.Compare(a.Name, b.Name) })
	s.Version = stateVersion
	b, err := json.Marshal(&s, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return writeFile(ctx, st, path.Join(dir, StateFile), append(b, '\n'))
}

// readState reads the state of a checkpoint and compares its files with it.
func readState(ctx context.Context, st store.Store, dir string) (*State, error) {
	name := path.Join(dir, StateFile)
	b, err := readFile(ctx, st, name, 1<<20)
	if err != nil {
		return nil, err
	}
	s := &State{}
	if err := json.Unmarshal(b, s, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("%s: version %d; this program knows %d", name, s.Version, stateVersion)
	}
	for _, f := range s.Files {
		if !filepath.IsLocal(f.Name) {
			return nil, fmt.Errorf("%s: it names a file %q", name, f.Name)
		}
		file := path.Join(dir, f.Name)
		r, err := st.Open(ctx, file, 0)
		if err != nil {
			return nil, err
		}
		d := xxhash.New()
		size, err := io.Copy(d, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		what := ""
		if got := fmt.Sprintf("%016x", d.Sum64()); size != f.Size {
			what = fmt.Sprintf("(byte %d): the file has %d bytes, and had %d when the checkpoint was made", min(size, f.Size), size, f.Size)
		} else if got != f.XXH64 {
			what = fmt.Sprintf("the file was changed after the checkpoint was made: its xxh64 is %s, and was %s", got, f.XXH64)
		}
		if what != "" {
			return nil, fmt.Errorf("%s %s; restore it, or remove the folder %s to go on from the checkpoint before", file, what, dir)
		}
	}
	return s, nil
}

// digesting is a store that notes what is written to it, from one goroutine.
type digesting struct {
	store.Store
	files []CheckpointFile
}

func (d *digesting) Create(ctx context.Context, name string) (store.Writer, error) {
	w, err := d.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return &digestingWriter{w, xxhash.New(), 0, name, d}, nil
}

type digestingWriter struct {
	store.Writer
	sum  *xxhash.Digest
	size int64
	name string
	to   *digesting
}

func (w *digestingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	return n, err
}

func (w *digestingWriter) Commit() error {
	err := w.Writer.Commit()
	if err == nil {
		w.to.files = append(w.to.files, CheckpointFile{w.name, w.size, fmt.Sprintf("%016x", w.sum.Sum64())})
	}
	return err
}

// moments are the tensors of OptimizerFile, two a parameter.
func moments(o *optimizer) (list []safetensors.Tensor, of []*model.Params) {
	for _, part := range []struct {
		prefix string
		p      *model.Params
	}{{"m.", o.m}, {"v.", o.v}} {
		for i := range part.p.Layout.Tensors {
			t := &part.p.Layout.Tensors[i]
			shape := []int64{int64(t.Rows), int64(t.Cols)}
			switch {
			case t.Vector:
				shape = shape[1:]
			case t.Transposed:
				slices.Reverse(shape)
			}
			list = append(list, safetensors.Tensor{Name: part.prefix + t.Name, Dtype: safetensors.F32, Shape: shape})
			of = append(of, part.p)
		}
	}
	return list, of
}

func writeMoments(ctx context.Context, st store.Store, name string, o *optimizer) error {
	f, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	list, of := moments(o)
	w, err := safetensors.NewWriter(f, list, nil)
	for i := 0; i < len(list) && err == nil; i++ {
		k := i % len(o.m.Layout.Tensors)
		err = inFileOrder(&o.m.Layout.Tensors[k], of[i].Of(k), func(_ int64, x []float32, _ func()) error { return w.Floats(x) })
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

func readMoments(ctx context.Context, st store.Store, name string, o *optimizer) error {
	data, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return err
	}
	err = func() error {
		f, err := safetensors.Open(name, data, size)
		if err != nil {
			return err
		}
		list, of := moments(o)
		if len(f.Tensors) != len(list) {
			return fmt.Errorf("%s: %d tensors, and the model needs %d", name, len(f.Tensors), len(list))
		}
		for i, want := range list {
			t := f.Lookup(want.Name)
			if t == nil || t.Dtype != want.Dtype || !slices.Equal(t.Shape, want.Shape) {
				return fmt.Errorf("%s: there is no tensor %q of %s %v", name, want.Name, want.Dtype, want.Shape)
			}
			k := i % len(o.m.Layout.Tensors)
			err := inFileOrder(&o.m.Layout.Tensors[k], of[i].Of(k), func(from int64, x []float32, put func()) error {
				err := f.Floats(t, from, x)
				put()
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}()
	return errors.Join(err, data.Close())
}

// inFileOrder calls f for all numbers of a tensor in the order of its file, piece by piece: from is the number of the first
// one of x, and put writes x back to the tensor.
func inFileOrder(t *model.Tensor, data []float32, f func(from int64, x []float32, put func()) error) error {
	if !t.Transposed {
		return f(0, data, func() {})
	}
	// [Rows, Cols] in memory, [Cols, Rows] in the file.
	step := max(1, (1<<18)/t.Rows)
	buf := make([]float32, min(step, t.Cols)*t.Rows)
	for from := 0; from < t.Cols; from += step {
		n := min(step, t.Cols-from)
		x := buf[:n*t.Rows]
		for r := range t.Rows {
			for j, v := range data[r*t.Cols+from:][:n] {
				x[j*t.Rows+r] = v
			}
		}
		err := f(int64(from)*int64(t.Rows), x, func() {
			for r := range t.Rows {
				row := data[r*t.Cols+from:][:n]
				for j := range row {
					row[j] = x[j*t.Rows+r]
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readFile reads a file of at most limit bytes.
func readFile(ctx context.Context, st store.Store, name string, limit int64) ([]byte, error) {
	f, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, errors.Join(fmt.Errorf("%s: the file has %d bytes; at most %d are read", name, size, limit), f.Close())
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF || n == len(b) {
		err = nil
	}
	return b[:n], errors.Join(err, f.Close())
}

func writeFile(ctx context.Context, st store.Store, name string, b []byte) error {
	f, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}
