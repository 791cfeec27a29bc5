package train

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize"
	"curate/tokenize/pretokenizer"
)

// Base is a byte-level BPE tokenizer that can be extended: a tokenizer.json as it is, and what training must know of
// it. It is immutable.
type Base struct {
	file      []byte
	digest    string // sha256 of file, in hex
	tokenizer *tokenize.Tokenizer

	spelled      []string // by id; "" where there is none
	length       []uint32 // by id, in bytes; 0 for what is not spelled in the alphabet of bytes
	ids          map[string]int32
	added        map[int32]bool // those of added tokens, which no merge may make
	missing      []int32        // added tokens that are not in the model's vocabulary, rising
	symbols      [256]int32
	ranks        pairTable // of the merges
	merged       []int32   // by rank
	ignoreMerges bool

	vocab  list
	merges list
	pairs  bool // merges are arrays of two strings and not strings with a space between
}

// list is where an object or an array of the file ends, and how it is laid out.
type list struct {
	end     int    // behind the last element, or behind the bracket
	between []byte // what stands between two elements
	inner   [3][]byte
	// inner is what stands within one: for a vocabulary the colon in the first place; for merges that are arrays
	// the bracket, what parts the two strings, and the bracket.
}

// maxIDs is one more than the largest id that tokenize reads (tokenize/model, MaxIDs).
const maxIDs = 1<<21 - 1

