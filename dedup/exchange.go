package dedup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// Another engine, which has shuffles of its own, may do two of the steps of Ranks: Pairs, whose work is to bring the
// keys of a bucket together, and Components. It gets rows of numbers (EachKey, EachSimilar), and what it says is taken in
// as the files of those steps, byte for byte (PairsFrom, ComponentsFrom), so nothing behind them knows who did it. Nothing
// that it says is believed: what was lost or doubled on the way is an error. Package dedup/exchange has the rows as Parquet.

// KeysFile is what Tally makes of a file's keys.
func KeysFile(file int) string { return fmt.Sprintf("keys-%05d", file) }

// KeyTally is how many keys there are, and the sum of their bits without carry, by which a set of keys is known again.
type KeyTally struct {
	Keys int64
	Xor  uint64 // of buckets and IDs
}

// Add adds a key.
func (t *KeyTally) Add(bucket uint64, id record.ID) {
	t.Keys++
	t.Xor ^= bucket ^ uint64(id)
}

func (t *KeyTally) join(o KeyTally) {
	t.Keys += o.Keys
	t.Xor ^= o.Xor
}

// keyTallyItem: range u16, keys u64, their bits u64.
const keyTallyItem = 2 + 8 + 8

// EachKey calls put for each bucket that a document is in, once, by bucket and ID, with the range that the bucket is in.
// sealed is what the first Reducer has sealed of a file.
func (k *Ranks) EachKey(ctx context.Context, sealed []stage.Sealed, scratch stage.Workspace, put func(r int, bucket uint64, id record.ID) error) error {
	be := binary.BigEndian
	ranges := runs.Uniform(k.n)
	return k.err("export", withSealed(ctx, scratch, candidateWidth, runs.Range{}, sealed, func(items *runs.Iterator) error {
		var last [candidateWidth]byte
		r, any := 0, false
		return eachItem(ctx, items, func(item []byte) error {
			if any && string(item) == string(last[:]) { // two bands of a document with the same hash
				return nil
			}
			any = true
			copy(last[:], item)
			bucket := be.Uint64(item)
			for r+1 < k.n && bucket >= be.Uint64(ranges[r+1].From) {
				r++
			}
			return put(r, bucket, record.ID(be.Uint64(item[bucketWidth:])))
		})
	}))
}

// Tally makes KeysFile of what was counted of a file's keys, by range. It says that the keys of the file were given away.
func (k *Ranks) Tally(ctx context.Context, file int, shared stage.Workspace, count func() ([]KeyTally, error)) error {
	be := binary.BigEndian
	return k.err("export", shared.Make(ctx, KeysFile(file), func(w io.Writer) error {
		tallies, err := count()
		if err != nil {
			return err
		}
		if len(tallies) != k.n {
			return fmt.Errorf("%d ranges were counted, and there are %d", len(tallies), k.n)
		}
		var b []byte
		for r, t := range tallies {
			b = be.AppendUint16(b, uint16(r))
			b = be.AppendUint64(b, uint64(t.Keys))
			b = be.AppendUint64(b, t.Xor)
		}
		_, err = w.Write(b)
		return err
	}))
}

// Tallies are those of all files together, by range. files are their numbers.
func (k *Ranks) Tallies(ctx context.Context, files []int, shared stage.Workspace) ([]KeyTally, error) {
	be := binary.BigEndian
	all := make([]KeyTally, k.n)
	for _, file := range files {
		r := 0
		err := withRun(ctx, shared, keyTallyItem, make([]byte, rangeBuffer), func(items *runs.Iterator) error {
			return eachItem(ctx, items, func(item []byte) error {
				if r >= k.n || int(be.Uint16(item)) != r {
					return fmt.Errorf("%s: item %d is not of that range; remove it, and repeat the export", KeysFile(file), r)
				}
				all[r].join(KeyTally{int64(be.Uint64(item[2:])), be.Uint64(item[10:])})
				r++
				return nil
			})
		}, KeysFile(file))
		if err == nil && r != k.n {
			err = fmt.Errorf("%s: it has %d ranges instead of %d; remove it, and repeat the export", KeysFile(file), r, k.n)
		}
		if err != nil {
			return nil, k.err("import", err)
		}
	}
	return all, nil
}

// ErrIncomplete is what another engine left out, doubled or mixed up.
var ErrIncomplete = errors.New("what was written elsewhere is not what it was made of")

