package shards

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"curate/shards/format"
	"curate/shards/pack"
	"curate/stage"
)

// Finish implements stage.Reducer: one pass over all documents for each stage of the schedule, in the order of the
// shuffle, and one over preference pairs. Passes before decide which documents are used where, if that is a question;
// where documents are used more than once, they are sorted once more. It holds a buffer of each sealed file, the index of
// one shard, and, packing, the documents that wait for a row.
func (b *Builder) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	m, err := b.open(sealed, ws)
	if err != nil {
		return nil, err
	}
	all := m.summary
	p, err := b.plan(ctx, sealed, ws, &all)
	if err != nil {
		return nil, err
	}
	var sets []*Manifest
	masked := false
	for _, t := range all.sources {
		masked = masked || t.masked > 0
	}
	for g := range b.Schedule {
		set, err := b.writeStage(ctx, sealed, ws, p, g, masked)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	pairs, err := b.writePairs(ctx, sealed, ws, &all)
	if err != nil {
		return nil, err
	}
	out, err := b.report(p, &all, sets, pairs).encode()
	if err != nil {
		return nil, err
	}
	return nil, ws.Make(ctx, stage.ResultDir+ScheduleFile, writeBytes(out))
}

// writeStage makes the shard set of a stage.
func (b *Builder) writeStage(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace, p *plan, g int, masked bool) (*Manifest, error) {
	m, err := b.open(sealed, ws)
	if err != nil {
		return nil, err
	}
	var docs *chosen
	if p.inOrder(g) {
		docs = &chosen{ctx: ctx, m: m, width: b.dtype.Size(), in: func(source int, d *sealedDocument) bool {
			return d.kind != kindPair && p.stage(source, d.id) == g
		}}
	} else if docs, err = b.order(ctx, m, ws, p, g); err != nil {
		return nil, err
	}
	length := b.Schedule[g].Length
	set := b.set(length, masked || b.padID >= 0)
	opts := pack.Options{Row: length + b.traits.Extra, Width: b.dtype.Size(), Masked: set.Masked}
	if b.padID >= 0 {
		opts.Pad, opts.PadID = true, uint32(b.padID)
	}
	w := b.writer(ctx, ws, dir(length), b.format, set, &m.summary)
	if b.method != nil {
		w.in = b.method.New(docs, opts)
		w.manifest.Packing, w.manifest.Width = &Packing{Method: b.method.Name}, opts.Row
	} else {
		w.in = pack.Whole(docs, opts)
	}
	err = w.run()
	if docs.close != nil {
		err = errors.Join(err, docs.close())
	}
	return &w.manifest, err
}

// writer begins a set.
func (b *Builder) writer(ctx context.Context, to files, dir string, f format.Format, set format.Set, all *summary) *setWriter {
	w := &setWriter{
		ctx: ctx, to: to, dir: dir, format: f, traits: f.Traits(), set: set, name: b.Name, shardSize: b.ShardSize, maxPieces: b.maxPieces,
	}
	m := &w.manifest
	m.Version, m.Format, m.Dtype, m.Length = manifestVersion, f.Name(), set.Dtype.String(), set.Length
	m.Vocabulary, m.Tokenizer, m.Seed, m.ConfigSHA256 = set.Vocabulary, set.Tokenizer, b.Seed, b.digest
	m.Masked, m.EODFirst = set.Masked, w.traits.EODFirst && set.EOD != NoEOD
	if eod := set.EOD; eod != NoEOD {
		m.EOD = &eod
	}
	if pad := b.padID; pad >= 0 && set.Packed {
		m.PadID = &pad
	}
	for _, t := range all.sources {
		m.Sources = append(m.Sources, ManifestSource{Name: t.name})
	}
	return w
}

// pairs gives preference pairs as sequences.
type pairs struct {
	docs  *chosen
	piece [1]format.Piece
}

// Next implements pack.Sequences.
func (p *pairs) Next() (format.Sequence, bool, error) {
	d, ok, err := p.docs.Next()
	if !ok || err != nil {
		return format.Sequence{}, false, err
	}
	p.piece[0] = format.Piece{ID: d.ID, Source: d.Source, Last: true}
	return format.Sequence{Tokens: d.Tokens, Pieces: p.piece[:], Prompt: p.docs.ends[0], Chosen: p.docs.ends[1]}, true, nil
}

// pairEnds are where prompt and chosen answer end, of what a pair has of its own.
func pairEnds(own []byte) (ends [2]int) {
	prompt, n := binary.Uvarint(own)
	chosen, _ := binary.Uvarint(own[n:])
	return [2]int{int(prompt), int(chosen)}
}

