package train

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendJSON appends the model as a tokenizer.json with a pre-tokenizer, as Hugging Face's tokenizers reads
// it: what Tokenizer.save of version 0.23.3 writes for the same model, byte for byte (file format version "1.0"), but
// for a line feed at the end, and merges that are strings "a b" and not pairs ["a", "b"]: readers of version 0.19
// know only these. No spelling of a byte is a space, so both say the same.
func (m *Model) AppendJSON(dst []byte, p *PreTokenizer) ([]byte, error) {
	w := jsonWriter{b: dst}
	w.open('{')
	w.text("version", "1.0")
	w.raw("truncation", "null")
	w.raw("padding", "null")
	w.key("added_tokens").open('[')
	for id, token := range m.Vocab[:m.Special] {
		w.item().open('{')
		w.raw("id", strconv.Itoa(id))
		w.text("content", token)
		for _, flag := range []string{"single_word", "lstrip", "rstrip", "normalized"} {
			w.raw(flag, "false")
		}
		w.raw("special", "true")
		w.close('}')
	}
	w.close(']')
	w.value("normalizer", p.normalizer)
	w.value("pre_tokenizer", p.preTokenizer)
	w.raw("post_processor", "null")
	w.value("decoder", jsontext.Value(byteLevel(true)))
	w.key("model").open('{')
	w.text("type", "BPE")
	for _, name := range []string{"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"} {
		w.raw(name, "null")
	}
	for _, name := range []string{"fuse_unk", "byte_fallback", "ignore_merges"} {
		w.raw(name, "false")
	}
	w.key("vocab").open('{')
	for id, token := range m.Vocab {
		w.raw(token, strconv.Itoa(id))
	}
	w.close('}')
	w.key("merges").open('[')
	for _, pair := range m.Merges {
		w.item().quote(m.Vocab[pair[0]] + " " + m.Vocab[pair[1]])
	}
	w.close(']')
	w.close('}')
	w.close('}')
	if w.err != nil {
		return nil, fmt.Errorf("tokenizer: %w", w.err)
	}
	return append(w.b, '\n'), nil
}

// jsonWriter writes objects and arrays indented by two spaces a level; empty ones are {} and [].
type jsonWriter struct {
	b     []byte
	depth int
	items bool // the innermost has some
	err   error
}

func (w *jsonWriter) open(c byte) {
	w.b = append(w.b, c)
	w.depth++
	w.items = false
}

func (w *jsonWriter) close(c byte) {
	w.depth--
	if w.items {
		w.line()
	}
	w.b = append(w.b, c)
	w.items = true // what it stands in has this at least
}

func (w *jsonWriter) line() {
	w.b = append(w.b, '\n')
	for range w.depth {
		w.b = append(w.b, ' ', ' ')
	}
}

// item begins an element.
func (w *jsonWriter) item() *jsonWriter {
	if w.items {
		w.b = append(w.b, ',')
	}
	w.items = true
	w.line()
	return w
}

func (w *jsonWriter) quote(s string) {
	var err error
	if w.b, err = jsontext.AppendQuote(w.b, s); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *jsonWriter) key(name string) *jsonWriter {
	w.item().quote(name)
	w.b = append(w.b, ':', ' ')
	return w
}

func (w *jsonWriter) text(name, value string) { w.key(name).quote(value) }

func (w *jsonWriter) raw(name, value string) { w.b = append(w.key(name).b, value...) }

// value writes what is JSON already, indented as the rest.
func (w *jsonWriter) value(name string, v jsontext.Value) {
	v = slices.Clone(v)
	err := v.Format(jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true), jsontext.WithIndentPrefix(strings.Repeat("  ", w.depth)), jsontext.WithIndent("  "))
	if err != nil && w.err == nil {
		w.err = err
	}
	w.raw(name, string(v))
}
