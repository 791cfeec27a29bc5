package train

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
)

// Defaults of the stage.
const (
	// DefaultPreTokenizer is the one that cuts words of any script with marks and contractions of any case, and
	// numbers into at most three digits.
	DefaultPreTokenizer = "llama3"
	// DefaultMinFrequency is that of ByteLevelBPETokenizer.train in Hugging Face's tokenizers
	// (bindings/python/py_src/tokenizers/implementations/byte_level_bpe.py@v0.23.3); BpeTrainer's own is 0. A pair
	// that occurs once saves one token in the whole corpus.
	DefaultMinFrequency = 2
	// DefaultSpecial is GPT-2's and r50k_base's end of a document.
	DefaultSpecial = "<|endoftext|>"
)

// Counting is what stages that learn from pretokens are told of the corpus.
type Counting struct {
	// TextField is the dotted path of the text; "text" if empty.
	TextField string
	// Weights are those of sources; a document has that of the first that it fits, and of its pretokens each counts so
	// many times. Counts are exact: weights are decimal numbers, and sums are whole numbers of the smallest unit.
	Weights []Weight
	// OtherWeight is the weight of documents of other sources, a decimal number; 1 if empty. [RefuseOthers] quarantines
	// them.
	OtherWeight string
	// MaxWords is how many distinct pretokens are trained on at most, those that occur most often; DefaultMaxWords if 0.
	// The result depends on it where the corpus has more, and never on the memory.
	MaxWords int
}

// counter makes what the stage needs for counting; spec lacks a Config.
func (s *Counting) counter() (*counter, error) {
	if s.TextField == "" {
		s.TextField = "text"
	}
	if s.MaxWords == 0 {
		s.MaxWords = DefaultMaxWords
	}
	s.Weights = slices.Clone(s.Weights)
	c := &counter{seed: maphash.MakeSeed()}
	var err error
	if c.text, err = record.ParsePath(s.TextField); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if c.weigh, err = newWeigher(s.Weights, s.OtherWeight); err != nil {
		return nil, err
	}
	if s.MaxWords < 1 {
		return nil, fmt.Errorf("at most %d distinct pretokens; at least 1, or 0 for %d", s.MaxWords, DefaultMaxWords)
	}
	c.spec = stage.Spec{Name: "tokenizer", Version: 1, Needs: []record.Path{c.text}, Uses: c.weigh.uses()}
	return c, nil
}

// countingConfig is that part of a run's identity.
type countingConfig struct {
	MaxWords    int      `json:"max_words"`
	Weights     []Weight `json:"weights"`
	OtherWeight string   `json:"other_weight"`
	TextField   string   `json:"text_field"`
}

func (s *Counting) config() countingConfig {
	c := countingConfig{s.MaxWords, append([]Weight{}, s.Weights...), s.OtherWeight, s.TextField}
	if c.OtherWeight == "" {
		c.OtherWeight = "1"
	}
	return c
}

// Settings of the stage.
type Settings struct {
	Counting
	// PreTokenizer is that of the tokenizer; the one named DefaultPreTokenizer if nil.
	PreTokenizer *PreTokenizer
	Config
	// Report, if not nil, is called once a training that was not cut short, by whichever goroutine finishes.
	Report func(Report)
}

// Report says what a training found.
type Report struct {
	Distinct  int    // pretokens that were trained on
	Pretokens uint64 // how often they occur, in all, times their weights, rounded down
	Left      Left   // what MaxWords left out
	Asked     int    // entries that were asked for
	Entries   int    // of the vocabulary: fewer, where no pair was left that occurs often enough
	Merges    int
	Bytes     int // single bytes among the entries: fewer than 256 if the alphabet was limited
}

// Trainer is the stage. It is immutable.
type Trainer struct {
	*counter
	cfg    Config
	pre    *PreTokenizer
	most   int
	report func(Report)
}

// New makes the stage. An error names the setting that cannot be used.
func New(s Settings) (stage.Reducer, error) {
	s.MinFrequency = max(1, s.MinFrequency)
	s.Special = slices.Clone(s.Special)
	if s.Ties == "" {
		s.Ties = DefaultTies
	}
	c, err := s.counter()
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.PreTokenizer == nil {
		if s.PreTokenizer, err = PreTokenizerNamed(DefaultPreTokenizer); err != nil {
			return nil, err
		}
	}
	c.cutter = s.PreTokenizer.cutter
	c.spec.Result = "tokenizer.json"
	c.spec.Config = struct {
		Train          string   `json:"train"`
		VocabSize      int      `json:"vocab_size"`
		PreTokenizer   any      `json:"pre_tokenizer"`
		MinFrequency   uint64   `json:"min_frequency"`
		MaxTokenLength int      `json:"max_token_length"`
		Special        []string `json:"special"`
		Ties           string   `json:"ties"`
		SeenBytes      bool     `json:"seen_bytes"`
		LimitAlphabet  int      `json:"limit_alphabet"`
		countingConfig
	}{"bpe", s.VocabSize, s.PreTokenizer.identity(), s.MinFrequency, s.MaxTokenLength, append([]string{}, s.Special...), s.Ties, s.SeenBytes, s.LimitAlphabet, s.config()}
	t := &Trainer{counter: c, cfg: s.Config, pre: s.PreTokenizer, most: s.MaxWords, report: s.Report}
	if t.cfg.MinFrequency > maxFrequency {
		return nil, fmt.Errorf("pairs that occur %d times; at most %d", t.cfg.MinFrequency, uint64(maxFrequency))
	}
	t.cfg.MinFrequency *= c.weigh.unit
	return t, nil
}

// maxFrequency is far beyond what any pair occurs, and times a unit of weights within 63 bits.
const maxFrequency = 1 << 40

// Finish implements stage.Reducer. The result is a tokenizer.json. It does not depend on the memory: a corpus whose
// distinct pretokens do not fit is a MemoryError.
func (t *Trainer) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	return nil, ws.Make(ctx, stage.ResultFile, func(w io.Writer) error {
		words, c, err := gather(ctx, sealed, t.most, ws.Memory())
		if err != nil {
			return err
		}
		m, err := Train(words, t.cfg, func(_ int, bytes int64) error { return enough(ctx, bytes, ws.Memory(), c) })
		if err != nil {
			return err
		}
		json, err := m.AppendJSON(nil, t.pre)
		if err != nil {
			return err
		}
		if _, err := w.Write(json); err != nil {
			return err
		}
		if t.report != nil {
			t.report(Report{
				Distinct: words.Len(), Pretokens: words.occurrences() / t.weigh.unit, Left: c.left.in(t.weigh.unit),
				Asked: t.cfg.VocabSize, Entries: len(m.Vocab), Merges: len(m.Merges), Bytes: m.Bytes,
			})
		}
		return nil
	})
}

// gather reads the words that are trained on, and says which they are.
func gather(ctx context.Context, sealed []stage.Sealed, most int, memory int64) (*Words, *choice, error) {
	p := newPasses(ctx, sealed, memory)
	c, err := p.choose(most, memory)
	if err != nil {
		return nil, nil, err
	}
	words, err := p.words(c, memory)
	return words, c, err
}

// enough is an error if training on the chosen words needs more memory than there is.
func enough(ctx context.Context, need, have int64, c *choice) error {
	if need > have {
		return &MemoryError{need, have, min(c.allowed, c.words*9/10)}
	}
	return ctx.Err()
}
