package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/corpus/store"
	"curate/dedup"
	"curate/dedup/index"
	"curate/internal/human"
	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

const indexHelp = `With --index DIR documents are compared with those that earlier runs have kept, too, without reading these again:
DIR has their keys and shingles. Those of the index stay; a document that is like one of them goes, and its
"duplicate_of" is GENERATION:ID of the run that kept that, with "indexed": {"file","id"}, its file and own id
(--id-field). What this run keeps is added when the output is whole, as a generation of DIR, which is made if it is
not there. The same command repeated gives the same output and adds nothing, also where its inputs were touched or moved, since
they are known by their digests; a killed one leaves the index as it was. Files are read once more for what is added,
and once for the digests, which an output directory remembers. Where files have come to the inputs of a finished -o DIR, these alone are read and compared
with all that the index has, and what they keep is in DIR/parts-00002, DIR/parts-00003, …, output directories of their own that whoever reads DIR reads
behind its parts (docs/incremental.md). --index-readonly adds nothing. Methods minhash (with --verify exact) and
exact have an index, each in a run of its own, and one index has one method, scheme, bands, rows, permutations, short
and threshold, or field and form (docs/formats/index.md).`

// indexFlags are those of a run that has an index, and what is open of it. The id is decidingFlags'.
type indexFlags struct {
	dir      string
	readonly bool

	folder  *index.Folder
	use     *index.Use
	release func()
	digests []inputDigest // of the inputs, as far as they are no streams
	known   int           // of these were known before
	// addition is the directory below -o that is made (each), from 2; 0 for -o itself. Of a file that comes to the inputs and is a copy of
	// one of them nothing is to be kept: it is not the run of that one again.
	addition int
}

func (x *indexFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&x.dir, "index", "", "exact, minhash: `DIR` of the documents that earlier runs have kept: they are compared with, and what is kept is added")
	fs.BoolVar(&x.readonly, "index-readonly", false, "compare with --index, and add nothing")
}

func (x *indexFlags) check(cmd *cobra.Command, o *dedupOptions, chosen []*dedupMethod, out string, annotate bool) error {
	if err := notEmpty(cmd, "index"); err != nil {
		return err
	}
	switch {
	case x.dir == "" && x.readonly:
		return usage("--index-readonly says what is done with --index DIR; give that, too")
	case x.dir == "":
		return nil
	case annotate && !x.readonly:
		return usage("--index and --annotate, which drops nothing: what is like the index would be added to it; give --index-readonly, too")
	case len(chosen) > 1:
		return usage("--index and --method %s: an index is one method's, exact's or minhash's; run that by itself", o.methods)
	case chosen[0].name == "minhash" && o.deciding.verify != dedup.VerifyExact:
		return usage("--index and --verify %s: an index has sets of shingles, which are compared exactly; leave one of them out", o.deciding.verify)
	}
	if store.IsURL(x.dir) && !x.readonly { // there is no lock: of two that grow it at once one would be lost
		return usage("--index %s: an index has to be on a disk of this machine to be added to; with --index-readonly it may be anywhere, and a recipe's step (index: true) keeps its own in the run directory, wherever that is", x.dir)
	}
	if st, err := os.Stat(x.dir); err == nil && !st.IsDir() {
		return usage("--index %s: is a file; name a directory", x.dir)
	}
	if out != "" && out != "-" && (corpus.Below(corpus.RealPath(out), corpus.RealPath(x.dir)) || corpus.Below(corpus.RealPath(x.dir), corpus.RealPath(out))) {
		return usage("-o %s and --index %s: one lies in the other; write elsewhere", out, x.dir)
	}
	return nil
}

// withIndex is a method that may have one.
type withIndex interface {
	IndexSettings() (stdjson.RawMessage, error)
	StagesWithIndex(o dedup.IndexOptions) ([]stage.Stage, error)
}

