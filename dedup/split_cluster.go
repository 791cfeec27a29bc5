package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// ClusterSplit keeps the documents of one part of a corpus, of which near-duplicates are in one part. It is MinHash's two
// Reducers, which find clusters, and a third.
//
// A cluster is where its first document's text would be, first in the order of the inputs, and a document that is like no
// other is where it is without clusters. So what is added behind a corpus moves nothing, but for one case: a document that
// is like those of two clusters makes one of them, which is where the first of both is. What is added before, or taken
// away, may make another document a cluster's first, and so move the cluster.
type ClusterSplit struct {
	m     *MinHash
	s     *Splitter
	marks stage.Spec // of the second Reducer
	spec  stage.Spec // of the third
	ranged
}

// NewClusterSplit makes the method. cfg.By is not possible; of the clusters, the field is cfg's text.
func NewClusterSplit(cfg SplitConfig, clusters MinHashConfig) (*ClusterSplit, error) {
	if cfg.By.String() != "" {
		return nil, fmt.Errorf("the part goes by clusters of texts, or by the field %s; leave one of them out", cfg.By)
	}
	if cfg.TextOptional {
		return nil, fmt.Errorf("clusters are of texts, which cannot be optional then")
	}
	s, err := NewSplitter(cfg)
	if err != nil {
		return nil, err
	}
	clusters.Field, clusters.Keep, clusters.Annotate, clusters.Verdicts = s.cfg.TextField, KeepFirst, false, false
	clusters.Findings = Findings{None: true}
	m, err := NewMinHash(clusters)
	if err != nil {
		return nil, err
	}
	config, err := canonical(struct {
		Clusters any `json:"clusters"`
		Split    any `json:"split"`
	}{m.spec.Config, s.spec.Config})
	if err != nil {
		return nil, err
	}
	c := &ClusterSplit{m: m, s: s}
	c.marks = stage.Spec{Name: "split_clusters", Version: 1, Config: m.spec.Config, Needs: m.spec.Needs, Marks: true}
	c.spec = stage.Spec{Name: "split", Version: 1, Config: json.RawMessage(config), Needs: s.spec.Needs, Uses: s.spec.Uses}
	c.ranged = ranged{
		name: "places", prefix: "places", width: memberItem, pairWidth: pairWidth, pair: placed, merge: mergeCandidates, columns: columnsCandidates,
		rangeSize: m.rangeSize, spillSize: m.spillSize,
	}
	return c, nil
}

// Stages are the three Reducers, to be run one right behind the other.
func (c *ClusterSplit) Stages() []stage.Stage {
	return []stage.Stage{newCandidates(c.m), &splitClusters{verification{c.m}, c}, placing{c}}
}

// splitClusters is the second Reducer: MinHash's, but that documents of clusters are marked, and none is dropped.
type splitClusters struct {
	verification
	c *ClusterSplit
}

// Spec implements stage.Reducer.
func (r *splitClusters) Spec() stage.Spec { return r.c.marks }

// Key implements stage.Reducer.
func (r *splitClusters) Key() stage.Mapper { return clustersKey{setsKey{r.m}, r.c.marks} }

// clustersKey is the Map side under this Reducer's name.
type clustersKey struct {
	setsKey
	spec stage.Spec
}

// Spec implements stage.Mapper.
func (k clustersKey) Spec() stage.Spec { return k.spec }

// Finish implements stage.Reducer.
func (r *splitClusters) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	m, err := r.verification.Finish(ctx, sealed, ws)
	if err != nil {
		return nil, err
	}
	return clusterMarks{r.c.marks, m.(minhashApply).d}, nil
}

// clusterMarks gives the documents of clusters the cluster's ID as a key, big-endian.
type clusterMarks struct {
	spec stage.Spec
	d    *Decisions
}

// Spec implements stage.Mapper.
func (k clusterMarks) Spec() stage.Spec { return k.spec }

// NewWorker implements stage.Mapper.
func (k clusterMarks) NewWorker() stage.Worker { return &clusterMarksWorker{k.d.NewCursor()} }

type clusterMarksWorker struct{ cursor *Cursor }