// writePairs makes the set of preference pairs, if there are any: nil if not.
func (b *Builder) writePairs(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace, all *summary) (*Manifest, error) {
	n := int64(0)
	for _, t := range all.sources {
		n += t.pairs
	}
	if n == 0 {
		return nil, nil
	}
	f, err := format.Named(PairFormat)
	if err != nil {
		return nil, err
	}
	m, err := b.open(sealed, ws)
	if err != nil {
		return nil, err
	}
	dtype, err := f.Dtype(b.Vocabulary.Size)
	if err != nil {
		return nil, err
	}
	docs := &chosen{ctx: ctx, m: m, width: b.dtype.Size(), in: func(_ int, d *sealedDocument) bool { return d.kind == kindPair }}
	set := format.Set{Dtype: dtype, Vocabulary: b.Vocabulary.Size, EOD: NoEOD, Length: b.Schedule[0].Length, Tokenizer: b.Vocabulary.Fingerprint}
	w := b.writer(ctx, ws, pairDir, f, set, &m.summary)
	w.in = &widened{in: &pairs{docs: docs}, from: b.dtype, to: dtype}
	if err := w.run(); err != nil {
		return nil, err
	}
	return &w.manifest, nil
}

// widened are sequences whose ids are stored otherwise.
type widened struct {
	in       pack.Sequences
	from, to format.Dtype
	ids      []uint32
	tokens   []byte
}

// Next implements pack.Sequences.
func (w *widened) Next() (format.Sequence, bool, error) {
	s, ok, err := w.in.Next()
	if ok && w.from.Size() != w.to.Size() {
		w.ids = w.from.AppendIDs(w.ids[:0], s.Tokens)
		w.tokens = w.to.AppendBytes(w.tokens[:0], w.ids)
		s.Tokens = w.tokens
	}
	return s, ok, err
}

// report says what was asked and what came of it.
func (b *Builder) report(p *plan, all *summary, sets []*Manifest, pairs *Manifest) *Schedule {
	s := &Schedule{Version: scheduleVersion, Format: b.Format, Vocabulary: b.Vocabulary.Size, Tokenizer: b.Vocabulary.Fingerprint, Seed: b.Seed,
		TokensPerStep: b.TokensPerStep, Longer: all.longer}
	if eod := b.Vocabulary.EOD; eod != NoEOD {
		s.EOD = &eod
	}
	total, step := int64(0), int64(0)
	for _, m := range sets {
		total += m.Tokens
	}
	for g, m := range sets {
		st := Stage{Dir: strings.TrimSuffix(dir(m.Length), "/"), Length: m.Length, ShareAsked: math.Round(float64(b.Schedule[g].Share*1e9)) / 1e9,
			Share: share(float64(m.Tokens), float64(total)), Documents: m.Documents, Tokens: m.Tokens, Sequences: m.Sequences}
		if b.TokensPerStep > 0 {
			st.RowsPerStep = b.TokensPerStep / int64(m.Length)
			st.FirstStep = step
			st.Steps = stepsOf(m.Sequences, st.RowsPerStep)
			step += st.Steps
		}
		s.Stages = append(s.Stages, st)
	}
	if pairs != nil {
		s.Preference, s.Pairs = strings.TrimSuffix(pairDir, "/"), pairs.Documents
	}
	wanted := int64(0)
	for _, u := range p.budgets {
		if u != nil {
			wanted += u.Tokens
		}
	}
	for i, t := range all.sources {
		src := ScheduleSource{Name: t.name, Pairs: t.pairs}
		src.Available.Documents, src.Available.Tokens = t.documents, t.tokens
		if u := p.budgets[i]; u != nil {
			src.Asked.Epochs, src.Asked.Tokens, src.Asked.Share, src.Asked.Capped = u.Asked.Epochs, u.Asked.Tokens, u.Asked.Share, u.Capped
			src.Wanted, src.ShareWanted = u.Tokens, share(float64(u.Tokens), float64(wanted))
		}
		for _, m := range sets {
			src.Documents += m.Sources[i].Documents
			src.Tokens += m.Sources[i].Tokens
			src.ByStage = append(src.ByStage, m.Sources[i].Tokens)
		}
		src.Epochs, src.Share = share(float64(src.Tokens), float64(t.tokens)), share(float64(src.Tokens), float64(total))
		s.Sources = append(s.Sources, src)
	}
	for i, bin := range all.bins {
		if bin.documents > 0 {
			s.Lengths = append(s.Lengths, LengthBin{From: int64(math.Ceil(stage.BinEdge(i))), Documents: bin.documents, Tokens: bin.tokens})
		}
	}
	return s
}