// PairsFrom makes the files of Pairs of range r of what another engine has found. rows calls put for documents that share
// a bucket with another, in any order and however often, and says what the keys come to that are alone in their bucket.
// Both together must be all keys of the range, which are want (Tallies).
func (k *Ranks) PairsFrom(ctx context.Context, r int, want KeyTally, rows func(put func(bucket uint64, id record.ID) error) (alone KeyTally, err error), shared, scratch stage.Workspace) error {
	be := binary.BigEndian
	// Each range has names of its own, since a scratch workspace makes a name once.
	ws := subfolder{scratch, "from-" + PairsFile(r)}
	const together = "keys"
	got := KeyTally{}
	err := ws.Make(ctx, together, func(w io.Writer) error {
		s := runs.NewSorter(ws, candidateWidth, k.m.spillSize)
		s.Reset("keys-sort")
		bounds := runs.Uniform(k.n)[r]
		var item [candidateWidth]byte
		alone, err := rows(func(bucket uint64, id record.ID) error {
			if bounds.From != nil && bucket < be.Uint64(bounds.From) || bounds.To != nil && bucket >= be.Uint64(bounds.To) {
				return fmt.Errorf("%w: bucket %016x is in no pair of range %d", ErrIncomplete, bucket, r)
			}
			be.PutUint64(item[:], bucket)
			be.PutUint64(item[bucketWidth:], uint64(id))
			return s.Add(ctx, item[:])
		})
		if err != nil {
			return err
		}
		got = alone
		// Whoever names the hub in each row of a bucket has named it many times.
		if err := s.Merge(ctx, &distinctKeys{w: w, tally: &got}); err != nil {
			return err
		}
		return s.Remove(ctx)
	})
	if err == nil && got != want {
		err = fmt.Errorf("%w: range %d has %d keys, and %d came back%s", ErrIncomplete, r, want.Keys, got.Keys, map[bool]string{true: ", others than were given"}[got.Keys == want.Keys])
	}
	if err != nil {
		return k.err("import", err)
	}
	data, size, err := ws.Open(ctx, together)
	if err != nil {
		return k.err("import", err)
	}
	err = k.Pairs(ctx, r, []stage.Sealed{{Size: size, Data: data}}, shared, scratch)
	return errors.Join(err, data.Close(), k.err("import", ws.Remove(ctx, together)))
}

// distinctKeys writes each of the keys that come to it, sorted, once. It gets whole ones.
type distinctKeys struct {
	w     io.Writer
	tally *KeyTally
	last  [candidateWidth]byte
	any   bool
	out   []byte
}

