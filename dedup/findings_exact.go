package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// findings makes what is found beside the decision, of the pairs in the files ranges, and names the files that it needed
// on the way. ids are the own ids that were sealed. A cluster is known by the one that is kept.
func (e *Exact) findings(ctx context.Context, ws stage.Workspace, all sources, ids []stage.Sealed, ranges []string) ([]string, error) {
	if e.found.None {
		return nil, nil
	}
	const clustered = "clustered"
	be := binary.BigEndian
	each := func(width int, do func(item []byte) error, names ...string) error {
		return withRun(ctx, ws, width, nil, func(items *runs.Iterator) error { return eachItem(ctx, items, do) }, names...)
	}
	s := runs.NewSorter(ws, 8, e.spillSize)
	s.Reset(clustered + "-sort")
	err := ws.Make(ctx, clustered, func(w io.Writer) error {
		err := each(exactPairWidth, func(pair []byte) error {
			if pair[16]&unwritable != 0 {
				return nil // it will be quarantined, and then goes for nobody
			}
			return s.Add(ctx, pair[8:16])
		}, ranges...)
		if err != nil {
			return err
		}
		return s.Merge(ctx, w)
	})
	if err == nil {
		err = s.Remove(ctx)
	}
	if err != nil {
		return nil, err
	}
	names := []string{clustered}
	if e.found.Evidence {
		made, err := e.keptOwns(ctx, ws, ids, ranges)
		if err != nil {
			return nil, err
		}
		names = append(names, made...)
	}
	// own are the own ids; nil where nobody asks for evidence.
	rows := func(own *pairOwns, do func(x *evidence) error) error {
		return each(exactPairWidth, func(pair []byte) error {
			le := binary.LittleEndian
			x := evidence{
				dropped: record.ID(be.Uint64(pair)), kept: record.ID(be.Uint64(pair[8:])), similarity: unknown, droppedSource: le.Uint64(pair[16:]),
				keptSource: le.Uint64(pair[24:]), droppedBytes: int64(be.Uint32(pair[32:]) &^ (withoutOrder << 24)), unordered: pair[32]&withoutOrder != 0,
			}
			if x.droppedSource&unwritable != 0 {
				return nil
			}
			x.cluster = x.kept
			var err error
			if own != nil {
				if x.droppedOwn, x.keptOwn, err = own.of(x.dropped); err != nil {
					return err
				}
			}
			if x.origin, err = e.index.origin(x.kept); err != nil {
				return err
			}
			if x.origin != nil {
				x.keptOwn = x.origin.ID
			}
			return do(&x)
		}, ranges...)
	}
	eachEvidence := func(do func(x *evidence) error) error {
		if !e.found.Evidence {
			return rows(nil, do)
		}
		return withPairOwns(ctx, ws, ids, func(own *pairOwns) error { return rows(own, do) })
	}
	eachCluster := func(do func(c *clusterRow) error) error {
		c := clusterRow{kept: 1, least: unknown}
		end := func() error {
			var err error
			if c.origin, err = e.index.origin(c.cluster); err != nil {
				return err
			}
			return do(&c)
		}
		err := each(8, func(kept []byte) error {
			if id := record.ID(be.Uint64(kept)); c.dropped > 0 && id != c.cluster {
				if err := end(); err != nil {
					return err
				}
				c.dropped = 0
			}
			c.cluster = record.ID(be.Uint64(kept))
			c.dropped++
			c.size = c.dropped + 1
			return nil
		}, clustered)
		if err != nil || c.dropped == 0 {
			return err
		}
		return end()
	}
	table := func(name string, rows func(write func(row []byte) error) error) error {
		return ws.Make(ctx, stage.FindingsDir+name, func(w io.Writer) error {
			out := bufio.NewWriterSize(w, runBuffer)
			if err := rows(func(row []byte) error {
				_, err := out.Write(row)
				return err
			}); err != nil {
				return err
			}
			return out.Flush()
		})
	}
	var row []byte
	if e.found.Evidence {
		if err := table(EvidenceName(e.found.Name), func(write func([]byte) error) error {
			return eachEvidence(func(x *evidence) error {
				row = append(x.append(row[:0], e.found.method, all), '\n')
				return write(row)
			})
		}); err != nil {
			return nil, err
		}
	}
	if e.found.Clusters {
		if err := table(ClustersName(e.found.Name), func(write func([]byte) error) error {
			return eachCluster(func(c *clusterRow) error {
				row = append(c.append(row[:0], e.found.method), '\n')
				return write(row)
			})
		}); err != nil {
			return nil, err
		}
	}
	err = ws.Make(ctx, stage.FindingsDir+SummaryName(e.found.Name), func(w io.Writer) error {
		s := summary{Version: 1, Method: e.found.method, Keep: e.cfg.Keep, Priority: e.cfg.Priority}
		sizes := sized{}
		if err := eachCluster(func(c *clusterRow) error { sizes.add(c.size, c.dropped); return nil }); err != nil {
			return err
		}
		s.Clusters = sizes.counts()
		found := newTallied(e.found.method, all)
		if err := eachEvidence(func(x *evidence) error { found.add(x); return nil }); err != nil {
			return err
		}
		found.into(&s)
		return s.write(w)
	})
	return names, err
}
