package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// The files of datatrove's MinHash deduplication, byte for byte (0.10.1, pipeline/dedup/minhash.py; docs/compat-datatrove.md).
// It has a rank for each input file and numbers the documents of a rank; curate has record IDs, file and offset, so that
// numbers are found out in Finish. The Reducer of this file makes what the first three of datatrove's four steps make:
// signatures sorted by value, a rank and a bucket a file; pairs of documents that follow each other among all signatures of a
// bucket; and, by union-find over the pairs (datatrove_clusters.go), the numbers of the documents to remove. Its fourth step,
// which removes them, is DatatroveRemoval (datatrove_remove.go). Layouts are in datatrove_files.go.

// DatatroveConfig of the Reducer.
type DatatroveConfig struct {
	// Field holds the text; "text" by default. A record where it is no string is quarantined. One where it is empty is
	// none for datatrove's readers: it has no number.
	Field record.Path
	// Scheme is one of the schemes "datatrove…"; Bands and Rows take the place of its num_buckets and hashes_per_bucket.
	Scheme      string
	Bands, Rows int
	// Grams and Seed are n_grams and seed; 0 and nil are the scheme's, 5 and 1.
	Grams int
	Seed  *uint32
	// Workers is how many tasks of datatrove's second step share a bucket; 0 is 1.
	Workers int
	// Ranks says how many input files there are. It is asked in Finish. The inputs are part of a run's identity, so it is
	// no part of the stage's.
	Ranks func() int
}

const (
	// maxRanks: names of .minhash.sig files sort as their numbers do up to so many, and datatrove reads them sorted by name.
	maxRanks = 100000
	// maxDatatroveWorkers: the same with .dups files.
	maxDatatroveWorkers = 100
	maxGrams            = 64
	maxNumber           = math.MaxUint32 // documents of a rank
)

// datatroveResult says that the result is files below stage.ResultDir.
const datatroveResult = "datatrove/"

// Datatrove is the Reducer. It is immutable.
type Datatrove struct {
	cfg    DatatroveConfig
	scheme *Scheme
	spec   stage.Spec
	layout datatroveLayout

	// Constants, but in tests; see runs.Sorter.
	spillSize, fanIn int
}

// NewDatatrove makes the stage. Errors are about cfg.
func NewDatatrove(cfg DatatroveConfig) (*Datatrove, error) {
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
	}
	if cfg.Scheme == "" {
		cfg.Scheme = "datatrove"
	}
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	scheme, err := LookupScheme(cfg.Scheme)
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	switch {
	case scheme.Normal != "simplified" || scheme.Short != "none":
		return nil, fmt.Errorf("dedup: scheme %s has no signatures of datatrove's; the schemes named datatrove have", cfg.Scheme)
	case cfg.Workers < 1 || cfg.Workers > maxDatatroveWorkers:
		return nil, fmt.Errorf("dedup: %d workers a bucket: give 1 to %d", cfg.Workers, maxDatatroveWorkers)
	case cfg.Grams < 0 || cfg.Grams > maxGrams:
		return nil, fmt.Errorf("dedup: %d-grams: give 1 to %d words", cfg.Grams, maxGrams)
	}
	if scheme, err = scheme.With(SchemeOptions{Bands: cfg.Bands, Rows: cfg.Rows}); err != nil {
		return nil, fmt.Errorf("dedup: scheme %s: %w", cfg.Scheme, err)
	}
	if cfg.Grams > 0 || cfg.Seed != nil {
		s := *scheme
		if cfg.Grams > 0 {
			s.Length = cfg.Grams
		}
		if cfg.Seed != nil {
			s.Seed = *cfg.Seed
		}
		scheme = s.resolve()
	}
	config, err := canonical(struct {
		Field     string `json:"field"`
		Scheme    string `json:"scheme"`
		Version   int    `json:"scheme_version"`
		Grams     int    `json:"n_grams"`
		Buckets   int    `json:"num_buckets"`
		Hashes    int    `json:"hashes_per_bucket"`
		Seed      uint32 `json:"seed"`
		Workers   int    `json:"workers_per_bucket"`
		Datatrove string `json:"datatrove"`
	}{cfg.Field.String(), scheme.Name, scheme.Version, scheme.Length, scheme.Bands, scheme.Rows, scheme.Seed, cfg.Workers, "0.10"})
	if err != nil {
		return nil, err
	}
	return &Datatrove{
		cfg: cfg, scheme: scheme, layout: datatroveLayout{hashes: scheme.Rows, hash: scheme.Precision / 8},
		spec:      stage.Spec{Name: "dedup_datatrove", Version: 1, Config: config, Needs: []record.Path{cfg.Field}, Result: datatroveResult},
		spillSize: spillSize, fanIn: runs.FanIn,
	}, nil
}

