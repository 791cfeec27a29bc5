package marian

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"curate/kernel"
	"curate/safetensors"
	"curate/torchfile"
)

// tensors is a file of weights.
type tensors interface {
	// shape of a tensor, nil if there is none, and whether its numbers are 8-bit integers.
	shape(name string) (shape []int64, int8 bool)
	// floats and int8s read len(dst) numbers from number from on.
	floats(name string, from int64, dst []float32) error
	int8s(name string, from int64, dst []int8) error
	file() string
	Close() error
}

// Names of files of weights, in the order in which they are looked for.
const (
	safeName  = "model.safetensors"
	torchName = "pytorch_model.bin"
)

// openTensors opens a model's weights.
func openTensors(dir string) (tensors, error) {
	t, err := openSafe(filepath.Join(dir, safeName))
	if !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	t, err = openTorch(filepath.Join(dir, torchName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: neither %s nor %s is there: a model's folder as Hugging Face lays it out has one", dir, safeName, torchName)
	}
	return t, err
}

// opened is a file, and its reader's view of it.
func opened[T any](name string, read func(string, io.ReaderAt, int64) (T, error)) (t T, f *os.File, err error) {
	if f, err = os.Open(name); err != nil {
		return t, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		t, err = read(name, f, info.Size())
	}
	if err != nil {
		return t, nil, errors.Join(err, f.Close())
	}
	return t, f, nil
}

type safeFile struct {
	*safetensors.File
	f *os.File
}

func openSafe(name string) (tensors, error) {
	t, f, err := opened(name, safetensors.Open)
	if err != nil {
		return nil, err
	}
	return &safeFile{t, f}, nil
}

func (s *safeFile) shape(name string) ([]int64, bool) {
	t := s.Lookup(name)
	if t == nil {
		return nil, false
	}
	return t.Shape, t.Dtype == safetensors.I8
}

func (s *safeFile) floats(name string, from int64, dst []float32) error {
	return s.Floats(s.Lookup(name), from, dst)
}

func (s *safeFile) int8s(name string, from int64, dst []int8) error {
	return s.Int8s(s.Lookup(name), from, dst)
}

func (s *safeFile) file() string { return s.Name }
func (s *safeFile) Close() error { return s.f.Close() }

type torchFile struct {
	*torchfile.File
	f *os.File
}

func openTorch(name string) (tensors, error) {
	t, f, err := opened(name, torchfile.Open)
	if err != nil {
		return nil, err
	}
	return &torchFile{t, f}, nil
}

func (s *torchFile) shape(name string) ([]int64, bool) {
	t := s.Lookup(name)
	if t == nil {
		return nil, false
	}
	return t.Shape, false
}

func (s *torchFile) floats(name string, from int64, dst []float32) error {
	return s.Floats(s.Lookup(name), from, dst)
}

func (s *torchFile) int8s(name string, _ int64, _ []int8) error {
	return fmt.Errorf("%s: tensor %q has no numbers of 8 bits", s.Name, name)
}
func (s *torchFile) file() string { return s.Name }
func (s *torchFile) Close() error { return s.f.Close() }

// scaleName is where the scales of a tensor of 8-bit integers are: one for each row.
func scaleName(name string) string { return name + "_scale" }

// loader makes a model of tensors. After the first error it makes nothing.
type loader struct {
	set   *kernel.Set
	t     tensors
	int8  bool // quantise what is stored in floating numbers
	float bool // refuse what is not
	err   error
}

func (l *loader) fail(name, format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("%s: tensor %q: %s", l.t.file(), name, fmt.Sprintf(format, args...))
	}
}

// want says whether a tensor has the shape that the configuration asks for.
func (l *loader) want(name string, shape ...int64) (int8 bool) {
	if l.err != nil {
		return false
	}
	got, int8 := l.t.shape(name)
	switch {
	case got == nil:
		l.fail(name, "it is missing, and config.json asks for it")
	case !slices.Equal(got, shape):
		l.fail(name, "its shape is %v, and config.json asks for %v", got, shape)
	}
	return int8
}

