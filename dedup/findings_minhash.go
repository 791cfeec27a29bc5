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

// findings makes what is found beside the decision, of the decided file and those of the rounds. It reads the entries of
// dropped documents and of those they go for again, one at a time.
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
	files := []findingsFile{{SummaryName(found.Name), (*finisher).summary}}
	if found.Evidence {
		files = append(files, findingsFile{EvidenceName(found.Name), (*finisher).evidence})
	}
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
	var dropped, kept []byte
	return f.each(decidedWidth, func(d []byte) error {
		doc, to := be.Uint32(d), be.Uint32(d[4:])
		if doc == to {
			return nil
		}
		a, own, err := f.docs.readEntry(doc, &dropped)
		if err != nil || a.source&unwritable != 0 {
			return err
		}
		b, keptOwn, err := f.docs.readEntry(to, &kept)
		if err != nil {
			return err
		}
		e := evidence{
			dropped: a.id, kept: b.id, cluster: *f.docs.ids.at(f.clusterOf(d)), similarity: be.Uint32(d[8:]), droppedSource: a.source, keptSource: b.source,
			droppedOwn: own, keptOwn: keptOwn, droppedBytes: int64(a.length), unordered: a.order == lastOrder,
		}
		if e.origin, err = f.m.index.origin(b.id); err != nil {
			return err
		}
		if e.origin != nil {
			e.keptOwn = e.origin.ID
		}
		if f.m.cfg.Verify == VerifyNone {
			e.similarity = unknown
		}
		return do(&e)
	}, decidedFile)
}

// evidence writes the rows.
func (f *finisher) evidence(w io.Writer) error {
	out := bufio.NewWriterSize(w, runBuffer)
	var row []byte
	err := f.eachEvidence(func(e *evidence) error {
		row = append(e.append(row[:0], f.m.found.method, f.sources), '\n')
		_, err := out.Write(row)
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
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
	if err := f.eachEvidence(func(e *evidence) error { rows.add(e); return nil }); err != nil {
		return err
	}
	rows.into(&s)
	return s.write(w)
}
