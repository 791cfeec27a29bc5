package dedup

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// ContaminationRule is the rule by which a Decontaminator drops. Its reasons are the names of the benchmarks.
const ContaminationRule = "decontaminate"

// What becomes of a document in which items are found.
const (
	DropMode     = "drop"
	CutMode      = "cut" // what was found goes, with a window around it, and the rest stays
	AnnotateMode = "annotate"
)

// DecontaminatorConfig says what is looked for, and what becomes of where it is found.
type DecontaminatorConfig struct {
	// TextField is where a record has its text; "text" by default. A record where it is missing, or no string, is quarantined.
	TextField  record.Path
	Benchmarks *Benchmarks
	// Mode is DropMode by default.
	Mode string
	// Cut is for CutMode.
	Cut CutConfig
	// MostDocuments of the corpus may have an n-gram; one that is in more finds nothing. 0, the default, counts none. It takes
	// NewCommonNgrams, MatchNgram and GPT3Convention.
	MostDocuments int
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// Decontaminator removes documents that contain items of benchmarks. It is a stage, immutable, and serves any number of
// goroutines.
//
// The ledger's tallies say what was found: "item:BENCHMARK:ID" is the number of documents with that item (by method and share in
// contamination_list.go), "documents:BENCHMARK"
// that of documents with an item of it, "bytes_cut:BENCHMARK" what was cut of documents in which an item of it came first.
type Decontaminator struct {
	cfg    DecontaminatorConfig
	spec   stage.Spec
	common bitSet // n-grams that find nothing
}

// NewDecontaminator makes the stage.
func NewDecontaminator(cfg DecontaminatorConfig) (*Decontaminator, error) {
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	set := cfg.Benchmarks
	if len(set.list) == 0 {
		return nil, fmt.Errorf("there is nothing to look for: no benchmark is named")
	}
	switch cfg.Mode {
	case "":
		cfg.Mode = DropMode
	case DropMode, AnnotateMode:
	case CutMode:
		if set.cfg.has(MatchNgram) && set.cfg.Convention == DatatroveConvention {
			return nil, fmt.Errorf("mode cut with datatrove's convention, which knows that a document has an n-gram, and not where: drop, or take the convention gpt3")
		}
	default:
		return nil, stage.UnknownName("mode", cfg.Mode, []string{AnnotateMode, CutMode, DropMode})
	}
	if cfg.MostDocuments < 0 || cfg.MostDocuments > 0 && (!set.cfg.has(MatchNgram) || set.cfg.Convention != GPT3Convention) {
		return nil, fmt.Errorf("n-grams in more than %d documents: it is a rule of n-grams of the convention gpt3", cfg.MostDocuments)
	}
	cfg.Cut.resolve()
	type benchmark struct {
		Items  int    `json:"items"`
		Name   string `json:"name"`
		Ngram  int    `json:"ngram"`
		SHA256 string `json:"sha256"`
	}
	type cut struct {
		LeastPiece int `json:"least_piece"`
		MostPieces int `json:"most_pieces"`
		Window     int `json:"window"`
	}
	resolved := struct {
		Benchmarks  []benchmark `json:"benchmarks"`
		Convention  string      `json:"convention,omitempty"`
		Cut         *cut        `json:"cut"`
		LeastWords  int         `json:"least_words"`
		Match       []string    `json:"match"`
		Measure     string      `json:"measure,omitempty"`
		MinShare    float64     `json:"min_share"`
		Mode        string      `json:"mode"`
		Most        int         `json:"most_documents,omitempty"`
		QueryNgrams bool        `json:"query_ngrams"`
		TextField   string      `json:"text_field"`
		Threshold   float64     `json:"threshold,omitempty"`
	}{LeastWords: set.cfg.LeastWords, Match: set.cfg.Match, Mode: cfg.Mode, Most: cfg.MostDocuments, TextField: cfg.TextField.String()}
	for i := range set.list {
		b := &set.list[i]
		resolved.Benchmarks = append(resolved.Benchmarks, benchmark{b.items, b.name, b.ngram, b.sum})
	}
	if set.cfg.has(MatchNgram) {
		resolved.Convention, resolved.MinShare, resolved.QueryNgrams = set.cfg.Convention, set.cfg.MinShare, set.cfg.QueryNgrams
	} else {
		for i := range resolved.Benchmarks {
			resolved.Benchmarks[i].Ngram = 0
		}
	}
	if set.cfg.has(MatchNear) {
		resolved.Measure, resolved.Threshold = set.cfg.Measure, set.cfg.Threshold
	}
	if cfg.Mode == CutMode {
		resolved.Cut = &cut{cfg.Cut.LeastPiece, cfg.Cut.MostPieces, cfg.Cut.Window}
	}
	config, err := canonical(resolved)
	if err != nil {
		return nil, err
	}
	return &Decontaminator{cfg: cfg, spec: stage.Spec{
		Name: "decontaminate", Version: 2, Config: json.RawMessage(config), Needs: []record.Path{cfg.TextField},
	}}, nil
}

// Spec implements stage.Mapper.
func (d *Decontaminator) Spec() stage.Spec { return d.spec }

// NewWorker implements stage.Mapper.
func (d *Decontaminator) NewWorker() stage.Worker {
	return &decontaminateWorker{d: d, matcher: matcher{set: d.cfg.Benchmarks, spans: d.cfg.Mode == CutMode, common: d.common}}
}

// curateDecontaminate is where the verdict is written.
var curateDecontaminate = record.MustPath("curate.decontaminate")

type decontaminateWorker struct {
	d       *Decontaminator
	matcher matcher
	scratch []byte
	cut     []byte
	json    []byte
	seen    []uint32 // benchmarks of a document
}

// Map implements stage.Worker.
func (w *decontaminateWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(w.d.cfg.TextField, &w.scratch)
		if err == nil {
			err = w.one(b, r, text)
		}
		if err != nil {
			r.QuarantineFor(err)
		}
		w.matcher.shrink(text)
		w.matcher.plain.shrink()
		if cap(w.scratch)+cap(w.cut)+cap(w.json) > scratchLimit {
			w.scratch, w.cut, w.json = nil, nil, nil
		}
	}
	return nil
}

