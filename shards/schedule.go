package shards

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/shards/format"
)

// ScheduleFile lies in the output directory, beside the folders of the shard sets, and says in which order a trainer
// goes through them, and what of each source came into them.
const ScheduleFile = "schedule.json"

const scheduleVersion = 1

// Schedule is what ScheduleFile holds. docs/formats/shard-set.md explains it.
type Schedule struct {
	Version    int    `json:"version"`
	Format     string `json:"format"`
	Vocabulary int    `json:"vocabulary_size"`
	EOD        *int   `json:"eod"` // null: none
	Tokenizer  string `json:"tokenizer"`
	Seed       uint64 `json:"seed"`
	// TokensPerStep is the same at every length: a step has TokensPerStep / Length rows. 0 if it was not given.
	TokensPerStep int64   `json:"tokens_per_step"`
	Stages        []Stage `json:"stages"` // in the order of training
	// Preference is the folder of the set of preference pairs, "" without.
	Preference string           `json:"preference"`
	Pairs      int64            `json:"pairs"`
	Sources    []ScheduleSource `json:"sources"`
	// Lengths is a histogram of the documents' tokens, EOD included, each document once: bins are those of stage.Bin.
	Lengths []LengthBin `json:"document_lengths"`
	// Longer is how many documents have more tokens than a row of each stage, by stage.
	Longer []int64 `json:"documents_longer"`
	// SHA256 is that of the file with "" here, in hex.
	SHA256 string `json:"sha256"`
}

// Stage is a shard set of the schedule.
type Stage struct {
	Dir         string  `json:"dir"` // "length-2048"
	Length      int     `json:"length"`
	ShareAsked  float64 `json:"share_asked"`
	Share       float64 `json:"share"` // of all tokens, 6 digits
	Documents   int64   `json:"documents"`
	Tokens      int64   `json:"tokens"` // without padding
	Sequences   int64   `json:"sequences"`
	RowsPerStep int64   `json:"rows_per_step"` // 0 without TokensPerStep
	FirstStep   int64   `json:"first_step"`    // from 0
	Steps       int64   `json:"steps"`         // the last may have fewer rows
}

// ScheduleSource is a source of the mixture, asked for and realised.
type ScheduleSource struct {
	Name      string `json:"name"`
	Available struct {
		Documents int64 `json:"documents"`
		Tokens    int64 `json:"tokens"`
	} `json:"available"`
	Asked struct {
		Epochs float64 `json:"epochs,omitzero"`
		Tokens int64   `json:"tokens,omitzero"`
		Share  float64 `json:"share,omitzero"`
		Capped bool    `json:"capped,omitzero"`
	} `json:"asked"`
	Wanted      int64   `json:"tokens_wanted"` // what the mixture wants of it
	Documents   int64   `json:"documents"`     // copies, of all stages
	Tokens      int64   `json:"tokens"`
	Epochs      float64 `json:"epochs"` // tokens / available tokens, 6 digits
	Share       float64 `json:"share"`  // of all tokens, 6 digits
	ShareWanted float64 `json:"share_wanted"`
	ByStage     []int64 `json:"tokens_by_stage"`
	Pairs       int64   `json:"pairs,omitzero"`
}

// LengthBin is a bin of a histogram.
type LengthBin struct {
	From      int64 `json:"from"` // tokens: the bin's least
	Documents int64 `json:"documents"`
	Tokens    int64 `json:"tokens"`
}

// ParseSchedule reads a schedule strictly; name is the file's, for errors.
func ParseSchedule(name string, b []byte) (*Schedule, error) {
	s := &Schedule{}
	if err := json.Unmarshal(b, s, json.RejectUnknownMembers(true)); err != nil {
		return nil, jsonFault(name, err)
	}
	if s.Version != scheduleVersion {
		return nil, format.NewFault(name, -1, "version %d; this program knows %d", s.Version, scheduleVersion)
	}
	if problem := s.plausible(); problem != "" {
		return nil, format.NewFault(name, -1, "%s", problem)
	}
	return s, nil
}

// plausible says what no sets could make right, or "".
func (s *Schedule) plausible() string {
	tokens, step := int64(0), int64(0)
	if s.TokensPerStep < 0 {
		return fmt.Sprintf("%d tokens a step", s.TokensPerStep)
	}
	for g, st := range s.Stages {
		if st.Length < minLength || st.Length > maxLength || st.Documents < 0 || st.Sequences < 0 || st.Tokens < st.Sequences {
			return fmt.Sprintf("stage %d has length %d, %d documents, %d sequences and %d tokens", g, st.Length, st.Documents, st.Sequences, st.Tokens)
		}
		if tokens += st.Tokens; tokens < 0 {
			return "tokens add up to more than 2^63-1"
		}
		rows, steps := int64(0), int64(0)
		if s.TokensPerStep > 0 {
			if rows = s.TokensPerStep / int64(st.Length); s.TokensPerStep%int64(st.Length) != 0 {
				return fmt.Sprintf("%d tokens a step are no whole number of rows of stage %d", s.TokensPerStep, g)
			}
			steps = stepsOf(st.Sequences, rows)
		}
		if st.RowsPerStep != rows || st.Steps != steps || st.FirstStep != step {
			return fmt.Sprintf("stage %d has %d steps from %d on, of %d rows; it is %d from %d on, of %d", g, st.Steps, st.FirstStep, st.RowsPerStep, steps, step, rows)
		}
		step += steps
	}
	for g, st := range s.Stages {
		if want := share(float64(st.Tokens), float64(tokens)); st.Share != want {
			return fmt.Sprintf("stage %d has a share of %v; it is %v", g, st.Share, want)
		}
	}
	for _, src := range s.Sources {
		epochs, part := share(float64(src.Tokens), float64(src.Available.Tokens)), share(float64(src.Tokens), float64(tokens))
		if src.Documents < 0 || src.Tokens < 0 || src.Available.Tokens < 0 || src.Epochs != epochs || src.Share != part || len(src.ByStage) != len(s.Stages) {
			return fmt.Sprintf("source %q has %d documents and %d tokens, %v epochs, a share of %v and %d stages; they are %v, %v and %d", src.Name,
				src.Documents, src.Tokens, src.Epochs, src.Share, len(src.ByStage), epochs, part, len(s.Stages))
		}
	}
	return ""
}

