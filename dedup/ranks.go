package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// Ranks is near-duplicate removal in steps that many processes share, each a part of each step. What it finds is what
// the two Reducers of Stages find, by the same functions. The sealed files that it wants are those of their Partials;
// what it makes goes into a workspace that all processes see, under names that depend on the part alone, and is the same
// bytes whoever makes it:
//
//	Pairs      a range of buckets: documents in shared buckets, and a star of pairs for each bucket, whose hub is its
//	           smallest ID
//	Marks      gives the candidates of some files their buckets, as keys for the second Reducer, which seals their sets
//	Index      of a file's sets: where each document's are
//	Verify     a share of the hubs: round 1 of verification.Finish. A pair that shares several buckets is compared once
//	Rehub      a range of buckets: the other rounds, of the documents that are not similar to their first hub. Rounds of
//	           one bucket ask nothing of another's, so no process waits for others between them; but a pair may be
//	           compared in several ranges
//	Components all verified pairs, by component
//	Decide     the decisions, and the findings
//	Apply      the Mapper that does what they say
//
// Each wants all parts of the steps before it. Verify and the steps behind it know documents by their numbers in the order
// of their IDs, as verification.Finish does.
//
// Sets are sealed in a second pass over the inputs, of the candidates alone, and not read again by offset, since most
// inputs are compressed and cannot be read from the middle; nor are they sealed with the keys, for all documents: a set
// takes 8 bytes a word, which is more than the text.
//
// docs/formats/ranks.md is the page of the files.
type Ranks struct {
	m *MinHash
	n int // ranges of buckets, and shares of hubs
}

// MaxRanges is the most ranges: each is a file that the next step may have open (GPT-sized corpora have some 4 GB of keys
// in each of 256).
const MaxRanges = 256

// Ranks makes the steps, with so many ranges of buckets and shares of hubs: the parts of Pairs, Verify and Rehub. It is a part
// of the names of what they make.
func (m *MinHash) Ranks(ranges int) (*Ranks, error) {
	if ranges < 1 || ranges > MaxRanges {
		return nil, fmt.Errorf("dedup: %d ranges; there are 1 to %d", ranges, MaxRanges)
	}
	return &Ranks{m, ranges}, nil
}

// SealedFile is what was sealed of one input file, split by split.
type SealedFile struct {
	Number int // of the file in the manifest
	Splits []stage.Sealed
}

// Names of the files. Each but the last one of a step is there when the last one is.
const (
	ComponentsFile = edgesFile
	DecisionsFile  = decisionsFile
)

func candidatesRange(r int) string { return fmt.Sprintf("pairs-%03d-candidates", r) }

// PairsFile is the last file that Pairs makes of a range.
func PairsFile(r int) string { return fmt.Sprintf("pairs-%03d-hubs", r) }

// IndexFile is what Index makes of a file.
func IndexFile(file int) string { return fmt.Sprintf("sets-%05d", file) }

func verifiedFile(h int) string { return fmt.Sprintf("verify-%03d-similar", h) }

// VerifyFile is the last file that Verify makes of a share.
func VerifyFile(h int) string { return fmt.Sprintf("verify-%03d-unlike", h) }

// RehubFile is what Rehub makes of a range.
func RehubFile(r int) string { return fmt.Sprintf("rehub-%03d-similar", r) }

// Items of the files; numbers are big-endian.
const (
	starWidth  = 2 + 8 + 8 + 8 // share of the hub, hub, document, bucket; IDs
	indexItem  = 8 + 4 + 8 + 8 // ID, number of the split's sealed file in its file, byte in that behind its sources, order (keep.go)
	shareWidth = 2
)

// share of the hubs that is a hub's.
func (k *Ranks) share(hub uint64) uint16 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], hub)
	return uint16(xxhash.Sum64(b[:]) % uint64(k.n))
}

