package dedup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// SplitRule is the rule by which a Splitter drops. Its reasons are the names of the parts that documents are in.
const SplitRule = "split"

// SplitConfig says which documents are in which part of a corpus, and which part is kept.
type SplitConfig struct {
	// TextField is where a record has its text; "text" by default. The exact bytes of the decoded text count. A record
	// where it is missing, or no string, is quarantined.
	TextField record.Path
	// Seed of the partition: another one makes other parts.
	Seed uint64
	// Parts beside TrainPart, in the order of the Partition.
	Parts []Part
	// Keep is the part whose documents are kept; TrainPart by default.
	Keep string
	// By is a field that decides in the place of the text, such as a URL or the number of a group of documents: those
	// with the same value are in the same part, and the same text may then be in several. A string counts as its
	// decoded text, any other value as its JSON text without white space. A record where it is missing or null is
	// quarantined. The zero Path is the text.
	By record.Path
	// HeldOut are texts whose documents are in HeldOutPart, and in no other. It may be nil.
	HeldOut *HeldOut
	// Near are texts whose documents, and those that are similar to one of them, are in HeldOutPart. It may be nil.
	Near *NearHeldOut
	// Carry writes the part into dropped records in a way that Carried undoes, so that the other parts can be made of
	// them when their texts alone do not tell (ClusterSplit). It changes no decision.
	Carry bool
	// TextOptional says that a record without a text is none of them, and not quarantined. There are no Parts then, or
	// By decides about them.
	TextOptional bool
	// Annotate drops nothing: the part is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// Splitter keeps the documents of one part. It is immutable and serves any number of goroutines.
//
// The part of a document depends on its text, or the field in its place, and on the configuration, and on nothing
// else: exact duplicates are in one part, and what is added to a corpus moves no document.
type Splitter struct {
	cfg       SplitConfig
	by        bool
	text      bool // is looked at
	partition *Partition
	spec      stage.Spec
}

// NewSplitter makes the stage.
func NewSplitter(cfg SplitConfig) (*Splitter, error) {
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	if cfg.Keep == "" {
		cfg.Keep = TrainPart
	}
	p, err := NewPartition(cfg.Seed, cfg.Parts)
	if err != nil {
		return nil, err
	}
	names := []string{TrainPart}
	for _, part := range cfg.Parts {
		if part.Share > 0 {
			names = append(names, part.Name)
		}
	}
	if cfg.HeldOut != nil || cfg.Near != nil {
		names = append(names, HeldOutPart)
	}
	if len(names) == 1 {
		return nil, fmt.Errorf("there is nothing to split: no part has a share, and nothing is held out")
	}
	if !slices.Contains(names, cfg.Keep) {
		return nil, stage.UnknownName("part", cfg.Keep, names)
	}
	s := &Splitter{cfg: cfg, by: cfg.By.String() != "", partition: p}
	s.text = !s.by || cfg.HeldOut != nil || cfg.Near != nil
	if cfg.TextOptional && !s.by && len(cfg.Parts) > 0 {
		return nil, fmt.Errorf("the part of a record goes by its text, which cannot be optional then")
	}
	var needs, uses []record.Path
	switch {
	case cfg.TextOptional:
		uses = append(uses, cfg.TextField)
	case s.text:
		needs = append(needs, cfg.TextField)
	}
	if s.by {
		needs = append(needs, cfg.By)
	}
	type heldOut struct {
		SHA256 string `json:"sha256"` // of the digests
		Texts  int    `json:"texts"`
	}
	type nearBy struct {
		Documents int     `json:"documents"`
		Scheme    string  `json:"scheme"`
		Version   int     `json:"scheme_version"`
		SHA256    string  `json:"sha256"` // of the shingles
		Threshold float64 `json:"threshold"`
	}
	resolved := struct { // keys in the order of their names
		Annotate     bool     `json:"annotate"`
		By           string   `json:"by"` // "" is the text
		HeldOut      *heldOut `json:"held_out"`
		Keep         string   `json:"keep"`
		Near         *nearBy  `json:"near,omitempty"`
		Parts        []Part   `json:"parts"`
		Seed         uint64   `json:"seed,string"` // a JSON number has 53 bits
		TextField    string   `json:"text_field"`
		TextOptional bool     `json:"text_optional"`
	}{cfg.Annotate, cfg.By.String(), nil, cfg.Keep, nil, append([]Part{}, cfg.Parts...), cfg.Seed, cfg.TextField.String(), cfg.TextOptional}
	if h := cfg.HeldOut; h != nil {
		resolved.HeldOut = &heldOut{h.sum, h.Len()}
	}
	if n := cfg.Near; n != nil {
		resolved.Near = &nearBy{n.documents, n.scheme.Name, n.scheme.Version, n.sum, float64(n.threshold) / million}
	}
	raw, err := json.Marshal(resolved)
	if err != nil {
		return nil, err
	}
	canonical := jsontext.Value(raw) // RFC 8785
	if err := canonical.Canonicalize(); err != nil {
		return nil, err
	}
	s.spec = stage.Spec{Name: "split", Version: 1, Config: json.RawMessage(canonical), Needs: needs, Uses: uses}
	return s, nil
}

// Spec implements stage.Mapper.
func (s *Splitter) Spec() stage.Spec { return s.spec }

// NewWorker implements stage.Mapper.
func (s *Splitter) NewWorker() stage.Worker { return &splitWorker{s: s} }

// curateSplit is where the part is written.
var curateSplit = record.MustPath("curate.split")

type splitWorker struct {
	s                    *Splitter
	places               *Cursor // of the documents of clusters that are not where their own texts are; or nil
	near                 nearScratch
	textScratch, scratch []byte
	json                 []byte
}

// Map implements stage.Worker.
func (w *splitWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		bad, err := w.one(r)
		if err != nil {
			return err
		}
		if bad != nil {
			r.QuarantineFor(bad)
		}
		if cap(w.textScratch)+cap(w.scratch) > scratchLimit {
			w.textScratch, w.scratch = nil, nil
		}
	}
	return nil
}

