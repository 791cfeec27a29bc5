package marian

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/sentencepiece"
)

// Piece is a token and the bytes that it stands for.
type Piece struct {
	From, To int // of the source text, or of Translation.Text
	Source   int // of a target's piece: the index in Source that it was made from (arg-max of cross-attention)
}

// tokenizer makes ids of texts and texts of ids as MarianTokenizer of transformers 5.24.0 does (tokenization_marian.py and, for
// special tokens, tokenization_python.py). Pieces are SentencePiece's; their ids are those of vocab.json, where a joint vocabulary
// has source and target pieces. It may be used from several goroutines.
type tokenizer struct {
	source   *sentencepiece.Model
	encoders sync.Pool        // of *sentencepiece.Encoder
	ids      []int32          // by the id of source's piece
	vocab    map[string]int32 // vocab.json; special tokens go before it
	specials specials
	end, unk int32

	targets     []target // by id
	cleanSpaces bool     // clean_up_tokenization_spaces
	maxLength   int      // model_max_length: ids, the end included; 0: any
}

// target is how an id is written.
type target struct {
	text string
	byte bool // text is one byte, and only with its neighbours a character
}

const (
	maxVocabFile = 256 << 20 // bytes of a vocabulary or a SentencePiece model: some hundred times the usual
	space        = "▁"       // what SentencePiece writes for a space
)