// vector reads n numbers.
func (l *loader) vector(name string, n int) []float32 {
	return l.values(name, int64(n))
}

func (l *loader) values(name string, shape ...int64) []float32 {
	if l.want(name, shape...); l.err != nil {
		return nil
	}
	n := int64(1)
	for _, s := range shape {
		n *= s
	}
	x := make([]float32, n)
	l.read(name, 0, x)
	return x
}

// read reads numbers of a tensor whose shape is right.
func (l *loader) read(name string, from int64, x []float32) {
	if l.err != nil {
		return
	}
	if l.err = l.t.floats(name, from, x); l.err == nil && !l.set.Finite(x) {
		l.fail(name, "it holds numbers that are not finite")
	}
}

// part is a tensor of n rows.
type part struct {
	name string
	n    int
}

// matrix reads tensors [n, k] of which one is put below the other.
func (l *loader) matrix(k int, parts ...part) *matrix {
	m := &matrix{k: k}
	stored := 0
	for _, p := range parts {
		if l.want(p.name, int64(p.n), int64(k)) {
			stored++
			l.want(scaleName(p.name), int64(p.n))
		}
		m.n += p.n
	}
	switch {
	case l.err != nil:
		return nil
	case stored > 0 && l.float:
		l.fail(parts[0].name, "it is stored in 8 bits, and f32 is asked for; take the model that it was made of")
		return nil
	case stored > 0 && stored < len(parts):
		l.fail(parts[0].name, "it is stored in 8 bits, and %s is not, or the other way round; quantise the model again", parts[1].name)
		return nil
	}
	if stored > 0 || l.int8 {
		m.int8 = l.set.NewInt8(m.n, k)
	} else {
		m.f32 = l.set.NewPacked(m.n, k)
	}
	// A few rows at a time: embeddings are as much as all else, and are there once.
	x, q, scale := []float32(nil), []int8(nil), []float32(nil)
	for at := 0; at < m.n && l.err == nil; {
		rows := min(max(1, loadedAtOnce/k), m.n-at)
		if m.f32 != nil {
			rows = min((rows+m.f32.Unit()-1)/m.f32.Unit()*m.f32.Unit(), m.n-at)
		}
		x, q, scale = grown(x, rows*k), grown(q, rows*k), grown(scale, rows)
		first := 0 // row of the part
		for _, p := range parts {
			from, to := max(at, first), min(at+rows, first+p.n)
			if from < to {
				l.rows(p.name, stored > 0, int64(from-first), k, x[(from-at)*k:(to-at)*k], q[(from-at)*k:(to-at)*k], scale[from-at:to-at])
			}
			first += p.n
		}
		switch {
		case l.err != nil:
			return nil
		case m.f32 != nil:
			m.f32.Put(at, rows, x, k)
		case stored == 0:
			kernel.Quantize8(rows, k, x, k, q, scale)
			fallthrough
		default:
			m.int8.Put(at, rows, q, k, scale)
		}
		at += rows
	}
	return m
}

// loadedAtOnce is how many numbers of a matrix are read at a time, about.
const loadedAtOnce = 1 << 20

// rows reads rows of a tensor, from a number of them on.
func (l *loader) rows(name string, stored bool, from int64, k int, x []float32, q []int8, scale []float32) {
	if !stored {
		l.read(name, from*int64(k), x)
		return
	}
	if l.err == nil {
		l.err = l.t.int8s(name, from*int64(k), q)
	}
	if slices.Contains(q, -128) {
		l.fail(name, "it holds -128, which symmetric numbers of 8 bits do not have")
	}
	l.read(scaleName(name), from, scale)
}

// grown is x with n numbers, or new ones.
func grown[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}

// linear reads layers of k inputs that have n outputs each.
func (l *loader) linear(n, k int, names ...string) *matrix {
	var parts []part
	var bias []float32
	for _, name := range names {
		parts = append(parts, part{name + ".weight", n})
		bias = append(bias, l.vector(name+".bias", n)...)
	}
	m := l.matrix(k, parts...)
	if m != nil {
		m.bias = bias
	}
	return m
}

