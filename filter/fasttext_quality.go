package filter

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"curate/fasttext"
	"curate/stage"
	"curate/text"
)

const (
	datatroveFasttext = "datatrove 0.10.1, pipeline/filters/fasttext_filter.py FastTextClassifierFilter"
	nemoFasttext      = "NeMo-Curator 01c440b, nemo_curator/stages/text/filters/fasttext/fasttext_filters.py FastTextQualityFilter"
	gpt3Pareto        = "Brown et al. 2020 (arXiv:2005.14165), appendix A"
	ownChoice         = "this rule"
)

// fasttextQuality asks a classifier that fastText has trained. Two rules decide on what it says: a threshold, and the
// draw of GPT-3, which lets a share of documents with low scores through.
var fasttextQuality = Rule{
	Name:    "fasttext_quality",
	Version: 1,
	Summary: "drops documents, or takes parts out, to which a fastText classifier gives a label with too little probability",
	Source:  datatroveFasttext + "; " + nemoFasttext,
	Texts: []Text{
		{Name: "model", File: true, DigestBy: "digest", Required: true, Help: "path or URL of a model, .bin or .ftz; a URL needs digest, too"},
		{Name: "digest", Help: "sha256: and 64 hexadecimal digits, which the model has to have"},
		{Name: "label", Required: true, Help: "the label whose probability is the score, with or without __label__"},
		{Name: "score", Default: "label", Choices: []string{"label", "top"}, Help: "what the score is: label is the probability of the label; top is the probability of the most probable label if that is it, else 1 less that", Source: datatroveFasttext},
		{Name: "unit", Default: "document", Choices: []string{"document", "paragraph", "sentence"}, Help: "what gets a score: the document, or each of its paragraphs (a line and the blank ones after it) or sentences, of which those below min_score are taken out", Source: datatroveFasttext},
		{Name: "newline_replacement", Help: "what stands for each line feed in what the model sees; nothing joins the words on both sides", Source: datatroveFasttext},
	},
	Params: []Param{
		{Name: "min_score", Default: 0, Unit: "of probability; 0 is no threshold", Source: ownChoice},
		{Name: "pareto_alpha", Default: 0, Unit: "of a Pareto (Lomax) distribution: a document stays if a number drawn from it is above 1 less its score; 3 in NeMo-Curator, 9 in GPT-3; 0 draws nothing", Source: nemoFasttext + "; " + gpt3Pareto, Inside: true},
		{Name: "seed", Default: 42, Unit: "of the draws, each of which depends on it and the text alone", Source: nemoFasttext, Inside: true},
		{Name: "strip", Default: 1, Unit: c4Switch + ": white space at both ends is not shown to the model", Source: datatroveFasttext, Inside: true},
		{Name: "replace_label_prefix", Default: 0, Unit: c4Switch + `: the model sees a space for each "__label__"`, Source: nemoFasttext, Inside: true},
	},
	Prepare:    prepareQuality,
	NewScratch: func(made any) any { return newQualityScratch(made.(*qualityModel)) },
	Edit:       qualityEdit,
	Edits: "with unit paragraph or sentence, the parts whose score is below min_score are taken out; paragraphs are joined as datatrove joins them, " +
		"with a line feed for every end of a line and none at the end of the text",
	Tests: []Test{
		{
			Reason: "low_score", Signal: "fasttext_score",
			Measure: "score that the model gives; of paragraphs or sentences the highest; where strip is on, what is only white space has 0",
			Compare: Below, Param: "min_score", ZeroOff: true,
			Value: func(v *View, p Values) (float64, bool) { return v.Scratch(p).(*qualityScratch).best, true },
		}, {
			Reason: "pareto", Signal: "pareto_score",
			Measure: "score that the model gives, and a number drawn from the Pareto distribution; with pareto_alpha 0 it does not apply",
			Compare: AtOrBelow, Fixed: 1,
			Value: func(v *View, p Values) (float64, bool) {
				s := v.Scratch(p).(*qualityScratch)
				return s.best + s.m.draw(v.doc), s.m.alpha > 0
			},
		},
	},
}

