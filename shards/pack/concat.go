package pack

import "curate/shards/format"

// concat puts documents one behind the other and cuts where a row is full: only the last row has fewer tokens. It is
// what most trainers do for themselves (TRL's strategy wrapped, GPT-NeoX, nanoGPT); the pieces say where to mask.
type concat struct {
	docs  Documents
	row   row
	left  part // of the document in hand
	ended bool
}

func newConcat(docs Documents, o Options) Sequences { return &concat{docs: docs, row: row{o: o}} }

func (c *concat) Next() (format.Sequence, bool, error) {
	c.row.begin()
	for c.row.space() > 0 {
		if len(c.left.tokens) == 0 {
			if c.ended {
				break
			}
			d, ok, err := c.docs.Next()
			if err != nil {
				return format.Sequence{}, false, err
			}
			if c.ended = !ok; ok {
				c.left = partOf(d)
			}
			continue
		}
		n := min(c.row.space(), len(c.left.tokens)/c.row.o.Width)
		var first part
		first, c.left = c.left.after(n, c.row.o.Width)
		c.row.add(first)
	}
	if len(c.row.pieces) == 0 {
		return format.Sequence{}, false, nil
	}
	return c.row.end(), true, nil
}