// Pairs looks at range r of the buckets in keys, what the first Reducer has sealed of all files.
func (k *Ranks) Pairs(ctx context.Context, r int, keys []stage.Sealed, shared, scratch stage.Workspace) error {
	be := binary.BigEndian
	ws := subfolder{scratch, PairsFile(r)}
	return k.err("pairs", shared.Make(ctx, PairsFile(r), func(w io.Writer) error {
		candidates := runs.NewSorter(ws, pairWidth, k.m.spillSize)
		candidates.Reset("candidates-sort")
		stars := runs.NewSorter(ws, starWidth, k.m.spillSize)
		stars.Reset("hubs-sort")
		err := withSealed(ctx, ws, candidateWidth, runs.Uniform(k.n)[r], keys, func(items *runs.Iterator) error {
			var pair [pairWidth]byte
			var star [starWidth]byte
			begun, bucket, hub, share := false, uint64(0), uint64(0), uint16(0)
			return eachShared(ctx, items, func(item []byte) error {
				b, id := be.Uint64(item), be.Uint64(item[bucketWidth:])
				be.PutUint64(pair[:], id)
				be.PutUint64(pair[8:], b)
				if err := candidates.Add(ctx, pair[:]); err != nil {
					return err
				}
				if !begun || b != bucket {
					begun, bucket, hub, share = true, b, id, k.share(id)
					return nil
				}
				be.PutUint16(star[:], share)
				be.PutUint64(star[2:], hub)
				be.PutUint64(star[10:], id)
				be.PutUint64(star[18:], b)
				return stars.Add(ctx, star[:])
			})
		})
		if err != nil {
			return err
		}
		if err := shared.Make(ctx, candidatesRange(r), func(w io.Writer) error { return candidates.Merge(ctx, w) }); err != nil {
			return err
		}
		if err := stars.Merge(ctx, w); err != nil {
			return err
		}
		return errors.Join(candidates.Remove(ctx), stars.Remove(ctx))
	}))
}

// Marks makes the Mapper for the second Reducer, for records of these files, whose numbers ascend. It is to be used as
// long as scratch is open.
func (k *Ranks) Marks(ctx context.Context, files []int, shared, scratch stage.Workspace) (stage.Mapper, error) {
	const some = "marked"
	names := k.names(candidatesRange)
	err := scratch.Make(ctx, some, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, runBuffer)
		for _, f := range files {
			err := withRange(ctx, shared, pairWidth, idRange(f), rangeSpace(len(names)), names, func(items *runs.Iterator) error { return writeItems(ctx, out, items) })
			if err != nil {
				return err
			}
		}
		return out.Flush()
	})
	if err == nil {
		err = scratch.Make(ctx, candidatesFile, func(w io.Writer) error {
			return withRun(ctx, scratch, pairWidth, nil, func(pairs *runs.Iterator) error { return mergeCandidates(ctx, w, pairs) }, some)
		})
	}
	var d *Decisions
	if err == nil {
		d, err = openTable(ctx, scratch, candidatesFile, columnsCandidates)
	}
	if err != nil {
		return nil, k.err("sets", err)
	}
	return marks{k.m, d}, nil
}

// idRange is that of the records of a file, in items that begin with an ID.
func idRange(file int) runs.Range {
	be := binary.BigEndian
	r := runs.Range{From: be.AppendUint64(nil, uint64(record.MakeID(file, 0)))}
	if file < record.MaxFile {
		r.To = be.AppendUint64(nil, uint64(record.MakeID(file+1, 0)))
	}
	return r
}