// one sets the outcome of a record; bad is what is wrong with it, and err what is with the run.
func (w *splitWorker) one(r *record.Record) (bad, err error) {
	place, known := uint64(0), false
	if w.places != nil {
		places, ok, err := w.places.Buckets(r.ID)
		if err != nil {
			return nil, err
		}
		if known = ok; ok {
			place = places[0]
		}
	}
	part, bad := w.part(r, place, known)
	if bad != nil {
		return bad, nil
	}
	return w.decide(r, part), nil
}

// decide does with a record what its part asks for; an error is what is wrong with it.
func (w *splitWorker) decide(r *record.Record, part string) (err error) {
	cfg := &w.s.cfg
	drop := part != cfg.Keep
	if drop && cfg.Carry {
		if err = r.CanSet(curateSplit); err == nil {
			err = carry(r, part)
		}
	} else if cfg.Annotate || drop && cfg.Verdicts {
		err = r.Set(curateSplit, w.verdict(part, drop))
	} else {
		// Neither the part that is asked for nor whether somebody keeps dropped records decides what is quarantined.
		err = r.CanSet(curateSplit)
	}
	if err != nil {
		return err
	}
	markDropped(r, drop, cfg.Annotate, SplitRule, part)
	return nil
}

// part is the name of the part that the record is in. Its place is that of its own text unless another one is known.
func (w *splitWorker) part(r *record.Record, place uint64, known bool) (string, error) {
	s := w.s
	var value []byte
	var err error
	held := false
	if s.text {
		if value, err = r.Text(s.cfg.TextField, &w.textScratch); err != nil && !s.cfg.TextOptional {
			return "", err
		}
		held = err == nil && (s.cfg.HeldOut != nil && s.cfg.HeldOut.Has(value) || s.cfg.Near != nil && s.cfg.Near.has(value, &w.near))
	}
	if s.by { // of what is held out, too: what is quarantined is so in every part
		if value, _, err = fieldValue(r, s.cfg.By, &w.scratch); err != nil {
			return "", err
		}
	}
	if held {
		return HeldOutPart, nil
	}
	if known {
		return s.partition.at(place), nil
	}
	return s.partition.Part(value), nil
}

// verdict is the JSON text of curate.split. Names of parts need no escapes.
func (w *splitWorker) verdict(part string, drop bool) []byte {
	j := append(w.json[:0], `{"part":"`...)
	j = append(j, part...)
	if drop && !w.s.cfg.Annotate {
		j = append(j, `","verdict":"drop","rule":"`+SplitRule+`","reason":"`...)
		j = append(j, part...)
	}
	w.json = append(j, `"}`...)
	return w.json
}