// indexOf is for the table of methods.
func indexOf[M withIndex](make func(o *dedupOptions, name string) (M, error)) func(o *dedupOptions, name string) (withIndex, error) {
	return func(o *dedupOptions, name string) (withIndex, error) { return make(o, name) }
}

// stages are those of the methods: of the one there is with its index, or of all without one.
func (x *indexFlags) stages(ctx context.Context, s *settings, f *stageFlags, args []string, o *dedupOptions, chosen []*dedupMethod) ([]stage.Stage, error) {
	plain, err := o.stages(chosen)
	if err != nil || x.dir == "" {
		return plain, err
	}
	m, err := chosen[0].index(o, chosen[0].name)
	if err != nil {
		return nil, usage("%v", err)
	}
	manifest, err := corpus.Expand(ctx, storage(), args)
	if err != nil {
		return nil, err
	}
	if n := len(manifest.Files); n > dedup.MaxIndexFiles {
		return nil, usage("--index: %d inputs are more than %d; add a part of them at a time", n, dedup.MaxIndexFiles)
	}
	if !x.readonly && !f.printConfig {
		if _, err := index.Open(ctx, storage(), x.dir); err != nil { // nothing is to be put into what is none
			return nil, indexUsage(err)
		}
		x.release, err = pipeline.Lock(filepath.Join(x.dir, index.LockFile), "the index "+x.dir, s.log)
		if err != nil {
			return nil, err
		}
	}
	list, err := x.open(ctx, m, o.deciding.id, plain, manifest, f, s)
	if e := (*index.Error)(nil); errors.As(err, &e) {
		return nil, usage("--index: %v", err)
	}
	if err != nil {
		return nil, err
	}
	if x.use.Already {
		s.log.Info(fmt.Sprintf("the index %s has the generation %s of these inputs already: they are compared with what was there before it, and nothing is added", x.dir, x.use.ID))
	}
	return list, nil
}

func (x *indexFlags) open(ctx context.Context, m withIndex, id record.Path, plain []stage.Stage, manifest *corpus.Manifest, f *stageFlags, s *settings) ([]stage.Stage, error) {
	settings, err := m.IndexSettings()
	if err != nil {
		return nil, err
	}
	if x.readonly {
		x.folder, err = index.Existing(ctx, storage(), x.dir)
	} else {
		x.folder, err = index.Open(ctx, storage(), x.dir)
	}
	if err != nil {
		return nil, err
	}
	if err := x.folder.Check(settings); err != nil {
		return nil, err
	}
	o := dedup.IndexOptions{}
	if x.readonly {
		if x.use, err = x.folder.Compare(ctx); err != nil {
			return nil, err
		}
	} else {
		if x.release != nil {
			if err := x.folder.Sweep(ctx); err != nil {
				return nil, err
			}
		}
		run := index.Run{Stream: manifest.HasStream()}
		if run.Config, err = json.Marshal(plain[len(plain)-1].Spec().Config, json.Deterministic(true)); err != nil {
			return nil, err
		}
		if run.Reading, err = json.Marshal(struct {
			Format    string   `json:"input_format"`
			MaxRecord int64    `json:"max_record"`
			Repair    []string `json:"repair"`
			IDField   string   `json:"id_field"`
			Addition  int      `json:"addition,omitzero"`
		}{s.codec, s.maxRecord, f.repair, id.String(), x.addition}); err != nil {
			return nil, err
		}
		if run.Inputs, err = x.inputContents(ctx, s, f.out, manifest); err != nil {
			return nil, err
		}
		for _, f := range manifest.Files {
			run.Files = append(run.Files, dedup.OriginFile{Number: f.Number, Path: f.Path})
		}
		if x.use, err = x.folder.Grow(ctx, run); err != nil {
			return nil, err
		}
		o.Grow = &dedup.Growth{Sink: x.use.Sink(), IDField: id}
	}
	o.Index = x.use.Index
	return m.StagesWithIndex(o)
}

