package train

import (
	"bufio"
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
	"curate/train/export"
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
	// DoneFile says that a run has come to its end. It names the checkpoint that is its model: the last, or the best one where the run
	// could stop early.
	DoneFile = "done"
)

// Files are patterns of the names of all that a run, or a search, makes in its folder, as path.Match has them; one that ends with a
// slash is all that is in a folder.
func Files() []string {
	run := []string{ConfigFile, MetricsFile, TimingFile, ReferenceFile, DoneFile, "lock", divergedFile, CheckpointsDir + "/" + stepPrefix + "*/"}
	list := append([]string{SearchFile, SearchTable}, run...)
	for _, name := range run {
		list = append(list, "trial-*/"+name)
	}
	return list
}

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
	// MetricsBytes is how long MetricsFile was up to the line of the last step: a validation after it is made again.
	MetricsBytes int64 `json:"metrics_bytes"`
	// Reference is the xxh64 of ReferenceFile, "" if the run has none.
	Reference string           `json:"reference_xxh64,omitzero"`
	Files     []CheckpointFile `json:"files"` // the others of the folder
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

// readDone gives the step of the checkpoint that is a run's model. A run that is not done has no such file.
func readDone(ctx context.Context, st store.Store, dir string) (int64, error) {
	name := path.Join(dir, DoneFile)
	b, err := readFile(ctx, st, name, 1<<10)
	if err != nil {
		return 0, err
	}
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(b), "\n"), CheckpointsDir+"/"+stepPrefix)
	step, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || step < 0 {
		return 0, fmt.Errorf("%s: it is to hold the path of a checkpoint, such as %s, and holds %.80q; remove it and repeat the training, which goes on", name, stepDir("", 1000), b)
	}
	return step, nil
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
	for _, empty := range []string{path.Join(dir, AdapterDir), dir} {
		_ = os.Remove(filepath.FromSlash(empty)) // an empty folder is no checkpoint; stores have no word for it
	}
	return nil
}

// keepLast removes all checkpoints but the last n, and that of the step best, if there is one; 0 keeps all.
func keepLast(ctx context.Context, st store.Store, dir string, n int, best int64) error {
	steps, _, err := checkpoints(ctx, st, dir)
	if err != nil || n == 0 {
		return err
	}
	for _, step := range steps[:max(0, len(steps)-n)] {
		if step == best {
			continue
		}
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
	if err := create(ctx, to, path.Join(dir, OptimizerFile), writeTensors(o.moments, nil)); err != nil {
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
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; restore it, or remove the folder %s to go on from the checkpoint before", err, dir)
		}
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
	in := &digestingWriter{Writer: w, sum: xxhash.New(), name: name, to: d}
	in.buf = bufio.NewWriterSize(beneath{in}, 1<<18) // the rows of a matrix that is turned around are small
	return in, nil
}

type digestingWriter struct {
	store.Writer
	buf  *bufio.Writer
	sum  *xxhash.Digest
	size int64
	name string
	to   *digesting
}

// beneath is the way from the buffer to the file.
type beneath struct{ *digestingWriter }

func (b beneath) Write(p []byte) (int, error) {
	n, err := b.digestingWriter.Writer.Write(p)
	b.sum.Write(p[:n])
	b.size += int64(n)
	return n, err
}

func (w *digestingWriter) Write(p []byte) (int, error) { return w.buf.Write(p) }

func (w *digestingWriter) Commit() error {
	if err := w.buf.Flush(); err != nil {
		return errors.Join(err, w.Abort())
	}
	err := w.Writer.Commit()
	if err == nil {
		w.to.files = append(w.to.files, CheckpointFile{w.name, w.size, fmt.Sprintf("%016x", w.sum.Sum64())})
	}
	return err
}

// writeTensors writes all tensors of p in f32.
func writeTensors(p *model.Params, metadata map[string]string) func(w io.Writer) error {
	return func(w io.Writer) error {
		return export.WriteTensors(w, p, 0, len(p.Layout.Tensors), safetensors.F32, metadata)
	}
}

// readTensors reads what writeTensors has written.
func readTensors(ctx context.Context, st store.Store, name string, p *model.Params) error {
	data, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return err
	}
	f, err := safetensors.Open(name, data, size)
	if err == nil {
		err = export.ReadTensors(p, f)
	}
	return errors.Join(err, data.Close())
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
	return create(ctx, st, name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
