package shards

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"
)

// NoEOD is the Vocabulary.EOD of documents that nothing is appended to.
const NoEOD = -1

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

// Limits of Config.
const (
	minLength    = 2
	maxLength    = 1 << 20 // tokens of a row: packing holds 12 bytes for each
	maxVocab     = math.MaxInt32
	maxShardSize = 1 << 40 // tokens

	// DefaultLength is that of Config with an empty schedule.
	DefaultLength = 2048
	// DefaultShardSize is 2 GiB of tokens of two bytes.
	DefaultShardSize = 1 << 30
)

// Config of the stage.
type Config struct {
	Vocabulary Vocabulary
	// Format names how shards are laid out; "megatron" if empty.
	Format string
	// Schedule of lengths: exactly one entry in this version, DefaultLength if empty.
	Schedule []Length
	// Pack puts pieces of documents into rows of Length tokens. Without it a sequence is a document, however long.
	Pack bool
	// Seed of the shuffle.
	Seed uint64
	// ShardSize is how many tokens a shard may hold (one sequence may be more); DefaultShardSize if 0.
	ShardSize int64
}

// settings are a Config as it is meant.
type settings struct {
	Config
	format Format
	dtype  Dtype
	length int
	json   []byte // RFC 8785
	digest string // sha256 of json
}

// resolve fills in defaults and refuses what cannot be.
func (c Config) resolve() (*settings, error) {
	s := &settings{Config: c}
	if s.Format == "" {
		s.Format = "megatron"
	}
	var err error
	if s.format, err = FormatNamed(s.Format); err != nil {
		return nil, err
	}
	v := s.Vocabulary
	if v.Size < 1 || v.Size > maxVocab {
		return nil, fmt.Errorf("shards: a vocabulary of %d ids; it must have 1 to %d", v.Size, maxVocab)
	}
	if v.EOD != NoEOD && (v.EOD < 0 || v.EOD >= v.Size) {
		return nil, fmt.Errorf("shards: the EOD token has id %d, and the vocabulary only %d ids", v.EOD, v.Size)
	}
	s.dtype = s.format.Dtype(v.Size)
	if len(s.Schedule) == 0 {
		s.Schedule = []Length{{DefaultLength, 1}}
	}
	if len(s.Schedule) != 1 {
		return nil, fmt.Errorf("shards: a schedule of %d lengths; this version builds one shard set of one length a run", len(s.Schedule))
	}
	step := s.Schedule[0]
	if step.Length < minLength || step.Length > maxLength {
		return nil, fmt.Errorf("shards: a length of %d tokens; it must be %d to %d", step.Length, minLength, maxLength)
	}
	if step.Share != 0 && step.Share != 1 {
		return nil, fmt.Errorf("shards: the only length of the schedule gets a share of %v of the tokens; it must be 1", step.Share)
	}
	s.Schedule = []Length{{step.Length, 1}}
	s.length = step.Length
	if s.ShardSize == 0 {
		s.ShardSize = DefaultShardSize
	}
	if s.ShardSize < 1 || s.ShardSize > maxShardSize {
		return nil, fmt.Errorf("shards: a shard size of %d tokens; it must be 1 to %d", s.ShardSize, int64(maxShardSize))
	}
	return s, s.digests()
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
	raw, err := json.Marshal(struct { // the seed is a string: RFC 8785 rounds numbers above 2^53
		EOD        int    `json:"eod"`
		Format     string `json:"format"`
		Pack       bool   `json:"pack"`
		Schedule   []step `json:"schedule"`
		Seed       string `json:"seed"`
		ShardSize  int64  `json:"shard_size"`
		Tokenizer  string `json:"tokenizer"`
		Vocabulary int    `json:"vocabulary"`
	}{s.Vocabulary.EOD, s.Format, s.Pack, steps, fmt.Sprint(s.Seed), s.ShardSize, s.Vocabulary.Fingerprint, s.Vocabulary.Size})
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
