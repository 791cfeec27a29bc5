package shards

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"curate/record"
	"curate/shards/mix"
	"curate/stage"
)

// Rule and reason of a record that is not in the sample.
const (
	SampleRule   = "sample"
	SampleReason = "not_sampled"
)

// Tallies of a sample: numbers of all records that came to it, and of those in it; with SampleConfig.By for each group,
// behind a colon. Tokens are the unit of a budget of tokens, or of records that carry ids; bytes that of a budget of bytes.
const (
	TallyAvailable = "available_" // documents, tokens, bytes
	TallySampled   = "sampled_"
)

// SampleConfig says how large a sample is. Exactly one of Tokens, Bytes, Documents and Share is set.
type SampleConfig struct {
	// Seed of the order in which documents are taken.
	Seed uint64
	// Tokens that the sample is to have, as nearly as whole documents allow: those that a stage before has noted
	// (record.Tokens), or Count. No EOD is counted.
	Tokens int64
	// Count notes the tokens of records where no stage before has. It runs within Key, stages no edits, and what it
	// sets aside is set aside. So the records need not be copied for the second look at them, as they would be behind
	// a stage of its own.
	Count stage.Mapper
	// Bytes of text in UTF-8 that the sample is to have, as nearly as whole documents allow.
	Bytes int64
	// Documents of the sample.
	Documents int64
	// Share of the documents, above 0 and at most 1, to the nearest document, half of one up.
	Share float64
	// TextField has the text whose bytes count; "text" by default.
	TextField record.Path
	// By is a field whose value, a string, number, boolean or null (which it is where it is missing), is the record's
	// group. There may be 1,000 groups, whose names have at most 256 bytes.
	By record.Path
	// PerGroup takes a sample of each group with the same budget. Without it By only tells what the sample is made of.
	PerGroup bool
	// Annotate drops nothing: the verdict is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. It is no part of the stage's identity.
	Verdicts bool
}

// Sampler keeps as many documents as a budget allows, in an order that the seed and their IDs decide (ShuffleKey), each
// once: a sample without replacement. With the same seed and input the sample of a larger budget contains that of a
// smaller one, in the same unit or another. It is immutable.
type Sampler struct {
	cfg  SampleConfig
	spec stage.Spec
}

const (
	maxSampleGroups = 1000
	maxGroupName    = 256
)

// NewSampler makes the stage.
func NewSampler(cfg SampleConfig) (*Sampler, error) {
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	set := 0
	for _, n := range []struct {
		name  string
		value int64
	}{{"tokens", cfg.Tokens}, {"bytes", cfg.Bytes}, {"documents", cfg.Documents}} {
		if n.value < 0 || n.value > mix.MaxTokens {
			return nil, fmt.Errorf("sample: %d %s: a number from 1 to 2^62", n.value, n.name)
		}
		if n.value > 0 {
			set++
		}
	}
	if !(cfg.Share >= 0 && cfg.Share <= 1) {
		return nil, fmt.Errorf("sample: a share of %v: a number above 0, at most 1", cfg.Share)
	}
	if cfg.Share > 0 {
		set++
	}
	switch {
	case set == 0:
		return nil, errors.New("sample: how much of it? Set tokens, bytes, documents or a share")
	case set > 1:
		return nil, errors.New("sample: tokens, bytes, documents and a share: leave all but one of them out")
	case cfg.Count != nil && cfg.Tokens == 0:
		return nil, errors.New("sample: a tokenizer is of use only for a number of tokens; leave it out")
	case cfg.PerGroup && cfg.By.String() == "":
		return nil, errors.New("sample: a sample of each group, and no field that says the group; set it")
	}
	resolved := struct {
		Annotate  bool    `json:"annotate"`
		By        string  `json:"by"`
		Bytes     string  `json:"bytes"` // strings, since RFC 8785 rounds numbers above 2^53
		Count     any     `json:"count"`
		Documents string  `json:"documents"`
		PerGroup  bool    `json:"per_group"`
		Seed      string  `json:"seed"`
		Share     float64 `json:"share"`
		TextField string  `json:"text_field"`
		Tokens    string  `json:"tokens"`
	}{cfg.Annotate, cfg.By.String(), strconv.FormatInt(cfg.Bytes, 10), nil, strconv.FormatInt(cfg.Documents, 10), cfg.PerGroup,
		strconv.FormatUint(cfg.Seed, 10), cfg.Share, cfg.TextField.String(), strconv.FormatInt(cfg.Tokens, 10)}
	spec := stage.Spec{Name: "sample", Version: 1}
	if cfg.Bytes > 0 {
		spec.Needs = append(spec.Needs, cfg.TextField)
	}
	if cfg.Count != nil {
		c := cfg.Count.Spec()
		resolved.Count = struct {
			Config  any    `json:"config"`
			Name    string `json:"name"`
			Version int    `json:"version"`
		}{c.Config, c.Name, c.Version}
		spec.Needs, spec.Accepts, spec.Uses = append(spec.Needs, c.Needs...), c.Accepts, append(spec.Uses, c.Uses...)
	}
	if cfg.By.String() != "" {
		spec.Uses = append(spec.Uses, cfg.By)
	}
	spec.Config = resolved
	return &Sampler{cfg: cfg, spec: spec}, nil
}

