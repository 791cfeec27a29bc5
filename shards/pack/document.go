package pack

import "curate/shards/format"

// document gives each document rows of its own: one, or as many as it needs.
type document struct {
	docs Documents
	row  row
	left part
}

func newDocument(docs Documents, o Options) Sequences { return &document{docs: docs, row: row{o: o}} }

func (p *document) Next() (format.Sequence, bool, error) {
	if len(p.left.tokens) == 0 {
		d, ok, err := p.docs.Next()
		if !ok || err != nil {
			return format.Sequence{}, false, err
		}
		p.left = partOf(d)
	}
	var first part
	first, p.left = p.left.after(min(p.row.o.Row, len(p.left.tokens)/p.row.o.Width), p.row.o.Width)
	p.row.begin()
	p.row.add(first)
	return p.row.end(), true, nil
}