// longDigest is how many bytes are read for digests before a run says so.
const longDigest = 1 << 30

// inputContents says what the inputs are, in order: what they hold, and how they are read by their names; not what they are called, nor
// when they were written. An input that was copied or touched would pass for another otherwise, all of whose documents are old.
// An output directory remembers the digests.
func (x *indexFlags) inputContents(ctx context.Context, s *settings, out string, m *corpus.Manifest) ([]byte, error) {
	type content struct {
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"` // nothing of a stream
		Format string `json:"format"`
	}
	list := make([]content, len(m.Files))
	var known map[inputDigest]string
	if x.into(s) {
		known = knownDigests(ctx, out)
	}
	total := int64(0)
	for i := range m.Files {
		if known[digestOf(&m.Files[i], "")] == "" {
			total += max(0, m.Files[i].Size)
		}
	}
	if total >= longDigest {
		s.log.Info(fmt.Sprintf("the index knows inputs by their digests: reading %s", pipeline.FormatBytes(total)))
	}
	st := storage()
	buf := make([]byte, 1<<20)
	for i := range m.Files {
		f := &m.Files[i]
		list[i] = content{Size: f.Size, Format: f.NamedFormat()}
		if f.Stream {
			continue
		}
		if list[i].SHA256 = known[digestOf(f, "")]; list[i].SHA256 != "" {
			x.known++
		} else {
			var err error
			if list[i].SHA256, err = sha256Of(ctx, st, f.Location(), buf); err != nil {
				return nil, err
			}
		}
		x.digests = append(x.digests, digestOf(f, list[i].SHA256))
	}
	return json.Marshal(list, json.Deterministic(true))
}

// into says whether the output is a directory.
func (x *indexFlags) into(s *settings) bool {
	return s.out.Path != "" && s.out.Path != "-" && !s.out.File
}

// sha256Of is a file's digest in hexadecimal digits.
func sha256Of(ctx context.Context, st store.Store, name string, buf []byte) (string, error) {
	r, err := st.Open(ctx, name, 0)
	if err != nil {
		return "", err
	}
	defer r.Close() // it was only read
	h := sha256.New()
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
}

// commit adds what a run has kept, if that came to its end.
func (x *indexFlags) commit(ctx context.Context, env environment, f *stageFlags, err error) error {
	if _, there := storage().Stat(ctx, path.Join(f.out, corpus.Dir, corpus.Done)); err == nil && there == nil && x.release != nil && x.known < len(x.digests) {
		err = keepDigests(ctx, f.out, x.digests)
	}
	if x.use == nil || x.release == nil || x.use.ID == "" || x.use.Already {
		return err
	}
	if errors.As(err, new(*pipeline.QuarantineError)) {
		// Whoever mends the input runs it again, and would find everything in the index.
		return fmt.Errorf("%w; the index %s has nothing of this run", err, x.dir)
	}
	if err != nil {
		return err
	}
	n, failed := x.use.Commit(ctx)
	if failed != nil {
		return errors.Join(err, fmt.Errorf("the output is whole, and the index has not got it: %w", failed))
	}
	show := newDisplay(env.stderr, f)
	defer show.close()
	x.told(show.log, n)
	return err
}

func (x *indexFlags) told(log *slog.Logger, n int64) {
	all := int64(0)
	for _, g := range x.folder.Manifest.Generations {
		all += g.Documents
	}
	log.Info(fmt.Sprintf("the index %s has %s more, and now %s in %s", x.dir, count(n, "document"), human.Thousands(all), count(int64(len(x.folder.Manifest.Generations)), "generation")))
}

func (x *indexFlags) close() {
	if x.folder != nil {
		_ = x.folder.Close() // it was only read
	}
	if x.release != nil {
		x.release()
	}
	x.folder, x.use, x.release, x.digests, x.known = nil, nil, nil, nil, 0
}