// one sets the outcome of a record; an error is what is wrong with it.
func (w *decontaminateWorker) one(b *record.Batch, r *record.Record, text []byte) error {
	cfg, set := &w.d.cfg, w.d.cfg.Benchmarks
	found := w.matcher.match(text)
	annotate := cfg.Mode == AnnotateMode
	if len(found) == 0 {
		if annotate {
			return r.Set(curateDecontaminate, []byte(`{"verdict":"keep"}`))
		}
		// Neither the mode nor whether somebody keeps dropped records decides what is quarantined.
		return r.CanSet(curateDecontaminate)
	}
	first := &set.list[set.items[found[0].item].benchmark]
	drop, pieces, cut := true, 0, 0
	if cfg.Mode == CutMode {
		w.cut, pieces = cfg.Cut.appendPieces(w.cut[:0], text, w.matcher.plain.words, w.matcher.stretches)
		drop = len(w.cut) == 0
		cut = len(text) - len(w.cut)
	}
	var err error
	switch {
	case annotate, drop && cfg.Verdicts:
		err = r.Set(curateDecontaminate, w.verdict(text, found, first.name, pieces))
	case drop:
		err = r.CanSet(curateDecontaminate)
	default:
		if err = r.CanSet(curateDecontaminate); err == nil {
			if w.json, err = jsontext.AppendQuote(w.json[:0], w.cut); err == nil {
				err = r.Set(cfg.TextField, w.json)
			}
		}
	}
	if err != nil {
		return err
	}
	w.tally(b, found)
	switch {
	case annotate:
		r.Flag(ContaminationRule, first.name)
	case drop:
		r.DropFor(ContaminationRule, first.name)
	default:
		b.Tally(first.cutBytes, int64(cut))
	}
	return nil
}

// tally counts what was found.
func (w *decontaminateWorker) tally(b *record.Batch, found []match) {
	set := w.d.cfg.Benchmarks
	w.seen = w.seen[:0]
	for i := range found {
		item := &set.items[found[i].item]
		name := set.list[item.benchmark].name
		b.Tally(item.tally, 1)
		b.Tally(itemTally(tallyMethod, name, found[i].method, item.id), 1)
		b.Tally(itemTally(tallyTenths, name, strconv.Itoa(int(found[i].share/(million/10))), item.id), 1)
		known := false
		for _, k := range w.seen {
			known = known || k == item.benchmark
		}
		if !known {
			w.seen = append(w.seen, item.benchmark)
			b.Tally(set.list[item.benchmark].documents, 1)
		}
	}
}

// Bounds of a verdict: how many matches it tells, and how many bytes of words of each.
const (
	maxMatches    = 8
	maxMatchWords = 1 << 10
)

// verdict is the JSON text of curate.decontaminate.
func (w *decontaminateWorker) verdict(text []byte, found []match, reason string, pieces int) []byte {
	set := w.d.cfg.Benchmarks
	j := append(w.json[:0], `{"verdict":"drop","rule":"`+ContaminationRule+`","reason":`...)
	j = appendString(j, reason)
	j = append(j, `,"items":`...)
	j = strconv.AppendInt(j, int64(len(found)), 10)
	if pieces > 0 {
		j = append(j, `,"pieces":`...)
		j = strconv.AppendInt(j, int64(pieces), 10)
	}
	j = append(j, `,"matches":[`...)
	for i := range found[:min(len(found), maxMatches)] {
		f := &found[i]
		item := &set.items[f.item]
		if i > 0 {
			j = append(j, ',')
		}
		j = append(j, `{"benchmark":`...)
		j = appendString(j, set.list[item.benchmark].name)
		j = append(j, `,"item":`...)
		j = appendString(j, item.id)
		j = append(j, `,"match":"`+f.method+`","share":`...)
		j = appendSimilarity(j, f.share)
		j = append(j, `,"words":`...)
		words := w.matcher.words(text, f)
		j = appendString(j, string(words[:cutAt(words, maxMatchWords)]))
		j = append(j, '}')
	}
	w.json = append(j, `]}`...)
	return w.json
}

// appendString appends a JSON string.
func appendString(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil { // a name of the user's that is no UTF-8
		out, _ = jsontext.AppendQuote(dst, strconv.QuoteToASCII(s))
	}
	return out
}

// cutAt is where at most limit bytes of valid UTF-8 end.
func cutAt(b []byte, limit int) int {
	if len(b) <= limit {
		return len(b)
	}
	for limit > 0 && b[limit]&0xC0 == 0x80 {
		limit--
	}
	return limit
}