// Units.
const (
	ofDocument = iota
	ofParagraph
	ofSentence
)

// qualityModel is what all goroutines share.
type qualityModel struct {
	model         *fasttext.Model
	label         int
	top           bool
	unit          int
	newline       []byte
	strip, prefix bool
	min, alpha    float64
	seed          uint64
}

// labelPrefix is what fastText's labels begin with.
const labelPrefix = "__label__"

func prepareQuality(p Values) (any, error) {
	m := &qualityModel{
		top: p.Text("score") == "top", newline: []byte(p.Text("newline_replacement")), strip: p.On("strip"), prefix: p.On("replace_label_prefix"),
		min: p.Of("min_score"), alpha: p.Of("pareto_alpha"), seed: uint64(p.Of("seed")),
		unit: slices.Index([]string{"document", "paragraph", "sentence"}, p.Text("unit")),
	}
	switch {
	case m.min == 0 && m.alpha == 0:
		return nil, errors.New("min_score is not set, nor is pareto_alpha: nothing is decided by the score. Set one of them")
	case m.alpha > 0 && m.unit != ofDocument:
		return nil, fmt.Errorf("pareto_alpha decides about documents; with unit %s set min_score alone", p.Text("unit"))
	case bytes.ContainsAny(m.newline, "\n"):
		return nil, errors.New("newline_replacement holds a line feed, and the model sees one line")
	}
	if err := m.read(p); err != nil {
		return nil, err
	}
	var names []string
	for _, l := range m.model.Labels() {
		names = append(names, strings.TrimPrefix(l, labelPrefix))
	}
	label := strings.TrimPrefix(p.Text("label"), labelPrefix)
	if m.label = slices.Index(names, label); m.label < 0 {
		return nil, stage.UnknownName("label of the model", label, names)
	}
	return m, nil
}

// read reads the model, and compares its digest with the one that is wanted.
func (m *qualityModel) read(p Values) (err error) {
	want := strings.ToLower(p.Text("digest"))
	if h, ok := strings.CutPrefix(want, "sha256:"); want != "" && (!ok || len(h) != 2*sha256.Size || strings.Trim(h, "0123456789abcdef") != "") {
		return fmt.Errorf("digest %q: give sha256: and 64 hexadecimal digits, as sha256sum prints them", p.Text("digest"))
	}
	in, err := p.Open("model")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	name, size, from := p.Text("model"), int64(-1), io.Reader(in)
	if f, ok := in.(fs.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			size = st.Size()
		}
	}
	if size < 0 {
		all, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		size, from = int64(len(all)), bytes.NewReader(all)
	}
	h := sha256.New()
	both := io.TeeReader(from, h)
	model, err := fasttext.Read(both, size)
	if _, e := io.Copy(io.Discard, both); err == nil && e != nil {
		err = e
	}
	if got := fmt.Sprintf("sha256:%x", h.Sum(nil)); want != "" && got != want {
		return fmt.Errorf("%s: its digest is %s, not %s: it is another file, or it has been changed", name, got, want)
	}
	if err != nil {
		return fmt.Errorf("%s is no fastText model: %w", name, err)
	}
	m.model = model
	return nil
}

// draw is a number of the Lomax distribution with alpha, as numpy's pareto: the inverse of its distribution function at
// a number in [0, 1) that is a hash of the text. It is not numpy's stream: NeMo's answer for a document depends on how
// many were asked about before it. Rounding makes up for what math.Pow does differently on other processors.
func (m *qualityModel) draw(doc []byte) float64 {
	if m.alpha == 0 {
		return 0
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], m.seed)
	binary.LittleEndian.PutUint64(b[8:], xxhash.Sum64(doc))
	u := float64(xxhash.Sum64(b[:])>>11) / (1 << 53)
	x := math.Pow(1-u, -1/m.alpha) - 1
	return math.Round(float64(x*1e9)) / 1e9
}

