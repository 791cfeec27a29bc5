package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"sync"

	"curate/stage"
	"curate/stage/runs"
)

const clusteredFile = "clustered"

// clusteredWidth: component, similarity of a dropped document or unknown, 1 if it is dropped.
const clusteredWidth = 4 + 4 + 1

// findings makes what is found beside the decision, of the decided file and those of the rounds. It reads the heads of
// dropped documents and of those they go for again (heads.go).
func (f *finisher) findings() error {
	if f.m.found.None {
		return nil
	}
	be := binary.BigEndian
	if err := f.sorted(clusteredFile, clusteredWidth, func(s *runs.Sorter) error {
		var item [clusteredWidth]byte
		return f.each(decidedWidth, func(d []byte) error {
			doc, to := be.Uint32(d), be.Uint32(d[4:])
			if doc != to && f.docs.unwritable.has(doc) {
				return nil // it will be quarantined, and then goes for nobody
			}
			be.PutUint32(item[:4], f.clusterOf(d))
			be.PutUint32(item[4:], unknown)
			item[8] = 0
			if doc != to {
				if item[8] = 1; f.m.cfg.Verify != VerifyNone {
					copy(item[4:8], d[8:])
				}
			}
			return s.Add(f.ctx, item[:])
		}, decidedFile)
	}); err != nil {
		return err
	}
	found := &f.m.found
	f.vs = nil // what they have read makes room for the heads
	files := []findingsFile{{SummaryName(found.Name), (*finisher).summary}}
	if found.Clusters {
		files = append(files, findingsFile{ClustersName(found.Name), (*finisher).clusters})
	}
	return f.sideBySide(files)
}

// findingsFile is one of the files that only read what is known by then.
type findingsFile struct {
	name  string
	write func(f *finisher, w io.Writer) error
}

