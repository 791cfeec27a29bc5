package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"curate/stage"
	"curate/stage/runs"
)

// Items of the rounds' files; numbers are big-endian, documents are their numbers in documents.
const (
	memberWidth  = 8 + 4         // bucket, document
	hubWidth     = 4 + 4 + 8     // hub, document, bucket
	verdictWidth = 5 * 4         // hub, document, similarity in millionths or 0, what was measured, buckets in common
	edgeWidth    = 4 + 4 + 4 + 4 // component, document, document above it, similarity
	decidedWidth = 4 + 4 + 4 + 4 // document, the kept one, similarity, component
)

// finisher is one call of verification.Finish.
type finisher struct {
	m       *MinHash
	ctx     context.Context
	ws      stage.Workspace
	docs    *documents
	vs      []*verifier
	memory  int64    // that documents and components may take, in bytes
	names   []string // of files to remove
	sources sources
	rounds  int
	// compared are the files of verdicts; without, they are those of the rounds.
	compared []string
	known    []uint32 // see nameClusters
}

// Finish implements stage.Reducer. Within Workspace.Memory it holds 20 bytes a candidate (24 with Keep longest and
// source-order, 28 with best), the links of one cluster, 4 MiB to sort, 4 KiB for each sealed file and 2 MiB for each goroutine that compares.
//
// Documents are numbered in the order of their IDs, so that every file it makes depends on the set of records alone.
// A round compares, in each bucket, all documents with the first, the hub:
//
//	members-1: bucket, document      of what is sealed, sorted
//	hubs-1: hub, document, bucket    of members-1, sorted, so that a pair of several buckets is compared once
//	verdicts-1: hub, document, similarity, and what findings need
//	members-2: of those in hubs-1 that are not similar to their hub: they have the next round
//
// Then come edges (components.go), findings (findings_minhash.go) and the decisions.
func (d *verification) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	f := &finisher{m: d.m, ctx: ctx, ws: ws}
	sealed, all, err := openHeads(sealed)
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	f.sources = all
	err = ws.Make(ctx, decisionsFile, func(w io.Writer) error { return f.decide(w, sealed) })
	if err == nil {
		err = removeAll(ctx, ws, f.names) // none if an earlier attempt made the decisions
	}
	var table *Decisions
	if err == nil {
		table, err = openTable(ctx, ws, decisionsFile, columnsMinHash)
	}
	if err == nil {
		err = d.m.found.tell(ctx, ws)
	}
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	return minhashApply{d.m, table}, nil
}