// Map implements stage.Worker.
func (w *clusterMarksWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var key [8]byte
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		found, known, err := w.cursor.Lookup(r.ID)
		if err != nil {
			return err
		}
		if known {
			binary.BigEndian.PutUint64(key[:], uint64(found.Cluster))
			r.SetKey(key[:])
		}
	}
	return nil
}

// An item of the third Reducer is a document of a cluster: the cluster's ID times gramBase, which spreads them over the ranges
// and is odd, so that each has its own; the document's ID; and the place of its text if it is the first, else 0.
const memberItem = 8 + 8 + 8

// placing is the third Reducer: it gives the documents of a cluster the place of the first one's text.
type placing struct{ c *ClusterSplit }

// Spec implements stage.Reducer.
func (p placing) Spec() stage.Spec { return p.c.spec }

// Key implements stage.Reducer.
func (p placing) Key() stage.Mapper { return placingKey(p) }

type placingKey placing

// Spec implements stage.Mapper.
func (k placingKey) Spec() stage.Spec { return k.c.spec }

// NewWorker implements stage.Mapper.
func (k placingKey) NewWorker() stage.Worker { return &placingWorker{c: k.c} }

type placingWorker struct {
	c    *ClusterSplit
	text []byte
}

// Map implements stage.Worker.
func (w *placingWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var item [memberItem]byte
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep || len(r.Key()) != 8 {
			continue
		}
		cluster, place := binary.BigEndian.Uint64(r.Key()), uint64(0)
		if record.ID(cluster) == r.ID {
			text, err := r.Text(w.c.s.cfg.TextField, &w.text)
			if err != nil {
				return fmt.Errorf("split: record %d is in a cluster and has no text: %w", r.ID, err)
			}
			place = w.c.s.partition.place(text)
			if cap(w.text) > scratchLimit {
				w.text = nil
			}
		}
		binary.BigEndian.PutUint64(item[0:], cluster*gramBase)
		binary.BigEndian.PutUint64(item[8:], uint64(r.ID))
		binary.BigEndian.PutUint64(item[16:], place)
		r.SetKey(item[:])
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (p placing) NewPartial() stage.Partial { return &placingPartial{itemsPartial{width: memberItem}} }

type placingPartial struct{ itemsPartial }

// Add implements stage.Partial.
func (p *placingPartial) Add(b *record.Batch) error {
	var items []byte
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep && len(r.Key()) == memberItem {
			items = append(items, r.Key()...)
		}
	}
	if len(items) > 0 {
		p.take(items)
	}
	return nil
}

// Join implements stage.Partial.
func (p *placingPartial) Join(next stage.Partial) error {
	n, err := nextPartial[*placingPartial](next)
	if err != nil {
		return err
	}
	p.join(&n.itemsPartial)
	return nil
}

// Merge implements stage.Reducer.
func (p placing) Merge(w io.Writer, sealed []io.Reader) error {
	return runs.Merge(w, memberItem, sealed)
}

// Finish implements stage.Reducer. It needs as much memory as Exact.Finish.
func (p placing) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	d, err := p.c.ranged.table(ctx, sealed, ws)
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	return clusterSplitter{p.c, d}, nil
}

// placed adds a pair of ID and place for every document of a cluster but its first.
func placed(ctx context.Context, items *runs.Iterator, pairs *runs.Sorter) error {
	var cluster [8]byte
	var pair [pairWidth]byte
	for n := 0; items.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		item := items.Item()
		if n == 0 || !bytes.Equal(item[:8], cluster[:]) {
			copy(cluster[:], item)
			copy(pair[8:], item[16:])
			if id := binary.BigEndian.Uint64(item[8:]); id*gramBase != binary.BigEndian.Uint64(item) {
				return fmt.Errorf("record %d comes first in a cluster that is another's", id)
			}
			continue
		}
		copy(pair[:8], item[8:16])
		if err := pairs.Add(ctx, pair[:]); err != nil {
			return err
		}
	}
	return items.Err()
}

// clusterSplitter is a Splitter that knows the places of clusters.
type clusterSplitter struct {
	c *ClusterSplit
	d *Decisions
}

// Spec implements stage.Mapper.
func (s clusterSplitter) Spec() stage.Spec { return s.c.spec }

// NewWorker implements stage.Mapper.
func (s clusterSplitter) NewWorker() stage.Worker {
	return &splitWorker{s: s.c.s, places: s.d.NewCursor()}
}