// Index says where the sets of a file's documents are, which the second Reducer has sealed.
func (k *Ranks) Index(ctx context.Context, sets SealedFile, shared stage.Workspace) error {
	be := binary.BigEndian
	return k.err("sets", shared.Make(ctx, IndexFile(sets.Number), func(w io.Writer) error {
		splits, _, err := openHeads(sets.Splits)
		if err != nil {
			return fmt.Errorf("file %d: %w", sets.Number, err)
		}
		out := bufio.NewWriterSize(w, runBuffer)
		buf := make([]byte, runBuffer)
		var item [indexItem]byte
		last, any := record.ID(0), false
		for i, f := range splits {
			s := entryScanner{f: f, width: k.m.width, buf: buf}
			for n := 0; ; n++ {
				if n%checkEvery == 0 && ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := s.next(); err != nil {
					return fmt.Errorf("file %d, split file %d: %w", sets.Number, i, err)
				}
				if s.done {
					break
				}
				if any && s.entry.id <= last {
					return fmt.Errorf("file %d, split file %d: record %d was sealed behind record %d", sets.Number, i, s.entry.id, last)
				}
				last, any = s.entry.id, true
				be.PutUint64(item[:], uint64(s.entry.id))
				be.PutUint32(item[8:], uint32(i))
				be.PutUint64(item[12:], uint64(s.at))
				be.PutUint64(item[20:], s.entry.order)
				if _, err := out.Write(item[:]); err != nil {
					return err
				}
			}
		}
		return out.Flush()
	}))
}

// Comparer does the steps that compare documents. It holds 20 bytes a candidate, and its order as verification.Finish does.
type Comparer struct {
	k      *Ranks
	f      finisher
	shared stage.Workspace
	ws     stage.Workspace // of this process
}

// Comparer reads the indexes of all files, which are in the order of their numbers.
func (k *Ranks) Comparer(ctx context.Context, sets []SealedFile, shared, scratch stage.Workspace) (*Comparer, error) {
	memory, workers := k.m.finishMemory(scratch.Memory(), scratch.Workers(), int64(k.n))
	c := &Comparer{k: k, shared: shared, ws: scratch}
	c.f = finisher{m: k.m, ctx: ctx, memory: memory, sources: sources{}}
	// Behind their heads.
	sets = slices.Clone(sets)
	for i := range sets {
		splits, of, err := openHeads(sets[i].Splits)
		if err == nil {
			err = c.f.sources.join(of)
		}
		if err != nil {
			return nil, k.err("verify", fmt.Errorf("file %d: %w", sets[i].Number, err))
		}
		sets[i].Splits = splits
	}
	c.f.sources.prune()
	docs, err := k.documents(ctx, sets, shared, memory)
	if err != nil {
		return nil, k.err("verify", err)
	}
	c.f.docs = docs
	for range workers {
		c.f.vs = append(c.f.vs, k.m.newVerifier(docs))
	}
	return c, nil
}