// stepsOf so many sequences, the last with fewer perhaps.
func stepsOf(sequences, rows int64) int64 {
	steps := sequences / rows
	if sequences%rows > 0 {
		steps++
	}
	return steps
}

// Step says which rows a trainer sees at a step, from 0, if each has tokensPerStep tokens: stage, first row and how many.
// The rows of a stage are gone through in order, so that its last step may have fewer.
func (s *Schedule) Step(step, tokensPerStep int64) (stage int, from, rows int64, err error) {
	first := int64(0)
	if step < 0 {
		return 0, 0, 0, fmt.Errorf("step %d; steps are counted from 0", step)
	}
	for g, st := range s.Stages {
		per := tokensPerStep / int64(st.Length)
		if per < 1 || tokensPerStep%int64(st.Length) != 0 {
			return 0, 0, 0, fmt.Errorf("%d tokens a step are no whole number of rows of %d tokens", tokensPerStep, st.Length)
		}
		steps := stepsOf(st.Sequences, per)
		if step < first+steps {
			from = (step - first) * per
			return g, from, min(per, st.Sequences-from), nil
		}
		first += steps
	}
	return 0, 0, 0, fmt.Errorf("there are %d steps of %d tokens, counted from 0", first, tokensPerStep)
}

// OpenSchedule reads the schedule of the sets in a directory; nil if there is none, as in a folder of one converted set.
func OpenSchedule(ctx context.Context, st store.Store, dir string) (*Schedule, error) {
	name := path.Join(dir, ScheduleFile)
	b, err := readAll(ctx, st, name, manifestLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := ParseSchedule(name, b)
	if err != nil {
		return nil, err
	}
	if same, err := s.encode(); err != nil || !bytes.Equal(same, b) {
		return nil, format.NewFault(name, -1, "its sha256 is not what it says: it was changed after it was written; restore it, or build the shards again")
	}
	return s, nil
}

// check says what the schedule has wrong of the sets beside it, by folder, or "".
func (s *Schedule) check(sets map[string]*Manifest) string {
	sums := make([]ManifestSource, len(s.Sources))
	for g, st := range s.Stages {
		m := sets[st.Dir]
		switch {
		case m == nil:
			return fmt.Sprintf("there is no shard set %q, which is stage %d", st.Dir, g)
		case m.Length != st.Length || m.Documents != st.Documents || m.Tokens != st.Tokens || m.Sequences != st.Sequences:
			return fmt.Sprintf("stage %d has length %d, %d documents, %d tokens and %d sequences; the set %d, %d, %d and %d", g,
				st.Length, st.Documents, st.Tokens, st.Sequences, m.Length, m.Documents, m.Tokens, m.Sequences)
		case m.Format != s.Format || m.Vocabulary != s.Vocabulary || m.Tokenizer != s.Tokenizer || m.Seed != s.Seed || !equalIDs(m.EOD, s.EOD):
			return fmt.Sprintf("format, vocabulary, tokenizer, EOD or seed are not those of stage %d", g)
		case len(m.Sources) != len(s.Sources):
			return fmt.Sprintf("it has %d sources, and stage %d has %d", len(s.Sources), g, len(m.Sources))
		}
		for i, src := range m.Sources {
			if src.Name != s.Sources[i].Name {
				return fmt.Sprintf("source %d is %q, and %q in stage %d", i, s.Sources[i].Name, src.Name, g)
			}
			if by := s.Sources[i].ByStage[g]; by != src.Tokens {
				return fmt.Sprintf("source %q has %d tokens in stage %d; the set has %d", src.Name, by, g, src.Tokens)
			}
			sums[i].Documents += src.Documents
			sums[i].Tokens += src.Tokens
		}
	}
	for i, src := range s.Sources {
		if src.Documents != sums[i].Documents || src.Tokens != sums[i].Tokens {
			return fmt.Sprintf("source %q has %d documents and %d tokens; the sets have %d and %d", src.Name, src.Documents, src.Tokens, sums[i].Documents, sums[i].Tokens)
		}
	}
	if s.Preference != "" {
		if m := sets[s.Preference]; m == nil || m.Documents != s.Pairs {
			return fmt.Sprintf("there is no shard set %q of %d pairs", s.Preference, s.Pairs)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(sets)) { // others may lie there that were converted
		if isSetDir(dir) && !slices.ContainsFunc(s.Stages, func(st Stage) bool { return st.Dir == dir }) {
			return fmt.Sprintf("it does not know the shard set %q", dir)
		}
	}
	return ""
}

func equalIDs(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

// encode writes the schedule as it lies in the directory, with its digest.
func (s *Schedule) encode() ([]byte, error) {
	write := func(digest string) ([]byte, error) {
		out := *s
		out.SHA256 = digest
		b, err := json.Marshal(&out, json.FormatNilSliceAsNull(false), jsontext.WithIndent("  "))
		return append(b, '\n'), err
	}
	b, err := write("")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return write(hex.EncodeToString(sum[:]))
}