// readTokenizer reads source.spm and vocab.json, target.spm and target_vocab.json where the target has a vocabulary of its own, and,
// where they exist, tokenizer_config.json, special_tokens_map.json and added_tokens.json. Errors name file and reason.
func readTokenizer(dir string, c *Config) (*tokenizer, error) {
	read := func(name string) (string, []byte, error) {
		name = filepath.Join(dir, name)
		b, err := readFile(name, maxVocabFile)
		return name, b, err
	}
	model := func(name string) (*sentencepiece.Model, error) {
		name, b, err := read(name)
		if err != nil {
			return nil, err
		}
		m, err := sentencepiece.Read(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if m.Denormalizes() {
			return nil, fmt.Errorf("%s: it has a denormalizer, and places in a text could not be told behind it; no MarianMT model has one", name)
		}
		return m, nil
	}
	vocabulary := func(name string, size int, key string) (*vocabulary, error) {
		name, b, err := read(name)
		if err != nil {
			return nil, err
		}
		return readVocabulary(name, b, size, key)
	}
	source, err := model("source.spm")
	if err != nil {
		return nil, err
	}
	o, err := readTokenizerConfig(dir)
	if err != nil {
		return nil, err
	}
	from, err := vocabulary("vocab.json", c.Vocab, "vocab_size")
	if err != nil {
		return nil, err
	}
	to, decoding := from, source // transformers decodes a joint vocabulary by source.spm
	if o.separate {
		if decoding, err = model("target.spm"); err != nil {
			return nil, err
		}
		if to, err = vocabulary("target_vocab.json", c.DecoderVocab, "decoder_vocab_size"); err != nil {
			return nil, err
		}
	} else if !c.ShareEmbeddings && c.DecoderVocab != c.Vocab {
		return nil, fmt.Errorf("%s: separate_vocabs is not true, and config.json says vocab_size %d and decoder_vocab_size %d",
			filepath.Join(dir, "tokenizer_config.json"), c.Vocab, c.DecoderVocab)
	}
	return newTokenizer(o, source, decoding, from, to)
}

func newTokenizer(o *tokenizerConfig, source, decoding *sentencepiece.Model, from, to *vocabulary) (*tokenizer, error) {
	t := &tokenizer{source: source, vocab: from.ids, cleanSpaces: o.cleanSpaces, maxLength: o.maxLength}
	t.encoders.New = func() any { return source.NewEncoder() }
	var ok bool
	if t.unk, ok = from.ids[o.named["unk_token"]]; !ok {
		return nil, fmt.Errorf("%s: %q, the token for what is unknown, is not in it", from.name, o.named["unk_token"])
	}
	// added_tokens_decoder gives special tokens their ids; others have those of the vocabulary.
	special := map[string]int32{}
	for _, a := range o.added {
		if a.id < 0 || a.id >= int32(from.size) {
			return nil, fmt.Errorf("%s: the special token %q has id %d, and the model has %d", o.name, a.text, a.id, from.size)
		}
		special[a.text] = a.id
	}
	skipped := slices.Clone(o.extra)
	for _, role := range roles {
		skipped = append(skipped, o.named[role])
	}
	for _, token := range skipped {
		if _, ok := special[token]; ok || token == "" {
			continue
		}
		id, ok := from.ids[token]
		if !ok { // transformers would number it beyond what the model has embeddings for
			return nil, fmt.Errorf("%s: the special token %q is not in %s", o.name, token, from.name)
		}
		special[token] = id
	}
	if t.end, ok = special[o.named["eos_token"]]; !ok {
		return nil, fmt.Errorf("%s: eos_token is %q, and a text needs an end", o.name, o.named["eos_token"])
	}
	t.specials = newSpecials(special, o.splitSpecials)

	t.ids = make([]int32, len(source.Pieces()))
	for i := range t.ids {
		t.ids[i] = t.id(source.Pieces()[i].Text)
	}
	t.targets = make([]target, to.size)
	for id := range t.targets {
		text, ok := to.texts[int32(id)]
		if !ok && id < len(decoding.Pieces()) { // transformers takes SentencePiece's own then
			text = decoding.Pieces()[id].Text
		}
		var err error
		if t.targets[id], err = spelled(decoding, text); err != nil {
			return nil, err
		}
	}
	if to == from {
		for _, a := range o.added {
			var err error
			if t.targets[a.id], err = spelled(decoding, a.text); err != nil {
				return nil, err
			}
		}
	}
	// Special tokens are not part of a text. Each vocabulary has its own ids for them; transformers takes those of vocab.json for both,
	// and would leave out a word where the ids differ.
	for _, token := range skipped {
		id, ok := to.ids[token]
		if to == from {
			id, ok = special[token]
		}
		if ok {
			t.targets[id] = target{}
		}
	}
	return t, nil
}

// spelled is what a piece stands for in a text: SentencePieceProcessor::Decode of sentencepiece_processor.cc, which is given
// pieces by their spelling.
func spelled(m *sentencepiece.Model, piece string) (target, error) {
	id, ok := m.ID(piece)
	if ok {
		switch p := m.Pieces()[id]; p.Type {
		case sentencepiece.Control:
			return target{}, nil
		case sentencepiece.Byte: // <0xHH>
			b, err := strconv.ParseUint(piece[3:5], 16, 8)
			return target{string([]byte{byte(b)}), true}, err
		case sentencepiece.Unknown:
			b, err := m.AppendDecoded(nil, []uint32{id})
			return target{text: string(b)}, err
		}
	}
	return target{text: strings.ReplaceAll(piece, space, " ")}, nil
}

// id is what a piece's spelling has in the vocabulary.
func (t *tokenizer) id(piece string) int32 {
	if id, ok := t.specials.ids[piece]; ok {
		return id
	}
	if id, ok := t.vocab[piece]; ok {
		return id
	}
	return t.unk
}

// encode gives the ids of a text, the end included, and where each stands in the text; the end is at len(text). Nothing is cut.
func (t *tokenizer) encode(text string) (ids []int32, pieces []Piece) {
	e := t.encoders.Get().(*sentencepiece.Encoder)
	defer t.encoders.Put(e)
	add := func(id int32, from, to int) {
		ids, pieces = append(ids, id), append(pieces, Piece{From: from, To: to})
	}
	var tokens []sentencepiece.Token
	for at := 0; at < len(text); {
		next, special := t.specials.next(text, at)
		if at < next {
			segment := text[at:next]
			if code := languageCode(segment); code > 0 {
				add(t.id(segment[:code]), at, at+code)
				at, segment = at+code, segment[code:]
			}
			base := len(ids)
			spelling := map[int][]byte{} // of tokens that are unknown to source.spm; the vocabulary may have them
			tokens = e.AppendSpelled(tokens[:0], []byte(segment), func(place int, b []byte) {
				spelling[place] = append(spelling[place], b...)
			})
			for _, x := range tokens {
				id := t.unk
				if int(x.ID) < len(t.ids) {
					id = t.ids[x.ID]
				}
				add(id, at+int(x.From), at+int(x.To))
			}
			for place, piece := range spelling {
				ids[base+place] = t.id(string(piece))
			}
			at = next
		}
		if special > 0 {
			add(t.specials.ids[text[next:next+special]], next, next+special)
			at = next + special
		}
	}
	add(t.end, len(text), len(text))
	return ids, pieces
}

// languageCode is the length of the code >>xx<< that a text begins with, 0 if it begins with none (remove_language_code of
// tokenization_marian.py: up to the first <<, whatever stands between).
func languageCode(text string) int {
	if !strings.HasPrefix(text, ">>") {
		return 0
	}
	if i := strings.Index(text, "<<"); i >= 0 {
		return i + len("<<")
	}
	return 0
}

// unknown says whether a piece of a text is not in the vocabulary.
func (t *tokenizer) unknown(text string) bool {
	ids, _ := t.encode(text)
	return slices.Contains(ids, t.unk)
}

// decode gives the text of target ids, special ones left out, and for each id which bytes of the text are its, the space that
// stands before a word among them. Ids that the vocabulary does not have are nothing.
func (t *tokenizer) decode(ids []int32) (text string, pieces []Piece) {
	var b []byte
	pieces = make([]Piece, len(ids))
	run := -1 // the first of the pieces of bytes that wait for being a character
	for i, id := range ids {
		var x target
		if id >= 0 && int(id) < len(t.targets) {
			x = t.targets[id]
		}
		if x.byte {
			if run < 0 {
				run = i
			}
			continue
		}
		if run >= 0 && x.text != "" {
			b, run = t.bytes(b, ids, pieces, run, i), -1
		}
		pieces[i] = Piece{From: len(b), To: len(b) + len(x.text)}
		b = append(b, x.text...)
	}
	if run >= 0 {
		b = t.bytes(b, ids, pieces, run, len(ids))
	}
	b = stripped(b, pieces)
	if t.cleanSpaces {
		b = cleaned(b, pieces)
	}
	return string(b), pieces
}

// bytes appends the characters that the pieces of bytes among ids[from:to] make; a byte that is part of none is U+FFFD. A character
// belongs to the last of its pieces, as in SentencePieceText.
func (t *tokenizer) bytes(b []byte, ids []int32, pieces []Piece, from, to int) []byte {
	var run []byte
	var places []int
	for i := from; i < to; i++ {
		pieces[i] = Piece{From: len(b), To: len(b)}
		if id := ids[i]; id >= 0 && int(id) < len(t.targets) && t.targets[id].byte {
			run, places = append(run, t.targets[id].text...), append(places, i)
		}
	}
	next := from // what has its place
	for len(run) > 0 {
		r, size := utf8.DecodeRune(run)
		last := places[size-1]
		for ; next < last; next++ {
			pieces[next] = Piece{From: len(b), To: len(b)}
		}
		at := len(b)
		b = utf8.AppendRune(b, r)
		pieces[last] = Piece{From: at, To: len(b)}
		next = last + 1
		run, places = run[size:], places[size:]
	}
	for ; next < to; next++ {
		pieces[next] = Piece{From: len(b), To: len(b)}
	}
	return b
}

// stripped is a text without white space at its ends: Python's str.strip, which takes U+001C to U+001F as well.
func stripped(b []byte, pieces []Piece) []byte {
	white := func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
	right := bytes.TrimRightFunc(b, white)
	left := bytes.TrimLeftFunc(right, white)
	from := len(right) - len(left)
	for i := range pieces {
		p := &pieces[i]
		p.From, p.To = min(max(p.From-from, 0), len(left)), min(max(p.To-from, 0), len(left))
	}
	return left
}

// cleanings are the texts of which spaces are taken out, in this order (clean_up_tokenization of tokenization_utils_base.py). All that
// goes is spaces.
var cleanings = []struct{ from, to string }{
	{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
}

func cleaned(b []byte, pieces []Piece) []byte {
	at := make([]int, len(b)+1) // where each byte stood
	for i := range at {
		at[i] = i
	}
	for _, c := range cleanings {
		if !bytes.Contains(b, []byte(c.from)) {
			continue
		}
		var out []byte
		var places []int
		for i := 0; i < len(b); {
			if !bytes.HasPrefix(b[i:], []byte(c.from)) {
				out, places = append(out, b[i]), append(places, at[i])
				i++
				continue
			}
			for j := i; j < i+len(c.from); j++ {
				if b[j] != ' ' {
					out, places = append(out, b[j]), append(places, at[j])
				}
			}
			i += len(c.from)
		}
		b, at = out, append(places, at[len(b)])
	}
	for i := range pieces {
		p := &pieces[i]
		p.From, _ = slices.BinarySearch(at, p.From)
		p.To, _ = slices.BinarySearch(at, p.To)
	}
	return b
}

// memory is about what the tokenizer holds for so many goroutines, in bytes.
func (t *tokenizer) memory(goroutines int) int64 {
	n := t.source.Memory() + int64(goroutines)*sentencepiece.EncoderMemory + 4*int64(len(t.ids))
	for piece := range t.vocab {
		n += 48 + int64(len(piece)) // an entry of a map, about
	}
	for i := range t.targets {
		n += 24 + int64(len(t.targets[i].text))
	}
	return n
}

// specials are the tokens that are found in a text before SentencePiece sees it, and their ids.
type specials struct {
	ids    map[string]int32
	tokens []string  // what is looked for: the longest first
	first  [256]bool // their first bytes
}

func newSpecials(ids map[string]int32, asText bool) specials {
	s := specials{ids: ids}
	if asText { // split_special_tokens: in a text they are text
		return s
	}
	for token := range ids {
		if token == "" {
			continue
		}
		s.tokens = append(s.tokens, token)
		s.first[token[0]] = true
	}
	slices.SortFunc(s.tokens, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return s
}

// next is where the next special token stands and its length: the leftmost, and of those that begin there the longest. Without one it
// is the text's end and 0.
func (s *specials) next(text string, from int) (at, length int) {
	if len(s.tokens) == 0 {
		return len(text), 0
	}
	for i := from; i < len(text); i++ {
		if !s.first[text[i]] {
			continue
		}
		for _, token := range s.tokens {
			if strings.HasPrefix(text[i:], token) {
				return i, len(token)
			}
		}
	}
	return len(text), 0
}

// vocabulary is a file of pieces and their ids.
type vocabulary struct {
	name  string
	size  int // ids are below it
	ids   map[string]int32
	texts map[int32]string
}

// readVocabulary reads an object of pieces and ids. size is how many the model has, which key of config.json says.
func readVocabulary(name string, b []byte, size int, key string) (*vocabulary, error) {
	v := &vocabulary{name, size, map[string]int32{}, map[int32]string{}}
	d := jsontext.NewDecoder(bytes.NewReader(b)) // strict: a piece that stands twice is an error
	fail := func(err error) error {
		return fmt.Errorf("%s (byte %d): it is no JSON object of pieces and ids: %w", name, d.InputOffset(), err)
	}
	if kind := d.PeekKind(); kind != '{' {
		_, err := d.ReadToken()
		return nil, fail(cmp.Or(err, errors.New("it does not begin with {")))
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, fail(err)
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, fail(err)
		}
		piece := token.String()
		var id int32
		if err := json.UnmarshalDecode(d, &id); err != nil {
			return nil, fail(err)
		}
		if id < 0 || int(id) >= size {
			return nil, fmt.Errorf("%s: %q has id %d, and config.json says %s %d: these files are not of one model", name, clip(piece), id, key, size)
		}
		v.ids[piece] = id
		v.texts[id] = piece // where an id stands twice, the last: as transformers turns the object round
	}
	if _, err := d.ReadToken(); err != nil { // }
		return nil, fail(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, fail(cmp.Or(err, errors.New("something stands behind it")))
	}
	return v, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// tokenizerConfig is what tokenizer_config.json says, and what older models say in files of their own.
type tokenizerConfig struct {
	name          string
	separate      bool
	cleanSpaces   bool
	splitSpecials bool
	maxLength     int
	named         map[string]string // eos_token and so on
	extra         []string          // special tokens without such a name
	added         []addedToken
}

type addedToken struct {
	id   int32
	text string
}

// roles are the names of special tokens (SPECIAL_TOKENS_ATTRIBUTES of tokenization_utils_base.py).
var roles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

func readTokenizerConfig(dir string) (*tokenizerConfig, error) {
	optional := func(name string) (*keys, error) {
		name = filepath.Join(dir, name)
		b, err := readFile(name, maxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			return &keys{name: name}, nil
		}
		if err != nil {
			return nil, err
		}
		return readKeys(name, b)
	}
	k, err := optional("tokenizer_config.json")
	if err != nil {
		return nil, err
	}
	tokens, added := &keys{}, &keys{}
	if !k.has("added_tokens_decoder") { // as older releases of transformers saved it
		if tokens, err = optional("special_tokens_map.json"); err != nil {
			return nil, err
		}
		if added, err = optional("added_tokens.json"); err != nil {
			return nil, err
		}
	}
	o := k.tokenizer(tokens, added)
	return o, cmp.Or(k.err, tokens.err, added.err)
}

// tokenizer reads the configuration; tokens and added are the files that older releases wrote beside it.
func (k *keys) tokenizer(tokens, added *keys) *tokenizerConfig {
	o := &tokenizerConfig{name: k.name, named: map[string]string{"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}}
	only(k, "tokenizer_class", k.text("tokenizer_class", "MarianTokenizer"), "MarianTokenizer", "texts are cut as that class does it")
	o.separate = k.boolean("separate_vocabs", false)
	o.cleanSpaces = k.boolean("clean_up_tokenization_spaces", false)
	o.splitSpecials = k.boolean("split_special_tokens", false)
	// 512 is MarianTokenizer's; transformers writes 1e30 for "none".
	if n := k.number("model_max_length", 512); n >= 1 && n <= maxPositions {
		o.maxLength = int(n)
	}
	if v := k.members["sp_model_kwargs"]; k.has("sp_model_kwargs") && string(bytes.Join(bytes.Fields(v), nil)) != "{}" {
		k.fail("sp_model_kwargs", "it is %s; texts are cut in the one best way here, without options", short(v))
	}
	for key, v := range k.members { // tokens that are the model's own
		if strings.HasSuffix(key, "_token") && v.Kind() == '"' && !slices.Contains(roles, key) {
			o.extra = append(o.extra, k.token(key, v))
		}
	}
	for _, file := range []*keys{k, tokens} {
		for _, role := range roles {
			if file.has(role) {
				o.named[role] = file.token(role, file.members[role])
			}
		}
		for _, key := range []string{"additional_special_tokens", "extra_special_tokens"} {
			if !file.has(key) {
				continue
			}
			var list []jsontext.Value
			if file.members[key].Kind() == '{' { // by names of the model's own
				var byName map[string]jsontext.Value
				file.read(key, &byName, "an object of tokens")
				for _, v := range byName {
					list = append(list, v)
				}
			} else {
				file.read(key, &list, "a list of tokens")
			}
			for _, v := range list {
				o.extra = append(o.extra, file.token(key, v))
			}
		}
	}
	var byID map[int32]jsontext.Value
	k.read("added_tokens_decoder", &byID, "an object of ids and tokens")
	for id, v := range byID {
		o.added = append(o.added, addedToken{id, k.token("added_tokens_decoder", v)})
	}
	for text := range added.members {
		o.added = append(o.added, addedToken{int32(added.id(text, 0, maxVocab)), text})
	}
	slices.SortFunc(o.added, func(a, b addedToken) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.text, b.text)) })
	slices.Sort(o.extra)
	return o
}

// token reads a special token: its text, or an object with it.
func (k *keys) token(key string, v jsontext.Value) string {
	if v.Kind() != '{' {
		var s string
		if json.Unmarshal(v, &s) != nil {
			k.fail(key, "%s is no token", short(v))
		}
		return s
	}
	var x struct {
		Content    string `json:"content"`
		Left       bool   `json:"lstrip"`
		Right      bool   `json:"rstrip"`
		SingleWord bool   `json:"single_word"`
	}
	if json.Unmarshal(v, &x) != nil || x.Content == "" {
		k.fail(key, "%s is no token", short(v))
	}
	if x.Left || x.Right || x.SingleWord {
		k.fail(key, "the token %q asks for lstrip, rstrip or single_word, which texts are not searched with here", clip(x.Content))
	}
	return x.Content
}
