package eval

import (
	"context"

	"curate/shards"
	"curate/tokenize"
)

// ShardPositions measures the loss of shard sets by position, as Positions does that of texts: the rows of the shards one
// behind the other in their order, without padding, with the EODs that they have, cut anew into rows of Length tokens. So
// Length may be more than what the shards were made with. Only tokens that the loss mask has 1 for count; the others are seen.
// With Bounds, what a row has of a document sees only itself and what came directly before it of the same document.
func ShardPositions(ctx context.Context, s *Subject, sets []*shards.Set, c PositionsConfig) (*Result, error) {
	p, err := NewPositions(s, c)
	if err != nil {
		return nil, err
	}
	var counts []int32
	for _, set := range sets {
		if err := ofSubject(s, set); err != nil {
			return nil, err
		}
		var before shardPiece
		bound := true // the token before is an EOD, or the prefix: a document begins with it
		err := set.Rows(ctx, 0, -1, func(r *shards.Row) error {
			if r.IsPair {
				return notText(set.Dir)
			}
			p.seen++
			for k, piece := range r.Pieces {
				if piece.Padding {
					continue
				}
				from, to := piece.Start, len(r.IDs)
				if k+1 < len(r.Pieces) {
					to = r.Pieces[k+1].Start
				}
				this := shardPiece{piece.ID, piece.Copy, piece.Source, piece.From, piece.From + uint32(to-from)}
				fresh := !this.follows(before)
				before = this
				first, last := withoutEOD(set.Manifest, r, piece, from, to)
				counts = byteCounts(counts[:0], s.Tokenizer, r.IDs[first:last])
				for i := from; i < to; i++ {
					if i < first || i >= last {
						p.put(int32(r.IDs[i]), 0, true, r.Mask[i] != 0)
						bound = true
						continue
					}
					// Nothing that it may see is before the first token of a document without an EOD.
					begins := fresh && i == first && !bound
					p.put(int32(r.IDs[i]), counts[i-first], begins, r.Mask[i] != 0 && !(begins && c.Bounds))
					bound = false
				}
			}
			return p.flush(ctx, false)
		})
		if err != nil {
			return nil, err
		}
	}
	return p.Finish(ctx)
}

// byteCounts appends how many bytes of the text that ids decode to each of them adds. Together they are all of it, also where
// a decoder writes more for ids apart, as for half a character.
func byteCounts(dst []int32, t *tokenize.Tokenizer, ids []uint32) []int32 {
	var text []byte
	left := len(t.AppendDecoded(nil, ids))
	for i := range ids {
		n := left
		if i+1 < len(ids) {
			// Some decoders drop the space of a text's first token: look at it behind another.
			text = t.AppendDecoded(text[:0], ids[max(0, i-1):i])
			alone := len(text)
			text = t.AppendDecoded(text[:0], ids[max(0, i-1):i+1])
			n = min(left, max(0, len(text)-alone))
		}
		left -= n
		dst = append(dst, int32(n))
	}
	return dst
}

// shardPiece is where a row's piece comes from: tokens from to to of a copy of a document.
type shardPiece struct {
	id       uint64
	copy     uint16
	source   uint16
	from, to uint32
}

// follows says that it goes on where the one before it ends.
func (s shardPiece) follows(before shardPiece) bool {
	return s.from > 0 && s.id == before.id && s.copy == before.copy && s.source == before.source && s.from == before.to
}
