package eval

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"curate/shards"
	"curate/shards/format"
)

// Shards measures the bits a byte of shard sets, in all and by source. What a row has of a document is measured by itself, as
// a text is (Bits): behind the prefix, in windows, whatever else the row holds. Only tokens that the loss mask has 1 for
// count, and the bytes that they decode to. Padding and the EOD between documents do not: they are no text.
func Shards(ctx context.Context, s *Subject, sets []*shards.Set, stride int) (*Result, error) {
	if err := strideWithin(stride, s.Context); err != nil {
		return nil, err
	}
	stride = cmp.Or(stride, s.Context)
	var t tallies
	q := newQueue(s)
	var wait []waiting
	flush := func() error {
		sums, err := q.score(ctx)
		if err != nil {
			return err
		}
		t.settle(sums, wait)
		q.clear()
		wait = wait[:0]
		return nil
	}
	rows := int64(0)
	var text []byte
	for _, set := range sets {
		m := set.Manifest
		if err := ofSubject(s, set); err != nil {
			return nil, err
		}
		named := len(m.Sources) > 1
		err := set.Rows(ctx, 0, -1, func(r *shards.Row) error {
			if r.IsPair {
				return notText(set.Dir)
			}
			rows++
			for k, p := range r.Pieces {
				if p.Padding {
					continue
				}
				from, to := p.Start, len(r.IDs)
				if k+1 < len(r.Pieces) {
					to = r.Pieces[k+1].Start
				}
				from, to = withoutEOD(m, r, p, from, to)
				ids := append(append(make([]uint32, 0, 1+to-from), s.Prefix), r.IDs[from:to]...)
				learnt := append(append(make([]byte, 0, 1+to-from), 0), r.Mask[from:to]...)
				var w waiting
				for i := 1; i < len(ids); {
					j := i
					for j < len(ids) && learnt[j] == learnt[i] {
						j++
					}
					if learnt[i] != 0 {
						text = s.Tokenizer.AppendDecoded(text[:0], ids[i:j])
						w.tokens += int64(j - i)
						w.bytes += int64(len(text))
					}
					i = j
				}
				if w.tokens == 0 {
					continue
				}
				if named {
					var err error
					if w.group, err = t.of(m.Sources[p.Source].Name); err != nil {
						return err
					}
				}
				windows(ids, learnt, s.Context, stride, func(x sequence) {
					if bytes.IndexByte(x.learnt[x.from:], 1) < 0 {
						return
					}
					q.add(x)
					w.sequences++
				})
				wait = append(wait, w)
				if q.full() {
					if err := flush(); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	r := &Result{Kind: KindShards, Rows: rows, Context: s.Context, Stride: stride}
	t.put(r)
	return r, nil
}

// ofSubject says whether shards have the subject's tokens.
func ofSubject(s *Subject, set *shards.Set) error {
	if of, own := set.Manifest.Tokenizer, s.Tokenizer.Info().Fingerprint; of != own {
		return fmt.Errorf("%s: the shards were made with another tokenizer (sha256 %s) than the model's (%s)", set.Dir, of, own)
	}
	return nil
}

// notText is the error of sets of pairs.
func notText(dir string) error {
	return fmt.Errorf("%s: these are pairs of a preferred and another answer, not texts", dir)
}

// withoutEOD are the tokens of a row's piece, which are from to to, that are text.
func withoutEOD(m *shards.Manifest, r *shards.Row, p format.Piece, from, to int) (int, int) {
	if m.EOD == nil || to == from {
		return from, to
	}
	eod := uint32(*m.EOD)
	if m.EODFirst && !p.Continues && r.IDs[from] == eod {
		from++
	} else if !m.EODFirst && p.Last && r.IDs[to-1] == eod {
		to--
	}
	return from, to
}