// Spec implements stage.Reducer.
func (d *Datatrove) Spec() stage.Spec { return d.spec }

// A record's key is one byte, whether there is a signature, and the signature, big-endian, zeros if there is none; an
// item begins with the record's ID. A record that datatrove's readers pass over has no key.
func (d *Datatrove) itemWidth() int { return entryID + 1 + d.scheme.Bands*d.scheme.Rows*d.layout.hash }

// Key implements stage.Reducer.
func (d *Datatrove) Key() stage.Mapper { return datatroveKey{d} }

type datatroveKey struct{ d *Datatrove }

func (k datatroveKey) Spec() stage.Spec { return k.d.spec }

func (k datatroveKey) NewWorker() stage.Worker { return &datatroveKeyWorker{d: k.d} }

type datatroveKeyWorker struct {
	d *Datatrove
	shingling
}

// DatatroveEmpty is how records with an empty text are tallied.
const DatatroveEmpty = "empty_text"

// Map implements stage.Worker.
func (w *datatroveKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		text, ok := textOf(r, w.d.cfg.Field, false, &w.text)
		if !ok {
			continue
		}
		if len(text) == 0 {
			b.Tally(DatatroveEmpty, 1)
			continue
		}
		w.cut(w.d.scheme, text)
		w.key = append(w.key[:0], 0)
		if len(w.shingles) > 0 {
			w.key[0] = 1
			w.signature = w.d.scheme.Signature(w.signature[:0], w.shingles)
			for _, v := range w.signature {
				w.key = w.d.layout.appendSortable(w.key, v)
			}
		} else {
			w.key = append(w.key, make([]byte, w.d.itemWidth()-entryID-1)...)
		}
		r.SetKey(w.key)
		w.release(text)
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (d *Datatrove) NewPartial() stage.Partial {
	return &datatrovePartial{itemsPartial{width: d.itemWidth()}}
}

type datatrovePartial struct{ itemsPartial }

// Add implements stage.Partial.
func (p *datatrovePartial) Add(b *record.Batch) error { return p.takeKeyed(b) }

// Join implements stage.Partial.
func (p *datatrovePartial) Join(next stage.Partial) error {
	n, err := nextPartial[*datatrovePartial](next)
	if err != nil {
		return err
	}
	p.join(&n.itemsPartial)
	return nil
}

// Merge implements stage.Reducer.
func (d *Datatrove) Merge(w io.Writer, sealed []io.Reader) error {
	return runs.Merge(w, d.itemWidth(), sealed)
}

// Finish implements stage.Reducer. It sorts each rank's signatures by bucket and value into one file, 4 MiB at a time, and
// merges those; documents that are in a pair take 16 bytes of memory each.
func (d *Datatrove) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	ranks := d.cfg.Ranks()
	if ranks > maxRanks {
		return nil, fmt.Errorf("dedup_datatrove: %d input files are more ranks than %d, to which datatrove's names reach; put several into one", ranks, maxRanks)
	}
	f := &datatroveFinish{d: d, ws: ws, ranks: ranks, space: make([]byte, max(minSpace, min(maxSpace, ws.Memory()/8)))}
	if err := f.finish(ctx, sealed); err != nil {
		return nil, fmt.Errorf("dedup_datatrove: %w", err)
	}
	return nil, nil
}

// What runs are read through, in bytes.
const (
	minSpace = 512 << 10
	maxSpace = 8 << 20
)