// ReadBase reads a tokenizer.json. An error is about a file that is none, or about a tokenizer of another kind.
func ReadBase(file []byte) (*Base, error) {
	if text := bytes.TrimLeft(file, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return nil, errors.New("cannot extend this tokenizer: it is no tokenizer.json, and only byte-level BPE in one can be extended")
	}
	t, err := tokenize.Load(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if f := t.Info().Format; f != tokenize.FileName {
		return nil, fmt.Errorf("cannot extend this tokenizer: it is a %s, and only byte-level BPE in a tokenizer.json can be extended", f)
	}
	sum := sha256.Sum256(file)
	b := &Base{file: file, digest: hex.EncodeToString(sum[:]), tokenizer: t, ids: map[string]int32{}, added: map[int32]bool{}}
	if err := b.read(); err != nil {
		return nil, fmt.Errorf("cannot extend this tokenizer: %w", err)
	}
	return b, nil
}

// Memory is about what it holds, in bytes.
func (b *Base) Memory() int64 {
	return int64(len(b.file))*2 + 80*int64(len(b.spelled)) + b.ranks.bytes() + 4*int64(len(b.merged)) + b.tokenizer.Memory()
}

// Size is the largest id + 1: the id of the first new token.
func (b *Base) Size() int { return len(b.spelled) }

// reader walks through the file. A failed read makes the others do nothing.
type reader struct {
	*jsontext.Decoder
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// value is the next value or name, and where in the file it begins.
func (r *reader) value() (v jsontext.Value, at int) {
	if r.err != nil {
		return nil, 0
	}
	v, err := r.ReadValue()
	r.fail(err)
	return v, int(r.InputOffset()) - len(v)
}

// open reads the bracket c.
func (r *reader) open(c jsontext.Kind, what string) {
	if r.err != nil {
		return
	}
	if k := r.PeekKind(); k != c {
		r.fail(fmt.Errorf("%s is no %v", what, c))
		return
	}
	_, err := r.ReadToken()
	r.fail(err)
}

// more says whether another element follows, and reads the closing bracket otherwise.
func (r *reader) more() bool {
	if r.err != nil {
		return false
	}
	if k := r.PeekKind(); k != '}' && k != ']' {
		return true
	}
	_, err := r.ReadToken()
	r.fail(err)
	return false
}

func (r *reader) decode(v jsontext.Value, out any) {
	if r.err == nil {
		r.fail(json.Unmarshal(v, out, jsontext.AllowDuplicateNames(true)))
	}
}

// text is a string.
func (r *reader) text(v jsontext.Value) (s string) {
	r.decode(v, &s)
	return s
}

type addedToken struct {
	ID      int32  `json:"id"`
	Content string `json:"content"`
}

func (b *Base) read() error {
	r := &reader{Decoder: jsontext.NewDecoder(bytes.NewBuffer(b.file), jsontext.AllowDuplicateNames(true))}
	var added []addedToken
	var merges [][2]string
	var model struct {
		Type         string
		Dropout      float64
		Prefix       string
		Suffix       string
		ByteFallback bool
	}
	byteLevel := false
	r.open('{', "the file")
	for r.more() {
		name, _ := r.value()
		switch r.text(name) {
		case "added_tokens":
			v, _ := r.value()
			r.decode(v, &added)
		case "pre_tokenizer":
			v, _ := r.value()
			byteLevel = bytes.Contains(v, []byte(`"ByteLevel"`))
		case "model":
			r.open('{', "model")
			for r.more() {
				name, _ := r.value()
				switch r.text(name) {
				case "vocab":
					b.readVocab(r)
				case "merges":
					merges = b.readMerges(r)
				default:
					into := map[string]any{
						"type": &model.Type, "dropout": &model.Dropout, "continuing_subword_prefix": &model.Prefix, "end_of_word_suffix": &model.Suffix,
						"byte_fallback": &model.ByteFallback, "ignore_merges": &b.ignoreMerges,
					}[r.text(name)]
					if v, _ := r.value(); into != nil && r.err == nil && v.Kind() != 'n' {
						r.decode(v, into)
					}
				}
			}
		default:
			r.value()
		}
	}
	switch {
	case r.err != nil:
		return r.err
	case model.Type != "BPE" && model.Type != "":
		return fmt.Errorf("its model is %s, and not BPE", model.Type)
	case !byteLevel:
		return errors.New("its pre_tokenizer has no ByteLevel: only byte-level BPE, as of GPT-2, Llama 3 and Qwen, can be extended")
	case model.Dropout != 0 || model.Prefix != "" || model.Suffix != "" || model.ByteFallback:
		return errors.New("its model has dropout, a continuing_subword_prefix, an end_of_word_suffix or byte_fallback")
	}
	return b.index(added, merges)
}

func (b *Base) readVocab(r *reader) {
	r.open('{', "model.vocab")
	b.vocab.end = int(r.InputOffset())
	for n := 0; r.more(); n++ {
		name, at := r.value()
		nameEnd := int(r.InputOffset())
		s := r.text(name)
		v, valueAt := r.value()
		var id int32
		if r.decode(v, &id); r.err != nil {
			return
		}
		if id < 0 || id >= maxIDs {
			r.fail(fmt.Errorf("model.vocab: the id %d of %q", id, s))
			return
		}
		if n > 0 {
			b.vocab.between = b.file[b.vocab.end:at]
		}
		b.vocab.inner[0] = b.file[nameEnd:valueAt]
		b.vocab.end = int(r.InputOffset())
		b.set(id, s)
	}
}

func (b *Base) set(id int32, s string) {
	if n := int(id) + 1 - len(b.spelled); n > 0 {
		b.spelled = append(b.spelled, make([]string, n)...)
	}
	b.spelled[id] = s
	b.ids[s] = id
}

// readMerges reads them all, in either form. Those of the first are parted at the space.
func (b *Base) readMerges(r *reader) (merges [][2]string) {
	r.open('[', "model.merges")
	b.merges.end = int(r.InputOffset())
	for r.more() {
		v, at := r.value()
		if r.err != nil {
			return nil
		}
		if len(merges) > 0 {
			b.merges.between = b.file[b.merges.end:at]
		}
		b.merges.end = int(r.InputOffset())
		var pair [2]string
		if b.pairs = v.Kind() == '['; b.pairs {
			in := &reader{Decoder: jsontext.NewDecoder(bytes.NewBuffer(v))}
			in.open('[', "a merge")
			left, leftAt := in.value()
			pair[0] = in.text(left)
			leftEnd := int(in.InputOffset())
			right, rightAt := in.value()
			pair[1] = in.text(right)
			if in.err != nil {
				r.fail(fmt.Errorf("model.merges[%d]: %w", len(merges), in.err))
				return nil
			}
			b.merges.inner = [3][]byte{v[:leftAt], v[leftEnd:rightAt], v[in.InputOffset():]}
		} else {
			left, right, _ := bytes.Cut([]byte(r.text(v)), []byte(" "))
			pair = [2]string{string(left), string(right)}
		}
		merges = append(merges, pair)
	}
	return merges
}

// index makes of what was read what training asks for.
func (b *Base) index(added []addedToken, merges [][2]string) error {
	for _, a := range added {
		if a.ID < 0 || a.ID >= maxIDs {
			return fmt.Errorf("added_tokens: the id %d of %q", a.ID, a.Content)
		}
		b.added[a.ID] = true
		if _, ok := b.ids[a.Content]; !ok {
			b.missing = append(b.missing, a.ID)
			b.set(a.ID, a.Content)
		}
	}
	slices.Sort(b.missing)
	b.length = make([]uint32, len(b.spelled))
	for id, s := range b.spelled {
		b.length[id] = spelledLength(s)
	}
	for i := range b.symbols {
		id, ok := b.ids[spelling(byte(i))]
		if !ok || b.added[id] {
			return fmt.Errorf("it has no token for the byte 0x%02X", i)
		}
		b.symbols[i] = id
	}
	b.ranks.grow(len(merges))
	for i, m := range merges {
		left, ok1 := b.ids[m[0]]
		right, ok2 := b.ids[m[1]]
		made, ok3 := b.ids[m[0]+m[1]]
		if !ok1 || !ok2 || !ok3 || b.length[left] == 0 || b.length[right] == 0 {
			return fmt.Errorf("model.merges[%d]: %q and %q, or both together, are not in the vocabulary", i, m[0], m[1])
		}
		b.ranks.put(left, right, int32(i)) // of two, the later one counts
		b.merged = append(b.merged, made)
	}
	return nil
}

// spelledLength is how many bytes s spells; 0 if it has other characters.
func spelledLength(s string) uint32 {
	var scratch [64]byte
	b, ok := pretokenizer.AppendBytes(scratch[:0], []byte(s))
	if !ok {
		return 0
	}
	return uint32(len(b))
}

// pairTable has a number for each of many pairs: open addressing. The zero value is empty.
type pairTable struct {
	keys   []uint64 // 1 + the pair; 0 is empty
	values []int32
	n      int
}

func (t *pairTable) bytes() int64 { return 12 * int64(len(t.keys)) }

// mix is 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
const mix = 0x9E3779B97F4A7C15

func (t *pairTable) slot(key uint64) int {
	mask := len(t.keys) - 1
	for i := int(key*mix>>32) & mask; ; i = (i + 1) & mask {
		if t.keys[i] == 0 || t.keys[i] == key {
			return i
		}
	}
}

func (t *pairTable) get(left, right int32) (int32, bool) {
	if t.n == 0 {
		return 0, false
	}
	key := ordered(left, right) + 1
	i := t.slot(key)
	return t.values[i], t.keys[i] == key
}

func (t *pairTable) put(left, right, value int32) {
	if 2*t.n >= len(t.keys) {
		t.grow(2*t.n + 32)
	}
	key := ordered(left, right) + 1
	i := t.slot(key)
	if t.keys[i] == 0 {
		t.keys[i] = key
		t.n++
	}
	t.values[i] = value
}

// grow makes room for n pairs.
func (t *pairTable) grow(n int) {
	size := 64
	for size < 2*n {
		size *= 2
	}
	old := *t
	t.keys, t.values = make([]uint64, size), make([]int32, size)
	for i, k := range old.keys {
		if k != 0 {
			at := t.slot(k)
			t.keys[at], t.values[at] = k, old.values[i]
		}
	}
}

// wordPairs are the tallies of pairs of any symbols.
type wordPairs struct {
	index pairTable
	list  []tally
}

func (p *wordPairs) of(left, right int32) *tally {
	if i, ok := p.index.get(left, right); ok {
		return &p.list[i]
	}
	p.index.put(left, right, int32(len(p.list)))
	p.list = append(p.list, tally{left: left, right: right})
	return &p.list[len(p.list)-1]
}

func (p *wordPairs) all() []tally { return p.list }

// AppendJSON appends the base's file with the extension's tokens and merges in it. All else stands as it stood, byte
// for byte: the new elements are laid out as those before them.
//
// Added tokens that were not in the model's vocabulary are put there, with their ids: Hugging Face's tokenizers number
// those that are not behind the vocabulary anew (tokenizers/src/tokenizer/added_vocabulary.rs@0082bc0, add_tokens), and
// the new tokens now stand behind them.
func (e *Extension) AppendJSON(dst []byte) ([]byte, error) {
	b := e.base
	type edit struct {
		at   int
		text []byte
	}
	var vocab, merges edit
	vocab.at, merges.at = b.vocab.end, b.merges.end
	element := func(ed *edit, l *list, first bool) {
		if between := l.between; len(between) > 0 {
			ed.text = append(ed.text, between...)
		} else if !first {
			ed.text = append(ed.text, ',')
		}
	}
	var err error
	quote := func(ed *edit, s string) {
		var e error
		if ed.text, e = jsontext.AppendQuote(ed.text, s); e != nil && err == nil {
			err = e
		}
	}
	entry := func(id int32, s string) {
		element(&vocab, &b.vocab, false)
		quote(&vocab, s)
		vocab.text = append(vocab.text, b.vocab.inner[0]...)
		vocab.text = fmt.Appendf(vocab.text, "%d", id)
	}
	for _, id := range b.missing {
		entry(id, b.spelled[id])
	}
	for i := range e.Tokens {
		entry(e.Tokens[i].ID, e.Tokens[i].Token)
	}
	for i, m := range e.Merges {
		element(&merges, &b.merges, i == 0 && len(b.merged) == 0)
		left, right := e.vocab[m.Left], e.vocab[m.Right]
		if b.pairs {
			merges.text = append(merges.text, b.merges.inner[0]...)
			quote(&merges, left)
			merges.text = append(merges.text, b.merges.inner[1]...)
			quote(&merges, right)
			merges.text = append(merges.text, b.merges.inner[2]...)
		} else {
			quote(&merges, left+" "+right)
		}
	}
	if err != nil {
		return nil, err
	}
	edits := []edit{vocab, merges}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	at := 0
	for _, ed := range edits {
		dst = append(append(dst, b.file[at:ed.at]...), ed.text...)
		at = ed.at
	}
	return append(dst, b.file[at:]...), nil
}
