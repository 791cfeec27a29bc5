package shards

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/shards/format"
	"curate/shards/mix"
	"curate/shards/pack"
)

// NoEOD is the Vocabulary.EOD of documents that nothing is appended to.
const NoEOD = format.NoEOD

// Vocabulary is what must be known of the tokenizer.
type Vocabulary struct {
	// Size is how many ids there are: every id is below it. Added tokens count.
	Size int
	// EOD is the id that is appended to each document, or NoEOD.
	EOD int
	// Fingerprint tells this tokenizer from others; it is only carried along.
	Fingerprint string
}

// Length is one step of the schedule of lengths.
type Length struct {
	Length int     // tokens of a row: the trainer's context
	Share  float64 // of all tokens; 0 means all that no other step asks for
}

// FileSource names the source of the records of some files, "" for one without a name.
type FileSource struct {
	Name  string `json:"name"`
	Files int    `json:"files"` // how many files of the manifest, from where the one before ends
}

// Limits of Config.
const (
	minLength    = 2
	maxLength    = format.MaxWidth - 1
	maxVocab     = math.MaxInt32
	maxShardSize = 1 << 40 // tokens
	maxStages    = 16

	// DefaultLength is that of Config with an empty schedule.
	DefaultLength = 2048
	// DefaultShardSize is 2 GiB of tokens of two bytes.
	DefaultShardSize = 1 << 30
	// DefaultFormat is that of Config without one.
	DefaultFormat = "megatron"
	// PairFormat is what preference pairs are written as.
	PairFormat = "parquet-preference"
)

// Config of the stage.
type Config struct {
	Vocabulary Vocabulary
	// Format names how shards are laid out; DefaultFormat if empty.
	Format string
	// Schedule of lengths, in the order of training; DefaultLength alone if empty. Documents are divided among them by
	// their shares of the tokens, each source by itself: no document is in two sets.
	Schedule []Length
	// TokensPerStep is the same at every length, and a multiple of each; 0 if it does not matter.
	TokensPerStep int64
	// Packing is how documents become rows (a name of package pack), "" for sequences that are documents, however long.
	Packing string
	// Pad fills up packed rows, with PadID or, if that is below 0, the EOD. Formats that are read by counting tokens are
	// padded in any case.
	Pad   bool
	PadID int
	// Seed of the shuffle.
	Seed uint64
	// ShardSize is how many tokens a shard may hold (one sequence may be more); DefaultShardSize if 0.
	ShardSize int64
	// Name of the shards, before their number; the format's own if empty.
	Name string
	// Mix is how often the documents of each source are used; the zero Spec uses each once.
	Mix mix.Spec
	// Sources are those of the files, in the order of the manifest; files behind them are of the one without a name.
	Sources []FileSource
	// By is the field that names a record's source instead; the zero Path for none.
	By record.Path
}

// settings are a Config as it is meant.
type settings struct {
	Config
	format format.Format
	traits format.Traits
	dtype  format.Dtype
	method *pack.Method // nil without packing
	padID  int          // -1 if rows are not padded
	names  []string     // source of each file, by number less 1
	json   []byte       // RFC 8785
	digest string       // sha256 of json
}

// resolve fills in defaults and refuses what cannot be.
func (c Config) resolve() (*settings, error) {
	s := &settings{Config: c, padID: -1}
	if s.Format == "" {
		s.Format = DefaultFormat
	}
	var err error
	if s.format, err = format.Named(s.Format); err != nil {
		return nil, err
	}
	if s.traits = s.format.Traits(); s.traits.Pairs {
		return nil, fmt.Errorf("shards: format %s is for preference pairs, which are written as that whatever the format of documents and chats", s.Format)
	}
	v := s.Vocabulary
	if v.Size < 1 || v.Size > maxVocab {
		return nil, fmt.Errorf("shards: a vocabulary of %d ids; it must have 1 to %d", v.Size, maxVocab)
	}
	if v.EOD != NoEOD && (v.EOD < 0 || v.EOD >= v.Size) {
		return nil, fmt.Errorf("shards: the EOD token has id %d, and the vocabulary only %d ids", v.EOD, v.Size)
	}
	if s.dtype, err = s.format.Dtype(v.Size); err != nil {
		return nil, fmt.Errorf("shards: %w", err)
	}
	if err := s.schedule(); err != nil {
		return nil, err
	}
	if s.Packing != "" {
		m, err := pack.Named(s.Packing)
		if err != nil {
			return nil, fmt.Errorf("shards: %w", err)
		}
		s.method = &m
	}
	if s.Pad && s.method == nil {
		return nil, fmt.Errorf("shards: only packed rows can be padded")
	}
	if s.method != nil && (s.Pad || s.traits.Padded) {
		if s.padID = s.PadID; s.padID < 0 {
			s.padID = v.EOD
		}
		if s.padID == NoEOD {
			return nil, fmt.Errorf("shards: rows of format %s are padded, and there is no EOD to do it with; name a token that pads", s.Format)
		}
		if s.padID >= v.Size {
			return nil, fmt.Errorf("shards: the token that pads has id %d, and the vocabulary only %d ids", s.padID, v.Size)
		}
	}
	if s.ShardSize == 0 {
		s.ShardSize = DefaultShardSize
	}
	if s.ShardSize < 1 || s.ShardSize > maxShardSize {
		return nil, fmt.Errorf("shards: a shard size of %d tokens; it must be 1 to %d", s.ShardSize, int64(maxShardSize))
	}
	if s.Name == "" {
		if s.Name = s.traits.Name; s.Name == "" {
			s.Name = "shard"
		}
	}
	if !isShardName(s.Name) {
		return nil, fmt.Errorf("shards: %q is no name for shards: letters, digits, - and _, a letter first", s.Name)
	}
	if err := s.Mix.Check(); err != nil {
		return nil, fmt.Errorf("shards: %w", err)
	}
	if err := s.sources(); err != nil {
		return nil, err
	}
	return s, s.digests()
}