// Spec implements stage.Reducer.
func (s *Sampler) Spec() stage.Spec { return s.spec }

// unit is what is measured of a document beside that it is one.
func (s *Sampler) unit() string {
	if s.cfg.Bytes > 0 {
		return "bytes"
	}
	return "tokens"
}

// Key implements stage.Reducer. A record's key is its measure (4 bytes, big-endian) and the name of its group.
func (s *Sampler) Key() stage.Mapper { return sampleKey{s} }

type sampleKey struct{ s *Sampler }

// Spec implements stage.Mapper.
func (k sampleKey) Spec() stage.Spec { return k.s.spec }

// NewWorker implements stage.Mapper.
func (k sampleKey) NewWorker() stage.Worker {
	w := &sampleKeyWorker{cfg: &k.s.cfg}
	if k.s.cfg.Count != nil {
		w.count = k.s.cfg.Count.NewWorker()
	}
	return w
}

type sampleKeyWorker struct {
	cfg     *SampleConfig
	count   stage.Worker // nil without
	scratch []byte
	key     []byte
}

const (
	measureWidth = 4
	// sampleScratch is what a worker keeps between records, in bytes. Nearly all need less.
	sampleScratch = 4 << 20
)

// Map implements stage.Worker.
func (w *sampleKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.count != nil {
		if err := w.count.Map(ctx, b); err != nil {
			return err
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		measure, err := w.measure(r)
		if err != nil {
			if _, bad := err.(*record.FieldError); !bad {
				return err
			}
		} else {
			w.key, err = appendGroup(binary.BigEndian.AppendUint32(w.key[:0], measure), r, w.cfg.By, &w.scratch)
		}
		if err == nil && w.cfg.Annotate {
			err = r.CanSet(curateSample) // all will be written into: one that cannot be takes no place in the sample
		}
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		r.SetKey(w.key)
		if cap(w.scratch) > sampleScratch {
			w.scratch = nil
		}
	}
	return nil
}

// measure of a record. Only a *record.FieldError is the record's fault.
func (w *sampleKeyWorker) measure(r *record.Record) (uint32, error) {
	if w.cfg.Bytes > 0 {
		text, err := r.Text(w.cfg.TextField, &w.scratch)
		return uint32(len(text)), err // a line has less than 2 GiB
	}
	ids, ok := r.Tokens()
	if !ok && w.cfg.Tokens > 0 {
		return 0, fmt.Errorf("sample: record %d has no token ids, and a number of tokens is asked for; name a tokenizer, or tokenize before, in the same step", r.ID)
	}
	return uint32(len(ids)), nil
}

// The first byte of a group's name is the kind of its value: a string's bytes follow, or the JSON text of a number or
// boolean, or nothing of null. Without SampleConfig.By the name is empty.
const (
	groupNull   = 'n'
	groupString = 's'
	groupOther  = 'v'
)

// appendGroup appends the name of the record's group. The error is a *record.FieldError.
func appendGroup(dst []byte, r *record.Record, by record.Path, scratch *[]byte) ([]byte, error) {
	if by.String() == "" {
		return dst, nil
	}
	kind, value := byte(groupNull), []byte(nil)
	switch v, ok := r.Value(by); {
	case !ok || v[0] == 'n':
	case v[0] == '"':
		text, err := r.Text(by, scratch)
		if err != nil {
			return dst, err
		}
		kind, value = groupString, text
	case v[0] == '[':
		return dst, &record.FieldError{Field: by.String(), Problem: "is an array, and no name of a group"}
	case v[0] == '{':
		return dst, &record.FieldError{Field: by.String(), Problem: "is an object, and no name of a group"}
	default:
		kind, value = groupOther, v
	}
	if len(value) > maxGroupName {
		return dst, &record.FieldError{Field: by.String(), Problem: fmt.Sprintf("is too long for the name of a group: more than %d bytes", maxGroupName)}
	}
	return append(append(dst, kind), value...), nil
}

// checkGroup says whether a name that was read can have been written.
func checkGroup(name []byte, grouped bool) bool {
	if !grouped || len(name) == 0 {
		return !grouped && len(name) == 0
	}
	switch name[0] {
	case groupNull:
		return len(name) == 1
	case groupString, groupOther:
		return len(name) <= 1+maxGroupName && utf8.Valid(name)
	}
	return false
}

// groupLabel is the group as tallies name it: strings and other values as they are.
func groupLabel(name string) string {
	if name == "" || name[0] == groupNull {
		return "null"
	}
	return name[1:]
}

// want is how much of so many documents is asked for, in the unit of size.
func (s *Sampler) want(documents int64) int64 {
	switch {
	case s.cfg.Share > 0:
		return int64(math.Floor(s.cfg.Share*float64(documents) + 0.5))
	case s.cfg.Documents > 0:
		return s.cfg.Documents
	}
	return s.cfg.Tokens + s.cfg.Bytes // one of them is 0
}

// size of a document in the unit of the budget.
func (s *Sampler) size(measure uint32) int64 {
	if s.cfg.Tokens+s.cfg.Bytes > 0 {
		return int64(measure)
	}
	return 1
}

// curateSample is where the verdict is written.
var curateSample = record.MustPath("curate.sample")

// sampleApply is the Mapper that Finish returns.
type sampleApply struct {
	s      *Sampler
	groups map[string]*sampledGroup
	all    []sampledGroup // in order, for tallies
	first  uint64         // ID of the record that carries the tallies
}

// Spec implements stage.Mapper.
func (a *sampleApply) Spec() stage.Spec { return a.s.spec }

// NewWorker implements stage.Mapper.
func (a *sampleApply) NewWorker() stage.Worker { return &sampleApplyWorker{a: a} }

type sampleApplyWorker struct {
	a       *sampleApply
	scratch []byte
	name    []byte
}

const (
	sampleKept    = `{"verdict":"keep"}`
	sampleDropped = `{"verdict":"drop","rule":"` + SampleRule + `","reason":"` + SampleReason + `"}`
)

// Map implements stage.Worker.
func (w *sampleApplyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cfg := &w.a.s.cfg
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		var err error
		if w.name, err = appendGroup(w.name[:0], r, cfg.By, &w.scratch); err != nil {
			r.QuarantineFor(err)
			continue
		}
		if cap(w.scratch) > sampleScratch {
			w.scratch = nil
		}
		g, ok := w.a.groups[string(w.name)]
		if !ok {
			return fmt.Errorf("sample: record %d is of group %q, which nothing was of when the sample was drawn; the inputs must not change meanwhile", r.ID, groupLabel(string(w.name)))
		}
		if uint64(r.ID) == w.a.first {
			w.a.tally(b)
		}
		dropped := !g.Mark.Before(ShuffleKey(cfg.Seed, uint64(r.ID)), uint64(r.ID))
		switch {
		case dropped && (cfg.Annotate || cfg.Verdicts):
			err = r.Set(curateSample, []byte(sampleDropped))
		case cfg.Annotate:
			err = r.Set(curateSample, []byte(sampleKept))
		case dropped:
			err = r.CanSet(curateSample) // whether somebody keeps dropped records decides nothing
		}
		switch {
		case err != nil:
			r.QuarantineFor(err)
		case !dropped:
		case cfg.Annotate:
			r.Flag(SampleRule, SampleReason)
		default:
			r.DropFor(SampleRule, SampleReason)
		}
	}
	return nil
}

// tally notes the whole sample's numbers at once, with the first of all records: whatever batches there are, and
// however often a run is killed, that one is counted once.
func (a *sampleApply) tally(b *record.Batch) {
	for i := range a.all {
		g, of := &a.all[i], ""
		if a.s.cfg.By.String() != "" {
			of = ":" + groupLabel(g.Name)
		}
		b.Tally(TallyAvailable+"documents"+of, g.Documents)
		b.Tally(TallySampled+"documents"+of, g.SampledDocuments)
		if g.Measure > 0 {
			b.Tally(TallyAvailable+a.s.unit()+of, g.Measure)
			b.Tally(TallySampled+a.s.unit()+of, g.SampledMeasure)
		}
	}
}