// sideBySide makes files, as many at once as there are workers: there is nothing else for them to do. The buffers of one are
// less than what a verifier held, of which there was one a worker.
func (f *finisher) sideBySide(files []findingsFile) error {
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	work := make(chan findingsFile, len(files))
	for _, file := range files {
		work <- file
	}
	close(work)
	var wg sync.WaitGroup
	for range max(1, min(f.ws.Workers(), len(files))) {
		wg.Go(func() {
			own := *f
			own.ctx = ctx
			for file := range work {
				err := f.ws.Make(ctx, stage.FindingsDir+file.name, func(w io.Writer) error { return file.write(&own, w) })
				if err != nil {
					cancel(err) // the first one stays
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// eachEvidence calls do for every dropped document, in the order of their IDs.
func (f *finisher) eachEvidence(do func(e *evidence) error) error {
	be := binary.BigEndian
	items := make([]byte, 0, evidenceAtOnce*decidedWidth)
	docs := make([]uint32, 0, 2*evidenceAtOnce)
	read := heads{docs: f.docs}
	flush := func() error {
		if err := read.read(f.ctx, docs); err != nil {
			return err
		}
		for d := items; len(d) > 0; d = d[decidedWidth:] {
			a, b := read.of(be.Uint32(d)), read.of(be.Uint32(d[4:]))
			if a.entry.source&unwritable != 0 {
				continue
			}
			e := evidence{
				dropped: a.entry.id, kept: b.entry.id, cluster: *f.docs.ids.at(f.clusterOf(d)), similarity: be.Uint32(d[8:]),
				droppedSource: a.entry.source, keptSource: b.entry.source, droppedOwn: a.own, keptOwn: b.own,
				droppedBytes: int64(a.entry.length), unordered: a.entry.order == lastOrder,
			}
			var err error
			if e.origin, err = f.m.index.origin(b.entry.id); err != nil {
				return err
			}
			if e.origin != nil {
				e.keptOwn = e.origin.ID
			}
			if f.m.cfg.Verify == VerifyNone {
				e.similarity = unknown
			}
			if err := do(&e); err != nil {
				return err
			}
		}
		items, docs = items[:0], docs[:0]
		return nil
	}
	err := f.each(decidedWidth, func(d []byte) error {
		if be.Uint32(d) == be.Uint32(d[4:]) {
			return nil
		}
		items, docs = append(items, d[:decidedWidth]...), append(docs, be.Uint32(d), be.Uint32(d[4:]))
		if len(docs) < cap(docs) {
			return nil
		}
		return flush()
	}, decidedFile)
	if err != nil {
		return err
	}
	return flush()
}

// eachCluster calls do for every cluster, in the order of their IDs.
func (f *finisher) eachCluster(do func(c *clusterRow) error) error {
	be := binary.BigEndian
	c := clusterRow{}
	end := func() error {
		if c.size < 2 { // there is none, or only one of it was not quarantined
			return nil
		}
		c.kept = c.size - c.dropped
		return do(&c)
	}
	component := uint32(0)
	err := f.each(clusteredWidth, func(item []byte) error {
		if k := be.Uint32(item); c.size == 0 || k != component {
			if err := end(); err != nil {
				return err
			}
			component = k
			c = clusterRow{cluster: *f.docs.ids.at(k), least: unknown}
		}
		c.size++
		c.dropped += int64(item[8])
		c.least = min(c.least, be.Uint32(item[4:]))
		return nil
	}, clusteredFile)
	if err != nil {
		return err
	}
	return end()
}

// clusters writes the table of clusters.
func (f *finisher) clusters(w io.Writer) error {
	out := bufio.NewWriterSize(w, runBuffer)
	var row []byte
	err := f.eachCluster(func(c *clusterRow) error {
		row = append(c.append(row[:0], f.m.found.method), '\n')
		_, err := out.Write(row)
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// summary writes the summary.
func (f *finisher) summary(w io.Writer) error {
	be := binary.BigEndian
	m := f.m
	candidates := int64(f.docs.ids.n) - int64(f.docs.indexed)
	s := summary{
		Version: 1, Method: m.found.method, Threshold: float64(m.threshold) / million, Bands: m.scheme.Bands, Rows: m.scheme.Rows,
		Verify: m.cfg.Verify, Keep: m.cfg.Keep, Priority: m.cfg.Priority, Candidates: &candidates,
	}
	var pairs shape
	var last uint64
	begun := false
	err := f.each(verdictWidth, func(v []byte) error {
		if be.Uint32(v[4:]) < f.docs.indexed {
			return nil // of two of the index, which nobody compares
		}
		if pair := be.Uint64(v); !begun || pair != last { // some are compared in two rounds
			begun, last = true, pair
			pairs.add(be.Uint32(v[12:]), be.Uint32(v[8:]), be.Uint32(v[16:]))
		}
		return nil
	}, f.verdictFiles()...)
	if err != nil {
		return err
	}
	if m.cfg.Verify == VerifyNone {
		s.Threshold = 0 // of nothing
	} else {
		pairs.into(&s, m.scheme.Bands, m.scheme.Rows)
	}
	sizes := sized{}
	if err := f.eachCluster(func(c *clusterRow) error { sizes.add(c.size, c.dropped); return nil }); err != nil {
		return err
	}
	s.Clusters = sizes.counts()
	rows := newTallied(m.found.method, f.sources)
	if err := f.evidence(rows); err != nil {
		return err
	}
	rows.into(&s)
	return s.write(w)
}

// evidence adds up the rows, and makes the file of them, if it is asked for, on the way.
func (f *finisher) evidence(rows *tallied) error {
	added := false
	if f.m.found.Evidence {
		err := f.ws.Make(f.ctx, stage.FindingsDir+EvidenceName(f.m.found.Name), func(w io.Writer) error {
			added = true
			out := bufio.NewWriterSize(w, runBuffer)
			var row []byte
			err := f.eachEvidence(func(e *evidence) error {
				rows.add(e)
				row = append(e.append(row[:0], f.m.found.method, f.sources), '\n')
				_, err := out.Write(row)
				return err
			})
			if err != nil {
				return err
			}
			return out.Flush()
		})
		if err != nil {
			return err
		}
	}
	if added {
		return nil
	}
	// Nobody asks for them, or an earlier attempt made the file.
	return f.eachEvidence(func(e *evidence) error { rows.add(e); return nil })
}