// datatroveFinish is one Finish, in one goroutine.
type datatroveFinish struct {
	d     *Datatrove
	ws    stage.Workspace
	ranks int
	space []byte
}

func (f *datatroveFinish) finish(ctx context.Context, sealed []stage.Sealed) error {
	names := make([]string, f.ranks)
	for rank := range names {
		var err error
		if names[rank], err = f.sortRank(ctx, sealed, rank); err != nil {
			return err
		}
		for bucket := range f.d.scheme.Bands {
			if err := f.signatures(ctx, names[rank], bucket, rank); err != nil {
				return err
			}
		}
	}
	merged, err := f.few(ctx, names)
	if err != nil {
		return err
	}
	var dups []string
	for bucket := range f.d.scheme.Bands {
		for worker := range f.d.cfg.Workers {
			name, err := f.dups(ctx, names, merged, bucket, worker)
			if err != nil {
				return err
			}
			dups = append(dups, name)
		}
	}
	return f.clusters(ctx, dups)
}

// A sorted item: bucket u16, signature in the bucket, rank u32, number u32, all big-endian. So sorted, a bucket is in the
// order in which datatrove's heap gives it.
func (f *datatroveFinish) sortedWidth() int { return 2 + f.d.layout.signature() + 8 }

// sortRank makes the file of a rank's items.
func (f *datatroveFinish) sortRank(ctx context.Context, sealed []stage.Sealed, rank int) (string, error) {
	name := fmt.Sprintf("rank-%05d", rank)
	sorter := runs.NewSorter(f.ws, f.sortedWidth(), f.d.spillSize)
	sorter.Reset(name + "-sort")
	err := f.ws.Make(ctx, name, func(w io.Writer) error {
		of := runs.Range{From: idBytes(record.MakeID(rank+1, 0)), To: idBytes(record.MakeID(rank+2, 0))}
		it, err := runs.Open(sealed, f.d.itemWidth(), of, f.space)
		if err != nil {
			return err
		}
		item := make([]byte, f.sortedWidth())
		size := f.d.layout.signature()
		number := int64(0)
		for ; it.Next(); number++ {
			if number%checkEvery == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if number > maxNumber {
				return fmt.Errorf("input %d has more documents than %d, to which datatrove's numbers reach; cut it into several", rank+1, int64(maxNumber)+1)
			}
			in := it.Item()[entryID:]
			if in[0] == 0 {
				continue
			}
			for bucket, sig := 0, in[1:]; len(sig) > 0; bucket, sig = bucket+1, sig[size:] {
				binary.BigEndian.PutUint16(item, uint16(bucket))
				copy(item[2:], sig[:size])
				binary.BigEndian.PutUint32(item[2+size:], uint32(rank))
				binary.BigEndian.PutUint32(item[2+size+4:], uint32(number))
				if err := sorter.Add(ctx, item); err != nil {
					return err
				}
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
		return sorter.Merge(ctx, w)
	})
	if err != nil {
		return "", err
	}
	return name, sorter.Remove(ctx)
}

func idBytes(id record.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// bucketRange is all items of a bucket.
func bucketRange(bucket int) runs.Range {
	return runs.Range{From: binary.BigEndian.AppendUint16(nil, uint16(bucket)), To: binary.BigEndian.AppendUint16(nil, uint16(bucket+1))}
}

// read lets see look at the items of a range in all files, in order.
func (f *datatroveFinish) read(ctx context.Context, names []string, of runs.Range, see func(item []byte) error) error {
	return withRange(ctx, f.ws, f.sortedWidth(), of, f.space, names, func(items *runs.Iterator) error { return eachItem(ctx, items, see) })
}

// signatures makes a .minhash.sig file.
func (f *datatroveFinish) signatures(ctx context.Context, sorted string, bucket, rank int) error {
	return f.ws.Make(ctx, stage.ResultDir+SignaturesName(bucket, rank), func(w io.Writer) error {
		out := newFlushing(w)
		size := f.d.layout.signature()
		err := f.read(ctx, []string{sorted}, bucketRange(bucket), func(item []byte) error {
			out.b = f.d.layout.appendRow(out.b, item[2:2+size], binary.BigEndian.Uint32(item[2+size+4:]))
			return out.full()
		})
		if err != nil {
			return err
		}
		return out.flush()
	})
}

// few merges files until there are so few that they can be read at once.
func (f *datatroveFinish) few(ctx context.Context, names []string) ([]string, error) {
	for level := 1; len(names) > f.d.fanIn; level++ {
		var merged []string
		for lo := 0; lo < len(names); lo += f.d.fanIn {
			name := fmt.Sprintf("merged-%d-%05d", level, len(merged))
			err := f.ws.Make(ctx, name, func(w io.Writer) error {
				out := newFlushing(w)
				err := f.read(ctx, names[lo:min(len(names), lo+f.d.fanIn)], runs.Range{}, func(item []byte) error {
					out.b = append(out.b, item...)
					return out.full()
				})
				if err != nil {
					return err
				}
				return out.flush()
			})
			if err != nil {
				return nil, err
			}
			merged = append(merged, name)
		}
		names = merged
	}
	return names, nil
}

// dups makes a .dups file: each two documents that follow each other among equal signatures.
func (f *datatroveFinish) dups(ctx context.Context, ranks, merged []string, bucket, worker int) (string, error) {
	name := stage.ResultDir + DupsName(bucket, worker)
	return name, f.ws.Make(ctx, name, func(w io.Writer) error {
		least, limit, err := f.hashes(ctx, ranks, bucket, worker)
		if err != nil {
			return err
		}
		of := bucketRange(bucket)
		of.From, of.To = f.d.layout.appendSortable(of.From, least), f.d.layout.appendSortable(of.From[:2:2], limit)
		out := newFlushing(w)
		size := f.d.layout.signature()
		last := make([]byte, 0, f.sortedWidth())
		err = f.read(ctx, merged, of, func(item []byte) error {
			if len(last) > 0 && bytes.Equal(last[2:2+size], item[2:2+size]) {
				out.b = appendPair(out.b, last[2+size:], item[2+size:])
			}
			last = append(last[:0], item...)
			return out.full()
		})
		if err != nil {
			return err
		}
		return out.flush()
	})
}

// hashes are the first values of signatures that a worker looks at (get_worker_hash_range): those of the first rank's file,
// cut into as many equal pieces as there are workers; the rest of a division goes to the last. The last value of all is left
// out, as there.
func (f *datatroveFinish) hashes(ctx context.Context, ranks []string, bucket, worker int) (least, limit uint64, err error) {
	workers := int64(f.d.cfg.Workers)
	limit = mersenne
	if f.d.scheme.Precision == 32 {
		limit = math.MaxUint32
	}
	if workers == 1 || len(ranks) == 0 {
		return 0, limit, nil
	}
	file, size, err := f.ws.Open(ctx, ranks[0])
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	width := int64(f.sortedWidth())
	rows := size / width / int64(f.d.scheme.Bands)
	if rows < workers {
		return 0, 0, fmt.Errorf("%d workers a bucket share signatures by those of the first input file, and it has %d documents with one; ask for fewer workers, as datatrove does", workers, rows)
	}
	at := func(worker int64) uint64 {
		var b [8]byte
		row := rows*int64(bucket) + rows/workers*worker
		if err == nil {
			err = readSets(file, b[:f.d.layout.hash], row*width+2)
		}
		return f.d.layout.first(b[:])
	}
	if worker > 0 {
		least = at(int64(worker))
	}
	if int64(worker)+1 < workers {
		limit = at(int64(worker) + 1)
	}
	return least, limit, err
}

// flushing gathers what is written.
type flushing struct {
	w io.Writer
	b []byte
}

func newFlushing(w io.Writer) *flushing { return &flushing{w, make([]byte, 0, runBuffer)} }

// full writes what there is if it is much.
func (f *flushing) full() error {
	if len(f.b) < runBuffer-2*1024 { // a row has at most 64 values of 8 bytes
		return nil
	}
	return f.flush()
}

func (f *flushing) flush() error {
	_, err := f.w.Write(f.b)
	f.b = f.b[:0]
	return err
}