// schedule fills in the shares that are not given.
func (s *settings) schedule() error {
	if len(s.Schedule) == 0 {
		s.Schedule = []Length{{DefaultLength, 1}}
	}
	if len(s.Schedule) > maxStages {
		return fmt.Errorf("shards: a schedule of %d lengths; at most %d are possible", len(s.Schedule), maxStages)
	}
	s.Schedule = append([]Length{}, s.Schedule...)
	sum, rest := 0.0, -1
	for i, step := range s.Schedule {
		if step.Length < minLength || step.Length > maxLength {
			return fmt.Errorf("shards: a length of %d tokens; it must be %d to %d", step.Length, minLength, maxLength)
		}
		for _, before := range s.Schedule[:i] {
			if before.Length == step.Length {
				return fmt.Errorf("shards: the schedule has length %d twice", step.Length)
			}
		}
		if s.TokensPerStep > 0 && s.TokensPerStep%int64(step.Length) != 0 {
			return fmt.Errorf("shards: %d tokens a step are no whole number of rows of %d tokens", s.TokensPerStep, step.Length)
		}
		switch {
		case !(step.Share >= 0 && step.Share <= 1):
			return fmt.Errorf("shards: length %d has a share of %v of the tokens; it must be 0 to 1", step.Length, step.Share)
		case step.Share > 0:
			sum += step.Share
		case rest >= 0:
			return fmt.Errorf("shards: lengths %d and %d both have no share of the tokens; one may take what is left", s.Schedule[rest].Length, step.Length)
		default:
			rest = i
		}
	}
	if s.TokensPerStep < 0 {
		return fmt.Errorf("shards: %d tokens a step", s.TokensPerStep)
	}
	left := 1 - sum
	if rest >= 0 && left > 1e-9 {
		s.Schedule[rest].Share = left
	} else if rest >= 0 || math.Abs(left) > 1e-9 {
		return fmt.Errorf("shards: the shares of the schedule make %.6g of the tokens; they must make 1", sum)
	}
	return nil
}

// sources numbers what the files belong to.
func (s *settings) sources() error {
	if s.By.String() != "" && len(s.Sources) > 0 {
		return fmt.Errorf("shards: sources are named by files or by the field %q, not by both", s.By)
	}
	for _, f := range s.Sources {
		if err := checkSourceName([]byte(f.Name)); err != nil {
			return fmt.Errorf("shards: %w", err)
		}
		for range f.Files {
			s.names = append(s.names, shown(f.Name))
		}
	}
	return nil
}

// sourceOf is the source of a file's records.
func (s *settings) sourceOf(file int) string {
	if file < 1 || file > len(s.names) {
		return unnamed
	}
	return s.names[file-1]
}

// digests makes the stage's identity.
func (s *settings) digests() error {
	type step struct {
		Length int     `json:"length"`
		Share  float64 `json:"share"`
	}
	steps := make([]step, len(s.Schedule))
	for i, l := range s.Schedule {
		steps[i] = step(l)
	}
	packing := s.Packing
	if packing == "" {
		packing = "none"
	}
	raw, err := json.Marshal(struct { // the seed is a string: RFC 8785 rounds numbers above 2^53
		By            string       `json:"by,omitempty"`
		EOD           int          `json:"eod"`
		Format        string       `json:"format"`
		Mix           mix.Spec     `json:"mix"`
		Name          string       `json:"name"`
		Packing       string       `json:"packing"`
		PadID         int          `json:"pad"`
		Schedule      []step       `json:"schedule"`
		Seed          string       `json:"seed"`
		ShardSize     int64        `json:"shard_size"`
		Sources       []FileSource `json:"sources"`
		Tokenizer     string       `json:"tokenizer"`
		TokensPerStep int64        `json:"tokens_per_step"`
		Vocabulary    int          `json:"vocabulary_size"`
	}{s.By.String(), s.Vocabulary.EOD, s.Format, s.Mix, s.Name, packing, s.padID, steps, fmt.Sprint(s.Seed), s.ShardSize, s.Sources,
		s.Vocabulary.Fingerprint, s.TokensPerStep, s.Vocabulary.Size})
	if err != nil {
		return err
	}
	canonical := jsontext.Value(raw)
	if err := canonical.Canonicalize(); err != nil {
		return fmt.Errorf("shards: configuration: %w", err)
	}
	s.json = canonical
	sum := sha256.Sum256(canonical)
	s.digest = hex.EncodeToString(sum[:])
	return nil
}

// dir is the folder of a stage's shard set, with a slash.
func dir(length int) string { return StageDir(length) + "/" }

// StageDir is the folder of the set with rows of a length, below that of the schedule.
func StageDir(length int) string { return fmt.Sprintf("length-%d", length) }

// PairDir is the folder of the preference pairs' set, below that of the schedule.
const PairDir = "preference"

// pairDir is the folder of the preference pairs' set.
const pairDir = PairDir + "/"