func (l *loader) norm(name string, d int) norm {
	return norm{l.vector(name+".weight", d), l.vector(name+".bias", d)}
}

func (l *loader) feed(prefix string, d, ffn int) feedForward {
	return feedForward{l.linear(ffn, d, prefix+"fc1"), l.linear(d, ffn, prefix+"fc2"), l.norm(prefix+"final_layer_norm", d)}
}

// load makes the model; names are those of transformers' MarianMTModel.
func load(l *loader, c *Config) (*model, error) {
	d := c.Width
	m := &model{cfg: c, set: l.set, scale: 1}
	if c.ScaleEmbedding {
		m.scale = float32(1 / inverseRoot(d))
	}
	// Older files hold the shared embeddings under all the names that share them.
	shared := "model.shared.weight"
	if s, _ := l.t.shape(shared); s == nil {
		shared = "model.encoder.embed_tokens.weight"
	}
	if c.ShareEmbeddings {
		m.source = l.matrix(d, part{shared, c.Vocab})
		m.target = m.source
	} else {
		m.source = l.matrix(d, part{"model.encoder.embed_tokens.weight", c.Vocab})
		m.target = l.matrix(d, part{"model.decoder.embed_tokens.weight", c.DecoderVocab})
	}
	bias := l.values("final_logits_bias", 1, int64(c.DecoderVocab))
	for i := range c.EncoderLayers {
		p := fmt.Sprintf("model.encoder.layers.%d.", i)
		m.encoder = append(m.encoder, encoderLayer{
			qkv:      l.linear(d, d, p+"self_attn.q_proj", p+"self_attn.k_proj", p+"self_attn.v_proj"),
			out:      l.linear(d, d, p+"self_attn.out_proj"),
			selfNorm: l.norm(p+"self_attn_layer_norm", d),
			feed:     l.feed(p, d, c.EncoderFFN),
		})
	}
	for i := range c.DecoderLayers {
		p := fmt.Sprintf("model.decoder.layers.%d.", i)
		m.decoder = append(m.decoder, decoderLayer{
			qkv:       l.linear(d, d, p+"self_attn.q_proj", p+"self_attn.k_proj", p+"self_attn.v_proj"),
			out:       l.linear(d, d, p+"self_attn.out_proj"),
			selfNorm:  l.norm(p+"self_attn_layer_norm", d),
			crossQ:    l.linear(d, d, p+"encoder_attn.q_proj"),
			crossKV:   l.linear(d, d, p+"encoder_attn.k_proj", p+"encoder_attn.v_proj"),
			crossOut:  l.linear(d, d, p+"encoder_attn.out_proj"),
			crossNorm: l.norm(p+"encoder_attn_layer_norm", d),
			feed:      l.feed(p, d, c.DecoderFFN),
		})
		if l.err != nil {
			break
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	out := *m.target // a product of the same weights, with a bias
	out.bias = bias
	m.output = &out
	m.places = min(c.Positions, mostPlaces)
	m.positions = sinusoids(m.places, d)
	m.ones = make([]float32, max(c.EncoderFFN, c.DecoderFFN))
	for i := range m.ones {
		m.ones[i] = 1
	}
	return m, nil
}

// bytes of the weights.
func (m *model) bytes() int64 {
	n := m.source.bytes() + 4*int64(len(m.output.bias)+len(m.positions))
	if m.target != m.source {
		n += m.target.bytes()
	}
	feed := func(f *feedForward) int64 {
		return f.fc1.bytes() + f.fc2.bytes() + 8*int64(len(f.norm.weight))
	}
	for i := range m.encoder {
		l := &m.encoder[i]
		n += l.qkv.bytes() + l.out.bytes() + 8*int64(len(l.selfNorm.weight)) + feed(&l.feed)
	}
	for i := range m.decoder {
		l := &m.decoder[i]
		n += l.qkv.bytes() + l.out.bytes() + l.crossQ.bytes() + l.crossKV.bytes() + l.crossOut.bytes() + 16*int64(len(l.selfNorm.weight)) + feed(&l.feed)
	}
	return n
}
