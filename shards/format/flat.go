package format

// flat is a file of nothing but ids behind a header, as most trainers map it into memory.
type flat struct {
	file   window
	dtype  Dtype
	head   int64 // bytes in front of the first id
	tokens int64
}

// newFlat wants whole ids. The file is not shorter than head.
func newFlat(f File, d Dtype, head int64) (flat, error) {
	size := int64(d.Size())
	if rest := (f.Size - head) % size; rest != 0 {
		return flat{}, NewFault(f.Name, f.Size-rest, "the file ends with %d bytes of an id that has %d", rest, size)
	}
	return flat{file: window{File: f}, dtype: d, head: head, tokens: (f.Size - head) / size}, nil
}

// appendTokens appends the ids of tokens from to to, which lie within the file.
func (f *flat) appendTokens(dst []uint32, from, to int64) ([]uint32, error) {
	at, size := f.at(from), (to-from)*int64(f.dtype.Size())
	for size > 0 {
		n := min(size, windowSize)
		b, err := f.file.bytes(at, int(n))
		if err != nil {
			return dst, err
		}
		dst = f.dtype.AppendIDs(dst, b)
		at, size = at+n, size-n
	}
	return dst, nil
}

// at is the byte where a token lies.
func (f *flat) at(token int64) int64 { return f.head + token*int64(f.dtype.Size()) }

// unindexed reads a flat file whose sequences somebody else knows.
type unindexed struct {
	flat
	ends []int64 // of the sequences, in tokens
}

// newUnindexed compares ends with the file, or, if they are nil, finds documents by their EOD: it reads the file once,
// and holds 8 bytes a document.
func newUnindexed(f flat, s Set, eodFirst bool, ends []int64) (*unindexed, error) {
	u := &unindexed{f, ends}
	if ends == nil {
		if s.EOD == NoEOD {
			return nil, NewFault(f.file.Name, -1, "nothing says where documents end: there is neither a file of bounds nor an EOD")
		}
		if err := u.find(uint32(s.EOD), eodFirst); err != nil {
			return nil, err
		}
	}
	take := int64(0)
	if len(u.ends) > 0 {
		take = u.ends[len(u.ends)-1]
	}
	if take != f.tokens {
		return nil, NewFault(f.file.Name, f.at(min(take, f.tokens)), "the file has %d tokens, and its sequences take %d", f.tokens, take)
	}
	return u, nil
}

// find cuts behind each EOD, or in front of it. What is left at the end of the file is a document too.
func (u *unindexed) find(eod uint32, first bool) error {
	size := u.dtype.Size()
	token := int64(0)
	for at := u.head; at < u.file.Size; {
		n := min(u.file.Size-at, windowSize)
		b, err := u.file.bytes(at, int(n))
		if err != nil {
			return err
		}
		for i := range len(b) / size {
			id := u.dtype.At(b, i)
			if first && id == eod && token > 0 {
				u.ends = append(u.ends, token)
			}
			token++
			if !first && id == eod {
				u.ends = append(u.ends, token)
			}
		}
		at += n
	}
	if token > 0 && (len(u.ends) == 0 || u.ends[len(u.ends)-1] < token) {
		u.ends = append(u.ends, token)
	}
	return nil
}

// Dtype implements Reader.
func (u *unindexed) Dtype() Dtype { return u.dtype }

// Sequences implements Reader.
func (u *unindexed) Sequences() int64 { return int64(len(u.ends)) }

// from is where sequence i begins, in tokens.
func (u *unindexed) from(i int64) int64 {
	if i == 0 {
		return 0
	}
	return u.ends[i-1]
}

// AppendTokens implements Reader.
func (u *unindexed) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	return u.appendTokens(dst, u.from(i), u.ends[i])
}

// Place implements Reader.
func (u *unindexed) Place(i, k int64) (string, int64) { return u.file.Name, u.at(u.from(i) + k) }

// Check implements Reader. The sizes were compared when the file was opened.
func (u *unindexed) Check() error { return nil }
