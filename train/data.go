package train

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"curate/corpus/store"
	"curate/shards"
)

// Data are the rows of a run: the sets of a schedule one after another. Which rows a step has is a function of the seed and
// the step alone. In the first epoch they are in the order of the set, which is shuffled already, as
// "curate shards inspect --step" shows them; in each one after that in an order of its own (order.go).
type Data struct {
	stages        []dataStage
	tokensPerStep int64
	seed          uint64
	across        bool
	vocabulary    int // ids are below it
	eod           int // shards.NoEOD: none
	tokenizer     string
	longest       int   // length of a row
	perEpoch      int64 // steps
}

// dataStage is a set of the schedule.
type dataStage struct {
	dir     string // below the folder of the shards
	sha256  string
	set     *shards.Set
	perStep int64   // rows of a step
	steps   int64   // of an epoch; the last may have fewer rows
	first   []int64 // row that each shard begins with, and how many there are
	eod     int64   // the EOD that begins documents; -1: it ends them, or there is none
}

func (s *dataStage) rows() int64 { return s.set.Manifest.Sequences }

// Place is where the rows of a step come from.
type Place struct {
	Epoch int64 // from 0
	Stage int
	From  int64 // number in the stage's order
	Rows  int64
}

// OpenData opens the sets of a folder: those of its schedule, or the one that it is. tokensPerStep 0 is the schedule's; -1 if
// steps do not matter. across is as Config.Across.
func OpenData(ctx context.Context, st store.Store, dir string, tokensPerStep int64, seed uint64, across bool) (*Data, error) {
	d := &Data{tokensPerStep: tokensPerStep, seed: seed, across: across}
	dirs := []string{"."}
	schedule, err := shards.OpenSchedule(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	if schedule != nil {
		dirs = nil
		for _, s := range schedule.Stages {
			dirs = append(dirs, s.Dir)
		}
		if d.tokensPerStep == 0 {
			d.tokensPerStep = schedule.TokensPerStep
		}
	}
	if d.tokensPerStep == 0 {
		return nil, fmt.Errorf("%s: the shards do not say how many tokens a step has: give tokens_per_step, a multiple of each length", dir)
	}
	if d.tokensPerStep > maxTokensPerStep {
		return nil, fmt.Errorf("%s: a step has %d tokens; give tokens_per_step, at most %d", dir, d.tokensPerStep, maxTokensPerStep)
	}
	for g, name := range dirs {
		s, err := openStage(ctx, st, dir, name, d.tokensPerStep)
		if err != nil {
			return nil, err
		}
		m := s.set.Manifest
		if g == 0 {
			if d.vocabulary, d.eod, d.tokenizer = m.Vocabulary, shards.NoEOD, m.Tokenizer; m.EOD != nil {
				d.eod = *m.EOD
			}
		}
		if m.Vocabulary != d.vocabulary || m.Tokenizer != d.tokenizer {
			return nil, fmt.Errorf("%s: the set has another tokenizer than that in %s", s.set.Dir, d.stages[0].set.Dir)
		}
		d.longest = max(d.longest, m.Length)
		d.perEpoch += s.steps
		d.stages = append(d.stages, *s)
	}
	if d.perEpoch == 0 {
		return nil, fmt.Errorf("%s: there are no rows in the shards", dir)
	}
	return d, nil
}

func openStage(ctx context.Context, st store.Store, dir, name string, tokensPerStep int64) (*dataStage, error) {
	s := &dataStage{dir: name, eod: -1}
	var err error
	if s.set, err = shards.Open(ctx, st, path.Join(dir, name)); err != nil {
		return nil, err
	}
	m := s.set.Manifest
	if m.Format == shards.PairFormat {
		return nil, fmt.Errorf("%s: these are pairs of a preferred and another answer, not rows to learn from", s.set.Dir)
	}
	if s.perStep = tokensPerStep / int64(m.Length); tokensPerStep > 0 && (s.perStep == 0 || tokensPerStep%int64(m.Length) != 0) {
		return nil, fmt.Errorf("%s: tokens_per_step is %d, which is no whole number of rows of %d tokens", s.set.Dir, tokensPerStep, m.Length)
	}
	if s.perStep = max(1, s.perStep); s.rows() > 0 {
		s.steps = (s.rows()-1)/s.perStep + 1
	}
	if m.EODFirst && m.EOD != nil {
		s.eod = int64(*m.EOD)
	}
	if s.sha256, err = manifestDigest(ctx, st, s.set.Dir); err != nil {
		return nil, err
	}
	s.first = make([]int64, 1, len(m.Shards)+1)
	for _, sh := range m.Shards {
		s.first = append(s.first, s.first[len(s.first)-1]+sh.Sequences)
	}
	return s, nil
}

// manifestDigest is what the done file of a set, which shards.Open has checked, says of its manifest.
func manifestDigest(ctx context.Context, st store.Store, dir string) (string, error) {
	f, _, err := st.OpenAt(ctx, path.Join(dir, shards.DoneFile))
	if err != nil {
		return "", err
	}
	digest := make([]byte, 64)
	_, err = f.ReadAt(digest, 0)
	return string(digest), errors.Join(err, f.Close())
}

// sets says what there is.
func (d *Data) sets() []DataSet {
	var list []DataSet
	for i := range d.stages {
		s := &d.stages[i]
		list = append(list, DataSet{s.dir, s.set.Manifest.Length, s.rows(), s.set.Manifest.Tokens, s.sha256})
	}
	return list
}

// Steps of an epoch.
func (d *Data) Steps() int64 { return d.perEpoch }

// Place is where the rows of a step, from 0, come from.
func (d *Data) Place(step int64) Place {
	p := Place{Epoch: step / d.perEpoch}
	step %= d.perEpoch
	for step >= d.stages[p.Stage].steps {
		step -= d.stages[p.Stage].steps
		p.Stage++
	}
	s := &d.stages[p.Stage]
	p.From = step * s.perStep
	p.Rows = min(s.perStep, s.rows()-p.From)
	return p
}

// Row is the number in its set of row i of a place.
func (d *Data) Row(p Place, i int64) int64 {
	if p.Epoch == 0 {
		return p.From + i
	}
	order := permutation{d.seed, uint64(p.Epoch), uint64(p.Stage)}
	return int64(order.of(uint64(d.stages[p.Stage].rows()), uint64(p.From+i)))
}

// Document is one of which a step has something.
type Document struct {
	Source string
	File   int   // number in the list of the inputs of the shards, from 1
	Offset int64 // byte of its record in the uncompressed file
}

func (d Document) String() string {
	return fmt.Sprintf("%s: file %d, byte %d", d.Source, d.File, d.Offset)
}

// Documents of a step, in the order of its rows, at most limit of them.
func (d *Data) Documents(ctx context.Context, step int64, limit int) ([]Document, error) {
	p := d.Place(step)
	s := &d.stages[p.Stage]
	open := openShards{stage: s}
	var list []Document
	var row shards.Row
	var err error
	for i := int64(0); i < p.Rows && len(list) < limit && err == nil; i++ {
		var sh *shards.Shard
		var k int64
		if sh, k, err = open.at(ctx, d.Row(p, i)); err != nil {
			break
		}
		if row.Pieces, err = sh.Bounds.AppendPieces(row.Pieces[:0], k); err != nil {
			break
		}
		for _, piece := range row.Pieces {
			doc := Document{Source: "(none)", File: int(piece.ID >> 40), Offset: int64(piece.ID & (1<<40 - 1))}
			if n := int(piece.Source); n < len(s.set.Manifest.Sources) {
				doc.Source = s.set.Manifest.Sources[n].Name
			}
			if !piece.Padding && !slices.Contains(list, doc) && len(list) < limit {
				list = append(list, doc)
			}
		}
	}
	return list, errors.Join(err, open.close())
}

// openShards are the shards of a stage that were read last, for one goroutine.
type openShards struct {
	stage *dataStage
	used  []openShard // the last one used last
}

type openShard struct {
	k     int
	shard *shards.Shard
}

// maxOpen is how many shards of a stage are open at once: rows of later epochs come from anywhere, and to open a shard reads its table of
// rows.
const maxOpen = 16

// at gives the shard of a row, and its number there.
func (o *openShards) at(ctx context.Context, row int64) (*shards.Shard, int64, error) {
	k, found := slices.BinarySearch(o.stage.first, row)
	if !found {
		k--
	}
	i := slices.IndexFunc(o.used, func(s openShard) bool { return s.k == k })
	var s openShard
	switch {
	case i >= 0:
		s = o.used[i]
		o.used = slices.Delete(o.used, i, i+1)
	default:
		sh, err := o.stage.set.OpenShard(ctx, k)
		if err != nil {
			return nil, 0, err
		}
		s = openShard{k, sh}
		if len(o.used) == maxOpen {
			err := o.used[0].shard.Close()
			o.used = slices.Delete(o.used, 0, 1)
			if err != nil {
				return nil, 0, errors.Join(err, sh.Close())
			}
		}
	}
	o.used = append(o.used, s)
	return s.shard, row - o.stage.first[k], nil
}

func (o *openShards) close() error {
	var err error
	for _, s := range o.used {
		err = errors.Join(err, s.shard.Close())
	}
	o.used = nil
	return err
}