// qualityScratch is one goroutine's.
type qualityScratch struct {
	m         *qualityModel
	predictor *fasttext.Predictor
	top       []fasttext.Prediction
	line      []byte
	sentences []text.Span
	best      float64 // of the document
}

func newQualityScratch(m *qualityModel) *qualityScratch {
	return &qualityScratch{m: m, predictor: m.model.NewPredictor()}
}

// keepLine is what a scratch keeps of the memory for a line.
const keepLine = 1 << 20

func qualityEdit(v *View, p Values) {
	s := v.Scratch(p).(*qualityScratch)
	s.best = 0
	switch s.m.unit {
	case ofDocument:
		if s.best = s.score(v.doc); s.m.strip && len(text.TrimLeft(v.doc)) == 0 {
			s.best = 0 // datatrove drops what is only white space, whatever the model says of it
		}
		v.fresh = false // the text stays, also where a rule before has left another that did not count
	case ofSentence:
		s.sentences = v.spacy.sentences(s.sentences[:0], v.doc)
		out := v.edit()
		for _, x := range s.sentences {
			out = s.part(append(out, x.Of(v.doc)...), len(out))
		}
		v.setEdit(out)
		if cap(s.sentences) > keepLine/8 {
			s.sentences = nil
		}
	case ofParagraph:
		// As split_into_parts of datatrove 0.10.1, utils/text.py, does it: a part begins with each line that is not
		// blank, or with the text; every line but the last ends in a line feed, however it ended before.
		lines := v.Lines()
		out := v.edit()
		began := 0
		for i, l := range lines {
			if i > 0 && len(text.TrimLeft(l.Of(v.doc))) > 0 {
				out = s.part(out, began)
				began = len(out)
			}
			out = append(out, l.Of(v.doc)...)
			if i < len(lines)-1 {
				out = append(out, '\n')
			}
		}
		v.setEdit(s.part(out, began))
	}
	if cap(s.line) > keepLine {
		s.line = nil
	}
}

// part asks about the part that out ends with, from lo on, and leaves it or takes it out.
func (s *qualityScratch) part(out []byte, lo int) []byte {
	score := s.score(out[lo:])
	if score > s.best && (!s.m.strip || len(text.TrimLeft(out[lo:])) > 0) {
		s.best = score
	}
	if s.m.min > 0 && score < s.m.min {
		return out[:lo]
	}
	return out
}

// score of a document or part of one; 0 if the model knows nothing of it.
func (s *qualityScratch) score(unit []byte) float64 {
	m := s.m
	if m.strip {
		unit = text.TrimRight(text.TrimLeft(unit))
	}
	if bytes.IndexByte(unit, '\n') >= 0 || m.prefix && bytes.Contains(unit, labelPrefixBytes) {
		unit = s.asLine(unit)
	}
	if !s.predictor.Read(unit) {
		return 0
	}
	if !m.top {
		return float64(s.predictor.Of(m.label))
	}
	s.top = s.predictor.Best(s.top[:0], 1, 0)
	switch {
	case len(s.top) == 0:
		return 0
	case s.top[0].Label == m.label:
		return float64(s.top[0].Probability)
	}
	return 1 - float64(s.top[0].Probability)
}

var labelPrefixBytes = []byte(labelPrefix)

// asLine is unit with what stands for line feeds, and then for prefixes of labels.
func (s *qualityScratch) asLine(unit []byte) []byte {
	line := s.line[:0]
	for {
		i := bytes.IndexByte(unit, '\n')
		if i < 0 {
			break
		}
		line = append(append(line, unit[:i]...), s.m.newline...)
		unit = unit[i+1:]
	}
	line = append(line, unit...)
	if s.m.prefix { // each becomes one byte: what is kept moves down, once
		end := 0
		for at := 0; ; {
			i := bytes.Index(line[at:], labelPrefixBytes)
			if i < 0 {
				line = line[:end+copy(line[end:], line[at:])]
				break
			}
			end += copy(line[end:], line[at:at+i])
			line[end] = ' '
			end++
			at += i + len(labelPrefixBytes)
		}
	}
	s.line = line
	return line
}
