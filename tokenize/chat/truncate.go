package chat

import "slices"

// longest is the number of tokens of the row, of a pair that of its longer side.
func (x *Encoded) longest() int {
	if !x.Pair {
		return len(x.IDs)
	}
	return x.Prompt + max(x.Chosen-x.Prompt, len(x.IDs)-x.Chosen)
}

// nothing says that no token is learnt.
func (x *Encoded) nothing() bool {
	if x.Pair {
		return x.Chosen == x.Prompt || len(x.IDs) == x.Chosen
	}
	return x.Mask != nil && !slices.Contains(x.Mask, 1) || len(x.IDs) == 0
}

// cut makes a row that is too long as short as it may be. Ids and mask lose the same tokens; the sides of a pair keep
// the same prompt:
//
//   - End cuts prompt and answer at MaxLength, as TRL's keep_start.
//   - Start cuts the beginning: of a pair that of the prompt, as much as the longer answer needs, so that both sides go
//     on having the same one. Of the prompt one token must stay.
func (e *Encoder) cut(x *Encoded) {
	learnt := !x.nothing()
	limit := e.o.MaxLength
	switch e.o.Truncate {
	case Drop:
		x.Drop = ReasonTooLong
		return
	case End:
		if x.Pair {
			x.cutPairEnd(limit)
			break
		}
		x.IDs = x.IDs[:limit]
		if x.Mask != nil {
			x.Mask = x.Mask[:limit]
		}
	case Start:
		from := x.longest() - limit
		if x.Pair {
			if from >= x.Prompt {
				x.Drop = ReasonTooLong
				return
			}
			x.Prompt -= from
			x.Chosen -= from
		}
		x.IDs = x.IDs[from:]
		if x.Mask != nil {
			x.Mask = x.Mask[from:]
		}
	default:
		x.Long = true
		return
	}
	x.Cut = e.o.Truncate
	if x.Drop == "" && learnt && x.nothing() {
		x.Drop = ReasonNothing
	}
}

func (x *Encoded) cutPairEnd(limit int) {
	chosen, rejected := x.IDs[x.Prompt:x.Chosen], x.IDs[x.Chosen:]
	differed := !slices.Equal(chosen, rejected)
	if x.Prompt >= limit {
		x.Drop = ReasonNothing
		return
	}
	room := limit - x.Prompt
	chosen, rejected = chosen[:min(room, len(chosen))], rejected[:min(room, len(rejected))]
	if differed && slices.Equal(chosen, rejected) {
		x.Drop = ReasonNoAnswers
	}
	x.IDs = slices.Concat(x.IDs[:x.Prompt], chosen, rejected)
	x.Chosen = x.Prompt + len(chosen)
}