func (f *finisher) decide(w io.Writer, sealed []stage.Sealed) error {
	memory, workers := f.m.finishMemory(f.ws.Memory(), f.ws.Workers(), int64(len(sealed)))
	f.memory = memory
	if err := f.members(sealed); err != nil {
		return err
	}
	for range workers {
		f.vs = append(f.vs, f.m.newVerifier(f.docs))
	}
	for f.rounds = 1; ; f.rounds++ {
		more, err := f.round(f.rounds)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := f.edges(); err != nil {
		return err
	}
	if err := f.decided(); err != nil {
		return err
	}
	if err := f.nameClusters(); err != nil {
		return err
	}
	if err := f.findings(); err != nil {
		return err
	}
	return f.write(w)
}

// finishMemory is what of memory bytes is left for documents and components, and how many goroutines compare.
func (m *MinHash) finishMemory(memory int64, workers int, sealed int64) (left, comparing int64) {
	memory = memory / 4 * 3 // a quarter is for what is not counted here
	each := verifierBytes(m.largeSet)
	comparing = max(1, min(int64(workers), memory/4/each))
	return memory - int64(m.spillSize) - comparing*each - sealed*smallRunBuffer - fewBuffers - findingsBytes, comparing
}

// fewBuffers are those to read and write a few files, in bytes.
const fewBuffers = 1 << 20

func name(kind string, round int) string { return fmt.Sprintf("%s-%d", kind, round) }

// sorted makes a file of the items that fill adds, sorted.
func (f *finisher) sorted(name string, width int, fill func(s *runs.Sorter) error) error {
	s := runs.NewSorter(f.ws, width, f.m.spillSize)
	s.Reset(name + "-sort")
	err := f.ws.Make(f.ctx, name, func(w io.Writer) error {
		if err := fill(s); err != nil {
			return err
		}
		return s.Merge(f.ctx, w)
	})
	if err != nil {
		return err
	}
	f.names = append(f.names, name)
	return s.Remove(f.ctx)
}

// each calls do for every item of the files, in order.
func (f *finisher) each(width int, do func(item []byte) error, names ...string) error {
	return withRun(f.ctx, f.ws, width, nil, func(items *runs.Iterator) error { return eachItem(f.ctx, items, do) }, names...)
}

// members scans the sealed files and makes the first round's members.
func (f *finisher) members(sealed []stage.Sealed) error {
	err := f.sorted(name("members", 1), memberWidth, func(s *runs.Sorter) error {
		var item [memberWidth]byte
		var err error
		f.docs, err = f.m.scan(f.ctx, sealed, f.memory, func(bucket uint64, doc uint32) error {
			binary.BigEndian.PutUint64(item[:], bucket)
			binary.BigEndian.PutUint32(item[8:], doc)
			return s.Add(f.ctx, item[:])
		})
		return err
	})
	if err == nil && f.docs == nil { // an earlier attempt made it
		f.docs, err = f.m.scan(f.ctx, sealed, f.memory, nil)
	}
	return err
}

// round is the nth, from 1. It says whether there is another.
func (f *finisher) round(n int) (more bool, err error) {
	be := binary.BigEndian
	err = f.sorted(name("hubs", n), hubWidth, func(s *runs.Sorter) error {
		var item [hubWidth]byte
		var bucket uint64
		begun, hub := false, uint32(0)
		return f.each(memberWidth, func(member []byte) error {
			b, doc := be.Uint64(member), be.Uint32(member[8:])
			if !begun || b != bucket {
				begun, bucket, hub = true, b, doc
				return nil
			}
			be.PutUint32(item[0:], hub)
			be.PutUint32(item[4:], doc)
			be.PutUint64(item[8:], bucket)
			return s.Add(f.ctx, item[:])
		}, name("members", n))
	})
	if err != nil {
		return false, err
	}
	verdicts := name("verdicts", n)
	if err := f.ws.Make(f.ctx, verdicts, func(w io.Writer) error { return f.verdicts(w, name("hubs", n)) }); err != nil {
		return false, err
	}
	f.names = append(f.names, verdicts)
	if n > maxRehubs {
		return false, nil
	}
	next := name("members", n+1)
	if err := f.sorted(next, memberWidth, func(s *runs.Sorter) error { return f.unlike(s, n) }); err != nil {
		return false, err
	}
	data, size, err := f.ws.Open(f.ctx, next)
	if err != nil {
		return false, err
	}
	return size > 0, data.Close()
}

// compareAtOnce is how many pairs go to the verifiers together.
const compareAtOnce = 4096

// verdicts compares the pairs of hubs.
func (f *finisher) verdicts(w io.Writer, hubs string) error {
	be := binary.BigEndian
	out := bufio.NewWriterSize(w, runBuffer)
	pairs := make([]comparison, 0, compareAtOnce)
	flush := func() error {
		if err := compare(f.ctx, f.vs, pairs); err != nil {
			return err
		}
		var item [verdictWidth]byte
		for _, p := range pairs {
			be.PutUint32(item[0:], p.a)
			be.PutUint32(item[4:], p.b)
			be.PutUint32(item[8:], p.similarity)
			be.PutUint32(item[12:], p.measured)
			be.PutUint32(item[16:], p.shared)
			if _, err := out.Write(item[:]); err != nil {
				return err
			}
		}
		pairs = pairs[:0]
		return nil
	}
	var last comparison // no pair has twice the same document
	err := f.each(hubWidth, func(item []byte) error {
		p := comparison{a: be.Uint32(item), b: be.Uint32(item[4:])}
		if p == last {
			return nil
		}
		last = p
		if pairs = append(pairs, p); len(pairs) < compareAtOnce {
			return nil
		}
		return flush()
	}, hubs)
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Flush()
}

// unlike adds the documents of round n, by bucket, that are not similar to their hub.
func (f *finisher) unlike(s *runs.Sorter, n int) error {
	be := binary.BigEndian
	var member [memberWidth]byte
	return withRun(f.ctx, f.ws, verdictWidth, nil, func(verdicts *runs.Iterator) error {
		var pair uint64 // of the verdict at hand
		var similarity uint32
		return f.each(hubWidth, func(item []byte) error {
			for want := be.Uint64(item); pair != want; {
				if !verdicts.Next() {
					if verdicts.Err() != nil {
						return verdicts.Err()
					}
					return fmt.Errorf("a pair of round %d was not compared", n)
				}
				pair, similarity = be.Uint64(verdicts.Item()), be.Uint32(verdicts.Item()[8:])
			}
			if similarity > 0 {
				return nil
			}
			copy(member[:8], item[8:])
			copy(member[8:], item[4:8])
			return s.Add(f.ctx, member[:])
		}, name("hubs", n))
	}, name("verdicts", n))
}