// documents are those of all indexes, of sets without heads. memory is what they may take.
func (k *Ranks) documents(ctx context.Context, sets []SealedFile, shared stage.Workspace, memory int64) (*documents, error) {
	be := binary.BigEndian
	d := &documents{width: k.m.width}
	n, per := int64(0), k.m.documentBytes()
	for _, file := range sets {
		_, size, err := sizeOf(ctx, shared, IndexFile(file.Number))
		if err != nil {
			return nil, err
		}
		n += size / indexItem
	}
	if need := (n + columnChunk) * per; need > memory || n > math.MaxUint32 {
		return nil, fmt.Errorf("%d documents are candidates, and to hold them takes %s: %w", n, mebibytes(need), tooMuch(need-memory))
	}
	for _, file := range sets {
		base := len(d.sealed)
		if d.sealed = append(d.sealed, file.Splits...); len(d.sealed) > 1<<(64-placeBits) {
			return nil, fmt.Errorf("%d sealed files are more than %d", len(d.sealed), 1<<(64-placeBits))
		}
		err := withRun(ctx, shared, indexItem, nil, func(items *runs.Iterator) error {
			var last record.ID
			for i := 0; items.Next(); i++ {
				if i%checkEvery == 0 && ctx.Err() != nil {
					return context.Cause(ctx)
				}
				item := items.Item()
				id, split := record.ID(be.Uint64(item)), int(be.Uint32(item[8:]))
				at := be.Uint64(item[12:])
				if split >= len(file.Splits) || id.File() != file.Number || at > uint64(max(0, file.Splits[split].Size-entryHeader)) {
					return fmt.Errorf("%s: item %d is of no place in the file's sets; remove it, and repeat sets", IndexFile(file.Number), i)
				}
				if i > 0 && id <= last {
					return fmt.Errorf("%s: item %d is of record %d, behind record %d; remove it, and repeat sets", IndexFile(file.Number), i, id, last)
				}
				last = id
				d.ids.add(id)
				d.places.add(uint64(base+split)<<placeBits | at)
				switch order := be.Uint64(item[20:]); k.m.keep.width() {
				case 4:
					d.ranks.add(uint32(order))
				case 8:
					d.orders.add(order)
				}
			}
			return nil
		}, IndexFile(file.Number))
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// number of a document, of those from first on.
func (d *documents) number(id record.ID, first int) (uint32, error) {
	i := first + sort.Search(d.ids.n-first, func(i int) bool { return *d.ids.at(uint32(first + i)) >= id })
	if i == d.ids.n || *d.ids.at(uint32(i)) != id {
		return 0, fmt.Errorf("record %d is in a pair, and no set of it was sealed", id)
	}
	return uint32(i), nil
}

// part lets the finisher work in a folder of its own, and removes what it leaves there.
func (c *Comparer) part(ctx context.Context, name string, work func(f *finisher) error) error {
	f := c.f
	f.ctx, f.ws, f.names = ctx, subfolder{c.ws, name}, nil
	f.docs.parents = column[uint32]{}
	if err := work(&f); err != nil {
		return err
	}
	return removeAll(ctx, f.ws, f.names)
}

// Verify compares the documents of share h with their hubs.
func (c *Comparer) Verify(ctx context.Context, h int) error {
	be := binary.BigEndian
	share := runs.Range{From: be.AppendUint16(nil, uint16(h)), To: be.AppendUint16(nil, uint16(h+1))}
	hubs := name("hubs", 1)
	return c.k.err("verify", c.shared.Make(ctx, VerifyFile(h), func(w io.Writer) error {
		return c.part(ctx, VerifyFile(h), func(f *finisher) error {
			// Numbers are in the order of IDs, so items stay in order.
			err := f.ws.Make(ctx, hubs, func(w io.Writer) error {
				out := bufio.NewWriterSize(w, runBuffer)
				err := withRange(ctx, c.shared, starWidth, share, rangeSpace(c.k.n), c.k.names(PairsFile), func(stars *runs.Iterator) error {
					var item [hubWidth]byte
					var last record.ID
					hub := uint32(0)
					for n := 0; stars.Next(); n++ {
						if n%checkEvery == 0 && ctx.Err() != nil {
							return context.Cause(ctx)
						}
						star := stars.Item()[shareWidth:]
						if id := record.ID(be.Uint64(star)); n == 0 || id != last {
							var err error
							if hub, err = f.docs.number(id, 0); err != nil {
								return err
							}
							last = id
						}
						doc, err := f.docs.number(record.ID(be.Uint64(star[8:])), int(hub))
						if err != nil {
							return err
						}
						be.PutUint32(item[0:], hub)
						be.PutUint32(item[4:], doc)
						copy(item[8:], star[16:])
						if _, err := out.Write(item[:]); err != nil {
							return err
						}
					}
					return nil
				})
				return errors.Join(err, out.Flush())
			})
			if err != nil {
				return err
			}
			if _, err := f.round(1); err != nil { // hubs-1 is there
				return err
			}
			err = c.shared.Make(ctx, verifiedFile(h), func(w io.Writer) error { return f.copy(w, verdictWidth, 0, name("verdicts", 1)) })
			if err != nil {
				return err
			}
			return f.copy(w, memberWidth, 0, name("members", 2))
		})
	}))
}

// Rehub compares the documents in range r of the buckets that were not similar to their hub among themselves, in the rounds
// that are left.
func (c *Comparer) Rehub(ctx context.Context, r int) error {
	be := binary.BigEndian
	return c.k.err("rehub", c.shared.Make(ctx, RehubFile(r), func(w io.Writer) error {
		return c.part(ctx, RehubFile(r), func(f *finisher) error {
			empty := true
			err := f.ws.Make(ctx, name("members", 2), func(w io.Writer) error {
				out := bufio.NewWriterSize(w, runBuffer)
				err := withRange(ctx, c.shared, memberWidth, runs.Uniform(c.k.n)[r], rangeSpace(c.k.n), c.k.names(VerifyFile), func(members *runs.Iterator) error {
					for members.Next() {
						empty = false
						member := members.Item()
						if doc := be.Uint32(member[bucketWidth:]); doc >= uint32(f.docs.ids.n) {
							return fmt.Errorf("document %d of %d is in a bucket: the files of verify are damaged", doc, f.docs.ids.n)
						}
						if _, err := out.Write(member); err != nil {
							return err
						}
					}
					return nil
				})
				return errors.Join(err, out.Flush())
			})
			if err != nil || empty {
				return err
			}
			f.names = append(f.names, name("members", 2))
			var verdicts []string
			for n := 2; ; n++ {
				more, err := f.round(n)
				if err != nil {
					return err
				}
				verdicts = append(verdicts, name("verdicts", n))
				if !more {
					return f.copy(w, verdictWidth, pairBytes, verdicts...)
				}
			}
		})
	}))
}

// pairBytes are the first of a verdict, which say which pair is similar, and how. Who has compared it says the same of it.
const pairBytes = 4 + 4 + 4

// copy writes the items of files, in order; of those whose first bytes, so many, are the same, one, unless distinct is 0.
func (f *finisher) copy(w io.Writer, width, distinct int, names ...string) error {
	out := bufio.NewWriterSize(w, runBuffer)
	last, any := make([]byte, width), false
	err := f.each(width, func(item []byte) error {
		if distinct > 0 && any && string(item[:distinct]) == string(last[:distinct]) {
			return nil
		}
		any = true
		copy(last, item)
		_, err := out.Write(item)
		return err
	}, names...)
	return errors.Join(err, out.Flush())
}

// Components brings the verified pairs of all shares and ranges together. files are the numbers of all files. It holds 4
// bytes a candidate.
func (k *Ranks) Components(ctx context.Context, files []int, shared, scratch stage.Workspace) error {
	return k.err("components", shared.Make(ctx, ComponentsFile, func(w io.Writer) error {
		n := int64(0)
		for _, file := range files {
			_, size, err := sizeOf(ctx, shared, IndexFile(file))
			if err != nil {
				return err
			}
			n += size / indexItem
		}
		memory := scratch.Memory()/4*3 - int64(k.m.spillSize) - runs.FanIn*runBuffer - fewBuffers
		if need := (n + columnChunk) * 4; need > memory || n > math.MaxUint32 {
			return fmt.Errorf("%d documents are candidates, and to link them takes %s: %w", n, mebibytes(need), tooMuch(need-memory))
		}
		names := k.verdicts()
		f := finisher{m: k.m, ctx: ctx, ws: newOverlay(scratch, shared, names...), docs: &documents{}}
		f.docs.ids.n = int(n) // how many there are is all that is asked
		names, err := f.few(names, runs.FanIn)
		if err != nil {
			return err
		}
		if err := f.edgesOf(names); err != nil {
			return err
		}
		return f.copy(w, edgeWidth, 0, edgesFile)
	}))
}

// verdicts are the files of all compared pairs.
func (k *Ranks) verdicts() []string { return append(k.names(verifiedFile), k.names(RehubFile)...) }

// few merges files of verdicts until there are at most so many, and returns their names.
func (f *finisher) few(names []string, most int) ([]string, error) {
	for level := 0; len(names) > most; level++ {
		var merged []string
		for lo := 0; lo < len(names); lo += most {
			to := fmt.Sprintf("verdicts-merged-%d-%d", level, len(merged))
			err := f.ws.Make(f.ctx, to, func(w io.Writer) error {
				return f.copy(w, verdictWidth, pairBytes, names[lo:min(lo+most, len(names))]...)
			})
			if err != nil {
				return nil, err
			}
			merged = append(merged, to)
		}
		if level > 0 {
			if err := removeAll(f.ctx, f.ws, names); err != nil {
				return nil, err
			}
		}
		names = merged
	}
	return names, nil
}

// Decide makes the decisions of what Components has made, and the findings, before them.
func (c *Comparer) Decide(ctx context.Context) error {
	err := c.shared.Make(ctx, DecisionsFile, func(w io.Writer) error {
		verdicts := c.k.verdicts()
		f := c.f
		c.f.vs = nil // it is the last thing that a Comparer does
		f.ctx, f.ws = ctx, newOverlay(subfolder{c.ws, "decide"}, c.shared, append(verdicts, edgesFile)...)
		if err := f.decided(); err != nil {
			return err
		}
		var err error
		if f.compared, err = f.few(verdicts, fewBuffers/runBuffer); err != nil {
			return err
		}
		if err := f.findings(); err != nil {
			return err
		}
		return f.write(w)
	})
	if err == nil {
		err = c.k.m.found.tell(ctx, c.shared)
	}
	return c.k.err("decide", err)
}

// Apply makes the Mapper that does what the decisions say, as long as shared is open.
func (k *Ranks) Apply(ctx context.Context, shared stage.Workspace) (stage.Mapper, error) {
	d, err := openTable(ctx, shared, DecisionsFile, columnsMinHash)
	if err != nil {
		return nil, k.err("apply", err)
	}
	return minhashApply{k.m, d}, nil
}

func (k *Ranks) err(step string, err error) error {
	if err != nil {
		return fmt.Errorf("dedup %s: %w", step, err)
	}
	return nil
}

// names of the files of all parts.
func (k *Ranks) names(of func(int) string) []string {
	names := make([]string, k.n)
	for i := range names {
		names[i] = of(i)
	}
	return names
}

// subfolder is a part of a workspace.
type subfolder struct {
	stage.Workspace
	name string
}

// Make implements stage.Workspace.
func (f subfolder) Make(ctx context.Context, name string, write func(w io.Writer) error) error {
	return f.Workspace.Make(ctx, f.name+"/"+name, write)
}

// Open implements stage.Workspace.
func (f subfolder) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	return f.Workspace.Open(ctx, f.name+"/"+name)
}

// Remove implements stage.Workspace.
func (f subfolder) Remove(ctx context.Context, name string) error {
	return f.Workspace.Remove(ctx, f.name+"/"+name)
}

// overlay is a workspace of a process in which some files are those that all share, and findings are made for all.
type overlay struct {
	stage.Workspace
	shared stage.Workspace
	names  map[string]bool
}

func newOverlay(own, shared stage.Workspace, names ...string) overlay {
	o := overlay{own, shared, map[string]bool{}}
	for _, name := range names {
		o.names[name] = true
	}
	return o
}

// Make implements stage.Workspace.
func (o overlay) Make(ctx context.Context, name string, write func(w io.Writer) error) error {
	if strings.HasPrefix(name, stage.FindingsDir) {
		return o.shared.Make(ctx, name, write)
	}
	return o.Workspace.Make(ctx, name, write)
}

// Open implements stage.Workspace.
func (o overlay) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	if o.names[name] {
		return o.shared.Open(ctx, name)
	}
	return o.Workspace.Open(ctx, name)
}

// sizeOf says whether a file is empty, and its size.
func sizeOf(ctx context.Context, ws stage.Workspace, name string) (empty bool, size int64, err error) {
	f, size, err := ws.Open(ctx, name)
	if err != nil {
		return false, 0, err
	}
	return size == 0, size, f.Close()
}