func (d *distinctKeys) Write(b []byte) (int, error) {
	d.out = d.out[:0]
	for at := 0; at+candidateWidth <= len(b); at += candidateWidth {
		item := b[at : at+candidateWidth]
		if d.any && string(item) == string(d.last[:]) {
			continue
		}
		d.any = true
		copy(d.last[:], item)
		d.tally.Add(binary.BigEndian.Uint64(item), record.ID(binary.BigEndian.Uint64(item[bucketWidth:])))
		d.out = append(d.out, item...)
	}
	if len(b)%candidateWidth != 0 {
		return 0, fmt.Errorf("%d bytes are no whole keys", len(b))
	}
	if _, err := d.w.Write(d.out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// EachSimilar calls put for each similar pair that part i, of Ranks' ranges, of Verify and of Rehub have found, by the
// documents' numbers, a below b. A pair may come twice.
func (k *Ranks) EachSimilar(ctx context.Context, i int, shared stage.Workspace, put func(a, b uint32) error) error {
	be := binary.BigEndian
	return k.err("export", withRun(ctx, shared, verdictWidth, nil, func(items *runs.Iterator) error {
		return eachItem(ctx, items, func(v []byte) error {
			if be.Uint32(v[8:]) == 0 {
				return nil
			}
			return put(be.Uint32(v), be.Uint32(v[4:]))
		})
	}, verifiedFile(i), RehubFile(i)))
}

const (
	labelWidth  = 4 + 4         // document, component
	behindWidth = 4 + 4 + 4 + 4 // a pair's second document, component, first document, similarity
)

// ComponentsFrom makes the file of Components of what another engine has found: rows calls put for every document in a
// similar pair, in any order, with the smallest number in its component; it may leave that one itself out. Each similar pair must lie in
// one component. What is held does not grow with documents or pairs.
//
// That two components were taken for one is not seen here.
func (k *Ranks) ComponentsFrom(ctx context.Context, rows func(put func(doc, component uint32) error) error, shared, scratch stage.Workspace) error {
	return k.err("import", shared.Make(ctx, ComponentsFile, func(w io.Writer) error {
		be := binary.BigEndian
		names := k.verdicts()
		f := finisher{m: k.m, ctx: ctx, ws: newOverlay(subfolder{scratch, "from-" + ComponentsFile}, shared, names...), docs: &documents{}}
		const labels, behind = "labels", "behind"
		err := f.sorted(labels, labelWidth, func(s *runs.Sorter) error {
			var item [labelWidth]byte
			add := func(doc, component uint32) error {
				be.PutUint32(item[:], doc)
				be.PutUint32(item[4:], component)
				return s.Add(ctx, item[:])
			}
			return rows(func(doc, component uint32) error {
				if component > doc {
					return fmt.Errorf("%w: document %d is in component %d, which is not the smallest number in it", ErrIncomplete, doc, component)
				}
				// Who is the smallest is in its own component; if another label of it comes, it has two.
				return errors.Join(add(doc, component), add(component, component))
			})
		})
		if err != nil {
			return err
		}
		// Labels are looked up in the order of documents, in passes of their own for a pair's two.
		look := func(each func(find func(doc uint32) (uint32, error)) error) error {
			return withRun(ctx, f.ws, labelWidth, nil, func(items *runs.Iterator) error {
				l := labelFinder{items: items}
				if err := each(l.find); err != nil {
					return err
				}
				return l.rest()
			}, labels)
		}
		if names, err = f.few(names, runs.FanIn); err != nil {
			return err
		}
		err = f.sorted(behind, behindWidth, func(s *runs.Sorter) error {
			return look(func(find func(uint32) (uint32, error)) error {
				var item [behindWidth]byte
				var last [pairBytes]byte
				any := false
				return f.each(verdictWidth, func(v []byte) error {
					if be.Uint32(v[8:]) == 0 || any && string(v[:pairBytes]) == string(last[:]) { // compared in two rounds
						return nil
					}
					any = true
					copy(last[:], v)
					component, err := find(be.Uint32(v))
					if err != nil {
						return err
					}
					copy(item[:], v[4:8])
					be.PutUint32(item[4:], component)
					copy(item[8:], v[:4])
					copy(item[12:], v[8:12])
					return s.Add(ctx, item[:])
				}, names...)
			})
		})
		if err != nil {
			return err
		}
		err = f.sorted(edgesFile, edgeWidth, func(s *runs.Sorter) error {
			return look(func(find func(uint32) (uint32, error)) error {
				var item [edgeWidth]byte
				return f.each(behindWidth, func(b []byte) error {
					component, err := find(be.Uint32(b))
					if err != nil {
						return err
					}
					if c := be.Uint32(b[4:]); c != component {
						return fmt.Errorf("%w: documents %d and %d are similar, and in components %d and %d", ErrIncomplete, be.Uint32(b[8:]), be.Uint32(b), c, component)
					}
					copy(item[:], b[4:8])
					copy(item[4:], b[8:12])
					copy(item[8:], b[:4])
					copy(item[12:], b[12:])
					return s.Add(ctx, item[:])
				}, behind)
			})
		})
		if err != nil {
			return err
		}
		return f.copy(w, edgeWidth, 0, edgesFile)
	}))
}

// labelFinder finds the labels of documents that ascend.
type labelFinder struct {
	items          *runs.Iterator
	doc, component uint32
	begun, ended   bool
}

// next goes to the label behind, past the same one again.
func (l *labelFinder) next() error {
	for l.items.Next() {
		item := l.items.Item()
		doc, component := binary.BigEndian.Uint32(item), binary.BigEndian.Uint32(item[4:])
		if l.begun && doc == l.doc {
			if component != l.component {
				return fmt.Errorf("%w: document %d is in components %d and %d", ErrIncomplete, doc, l.component, component)
			}
			continue
		}
		l.doc, l.component, l.begun = doc, component, true
		return nil
	}
	l.ended = true
	return l.items.Err()
}

func (l *labelFinder) find(doc uint32) (uint32, error) {
	for !l.ended && (!l.begun || l.doc < doc) {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	if l.ended || l.doc != doc {
		return 0, fmt.Errorf("%w: document %d is in a similar pair, and in no component", ErrIncomplete, doc)
	}
	return l.component, nil
}

// rest looks at the labels behind.
func (l *labelFinder) rest() error {
	for !l.ended {
		if err := l.next(); err != nil {
			return err
		}
	}
	return nil
}
