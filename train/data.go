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

// Data are the rows of a run: the sets of a schedule one after another, or several such streams side by side (mix.go). Which
// rows a step has is a function of the seed and the step alone. In the first epoch they are in the order of the set, which is
// shuffled already, as "curate shards inspect --step" shows them; in each one after that in an order of its own (order.go).
//
// A row is a sequence of a set of documents or chats, or a pair of one of preferences.
type Data struct {
	stages        []dataStage // of all streams, one after another
	streams       []stream
	tokensPerStep int64
	seed          uint64
	across        bool
	vocabulary    int // ids are below it
	eod           int // shards.NoEOD: none
	tokenizer     string
	longest       int   // length of a row
	perEpoch      int64 // steps in which each row of the first stream is seen
}

// dataStage is a set of the schedule.
type dataStage struct {
	dir     string // below the folder of the shards
	sha256  string
	set     *shards.Set
	pairs   bool
	tokens  int64   // that a row counts as: its length, and twice that of a pair
	perStep int64   // rows of a step, without a mix
	steps   int64   // of an epoch, without a mix; the last may have fewer rows
	first   []int64 // row that each shard begins with, and how many there are
	eod     int64   // the EOD that begins documents; -1: it ends them, or there is none

	reference int64 // number of its first pair in the reference
}

func (s *dataStage) rows() int64 { return s.set.Manifest.Sequences }

// dense says that rows are as long as their documents: they are computed one behind the other instead of padded.
func (s *dataStage) dense() bool {
	p := s.set.Manifest.Packing
	return p == nil || p.Method == "document"
}

// Place is where the rows of a step come from.
type Place struct {
	Epoch int64 // from 0
	Stage int
	From  int64 // number in the stage's order
	Rows  int64
}

// OpenData opens the sets of a folder: those of its schedule, or the one that it is. The pairs of a schedule are taken where it
// has nothing else; beside rows, they are the folder's that the schedule names. tokensPerStep 0 is the schedule's; -1 if steps do
// not matter. across is as Config.Across.
func OpenData(ctx context.Context, st store.Store, dir string, tokensPerStep int64, seed uint64, across bool) (*Data, error) {
	d := newData(tokensPerStep, seed, across)
	if err := d.open(ctx, st, dir, millionths, true); err != nil {
		return nil, err
	}
	for i := range d.stages {
		d.perEpoch += d.stages[i].steps
	}
	return d, nil
}

func newData(tokensPerStep int64, seed uint64, across bool) *Data {
	return &Data{tokensPerStep: tokensPerStep, seed: seed, across: across, eod: shards.NoEOD}
}

// open adds the sets of a folder as a stream with a share of a step's tokens. With whole, a step has a whole number of its rows.
func (d *Data) open(ctx context.Context, st store.Store, dir string, share int64, whole bool) error {
	dirs := []string{"."}
	schedule, err := shards.OpenSchedule(ctx, st, dir)
	if err != nil {
		return err
	}
	if schedule != nil {
		dirs = nil
		rows := int64(0)
		for _, s := range schedule.Stages {
			dirs = append(dirs, s.Dir)
			rows += s.Sequences
		}
		if rows == 0 && schedule.Preference != "" {
			dirs = []string{schedule.Preference}
		}
		if d.tokensPerStep == 0 {
			d.tokensPerStep = schedule.TokensPerStep
		}
	}
	if d.tokensPerStep == 0 {
		return fmt.Errorf("%s: the shards do not say how many tokens a step has: give tokens_per_step, a multiple of each length", dir)
	}
	if d.tokensPerStep > maxTokensPerStep {
		return fmt.Errorf("%s: a step has %d tokens; give tokens_per_step, at most %d", dir, d.tokensPerStep, maxTokensPerStep)
	}
	x := stream{from: len(d.stages), share: share}
	for _, name := range dirs {
		s, err := openStage(ctx, st, dir, name, d.tokensPerStep, whole)
		if err != nil {
			return err
		}
		m := s.set.Manifest
		if len(d.stages) == 0 {
			d.vocabulary, d.tokenizer = m.Vocabulary, m.Tokenizer
		}
		if d.eod == shards.NoEOD && m.EOD != nil {
			d.eod = *m.EOD
		}
		if m.Vocabulary != d.vocabulary || m.Tokenizer != d.tokenizer {
			return fmt.Errorf("%s: the set has another tokenizer than that in %s", s.set.Dir, d.stages[0].set.Dir)
		}
		d.longest = max(d.longest, m.Length)
		x.tokens += s.rows() * s.tokens
		d.stages = append(d.stages, *s)
	}
	if x.tokens == 0 {
		return fmt.Errorf("%s: there are no rows in the shards", dir)
	}
	x.to = len(d.stages)
	d.streams = append(d.streams, x)
	return nil
}

func openStage(ctx context.Context, st store.Store, dir, name string, tokensPerStep int64, whole bool) (*dataStage, error) {
	s := &dataStage{dir: name, eod: -1}
	var err error
	if s.set, err = shards.Open(ctx, st, path.Join(dir, name)); err != nil {
		return nil, err
	}
	m := s.set.Manifest
	s.tokens, s.pairs = int64(m.Length), m.Format == shards.PairFormat
	what := "rows"
	if s.pairs {
		s.tokens, what = 2*s.tokens, "pairs of two rows"
	}
	if s.perStep = tokensPerStep / s.tokens; whole && tokensPerStep > 0 && (s.perStep == 0 || tokensPerStep%s.tokens != 0) {
		return nil, fmt.Errorf("%s: tokens_per_step is %d, which is no whole number of %s of %d tokens", s.set.Dir, tokensPerStep, what, m.Length)
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

// sets says what there is in a stream.
func (d *Data) sets(stream int) []DataSet {
	var list []DataSet
	for i := d.streams[stream].from; i < d.streams[stream].to; i++ {
		s := &d.stages[i]
		list = append(list, DataSet{s.dir, s.set.Manifest.Length, s.rows(), s.set.Manifest.Tokens, s.sha256})
	}
	return list
}

// Steps of an epoch.
func (d *Data) Steps() int64 { return d.perEpoch }

// Places are where the rows of a step, from 0, come from: they are appended to dst. at is the first of them or, if there is a
// mix, where its first stream stands, which may have no row in this step.
func (d *Data) Places(dst []Place, step int64) (at Place, all []Place) {
	if len(d.streams) > 1 {
		return d.mixed(dst, step)
	}
	at = d.place(step)
	return at, append(dst, at)
}

// place is that of a step of a single stream.
func (d *Data) place(step int64) Place {
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
	var list []Document
	var row shards.Row
	_, places := d.Places(nil, step)
	for _, p := range places {
		s := &d.stages[p.Stage]
		open := openShards{stage: s}
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
		if err := errors.Join(err, open.close()); err != nil {
			return list, err
		}
	}
	return list, nil
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
