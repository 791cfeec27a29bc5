package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"curate/internal/human"
	"curate/stage"
	"curate/tokenize/train"
)

func newTokenizerTrain(env environment) *cobra.Command {
	flags := stageFlags{summary: "trained on"}
	var counting countingFlags
	tr := train.Settings{Config: train.Config{Special: []string{train.DefaultSpecial}}}
	var pre, alphabet string
	cmd := &cobra.Command{
		Use:   "train --vocab-size N [flags] [INPUT…]",
		Short: "Train a byte-level BPE vocabulary and write it as tokenizer.json",
		Long: `Train a byte-level BPE vocabulary on the texts of all records, and write it as a tokenizer.json that
Hugging Face's tokenizers and curate tokenize read.

A vocabulary of N entries has the special tokens first, then the 256 bytes, then what was merged of them:
again and again the pair that occurs most often within the pieces that the pre-tokenizer cuts. Where two
occur equally often, the one with lower ids goes first (--ties says how bytes are numbered), so the same
text gives the same bytes, whatever -j is. If no pair is left that occurs --min-frequency times, the
vocabulary is smaller, and a warning says so. Special tokens are not looked for in the text. Pieces longer
than 65,536 bytes do not count.

Pre-tokenizers: ` + strings.Join(train.PreTokenizers(), ", ") + `; or the path of a tokenizer.json, whose normalizer and
pre_tokenizer are taken.

Rules for ties: huggingface numbers bytes as BpeTrainer of Hugging Face's tokenizers does, by the characters
that spell them; rustbpe by their value, as rustbpe, bpeasy and tiktoken's ranks do. Each gives that
trainer's merges.

` + countingHelp + `

` + inputHelp,
		Example: `  curate tokenizer train --vocab-size 8192 clean/ > tokenizer.json
  curate tokenizer train --vocab-size 16384 --pre-tokenizer gpt2 -o tokenizer.json pages.jsonl.zst
  curate tokenizer train --vocab-size 32768 --special '<|endoftext|>' --special '<|pad|>' -o vocabulary/ clean/
  curate tokenizer train --vocab-size 32768 --weight meta.lang=eu:3 --weight meta.lang=en:0.5 -o vocabulary/ clean/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("vocab-size") {
				return usage("--vocab-size says how many entries the vocabulary shall have: 8192 is much for a few megabytes of text, 128000 is what large models have")
			}
			if slices.Equal(tr.Special, []string{""}) {
				tr.Special = nil
			}
			var err error
			if tr.PreTokenizer, err = openPreTokenizer(pre); err != nil {
				return usage("--pre-tokenizer: %v", err)
			}
			if tr.SeenBytes, err = seenBytes(alphabet); err != nil {
				return usage("--alphabet: %v", err)
			}
			var found *train.Report
			tr.Report = func(r train.Report) { found = &r }
			flags.say = func(log *slog.Logger) { sayTrained(log, found) }
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				if tr.Counting, err = counting.settings(s); err != nil {
					return nil, err
				}
				st, err := train.New(tr)
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.IntVar(&tr.VocabSize, "vocab-size", 0, "`N` entries in all, with special tokens and the 256 bytes")
	fs.StringVar(&pre, "pre-tokenizer", train.DefaultPreTokenizer, "`NAME` of the regex that cuts text into pieces: "+strings.Join(train.PreTokenizers(), ", ")+"; or the path of a tokenizer.json that has one")
	fs.Uint64Var(&tr.MinFrequency, "min-frequency", train.DefaultMinFrequency, "`N` times that a pair must occur to be merged")
	fs.IntVar(&tr.MaxTokenLength, "max-token-length", 0, "`N` bytes that no merged token exceeds; 0 is any length")
	fs.StringArrayVar(&tr.Special, "special", tr.Special, "special `TOKEN`, again for each; the first has id 0. '' alone is none")
	fs.StringVar(&tr.Ties, "ties", train.DefaultTies, "`RULE` for pairs that occur equally often: "+strings.Join(train.Ties(), ", "))
	fs.StringVar(&alphabet, "alphabet", alphabets[0], "`WHICH` bytes are tokens: all, or those seen in the text; a text with another one cannot be encoded without loss")
	fs.IntVar(&tr.LimitAlphabet, "limit-alphabet", 0, "`N` bytes that are tokens at most, the most frequent ones, with --alphabet seen; 0 is no limit")
	counting.register(fs)
	flags.registerJSON(cmd)
	return cmd
}

// alphabets are the choices of --alphabet.
var alphabets = []string{"all", "seen"}

func seenBytes(alphabet string) (bool, error) {
	if !slices.Contains(alphabets, alphabet) {
		return false, stage.UnknownName("alphabet", alphabet, alphabets)
	}
	return alphabet == alphabets[1], nil
}

// openPreTokenizer is the one of that name, or that of the tokenizer.json at that path.
func openPreTokenizer(name string) (*train.PreTokenizer, error) {
	if !strings.ContainsAny(name, "/.") {
		return train.PreTokenizerNamed(name)
	}
	raw, err := readTokenizer(name)
	if err != nil {
		return nil, err
	}
	p, err := train.PreTokenizerOf(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// maxTokenizerFile bounds a tokenizer.json. The largest known have about 35 MB.
const maxTokenizerFile = 512 << 20

// readTokenizer reads a tokenizer.json, or that of a folder.
func readTokenizer(path string) ([]byte, error) {
	if err := localOnly("tokenizer", path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path += "/" + train.ExtendedFile
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file; it is a tokenizer.json, or a folder that holds one", path)
	case err != nil:
		return nil, err
	}
	if info.Size() > maxTokenizerFile {
		return nil, fmt.Errorf("%s: larger than %d MiB: not a tokenizer.json", path, maxTokenizerFile>>20)
	}
	return os.ReadFile(path)
}

const countingHelp = `What training holds in memory grows with the distinct pieces of the corpus, not with its length: about
300 bytes for each. Counts go to disk where they grow large. Of more than --max-words distinct pieces the
most frequent ones count, and a warning says what share was left out; of equally frequent ones a hash
decides, which favours no script. The result depends on that number and never on --memory: if the pieces
do not fit, it is an error that says how many would.

--weight FIELD=VALUE:W lets the pieces of documents whose field has the value count W times, such as
meta.lang=eu:3 or source=web:0.25; the first that fits counts. Sums are exact. Other documents count
--weight-others times; with --weight-others error they are quarantined.`

// countingFlags say how pieces are counted.
type countingFlags struct {
	weights  []string
	others   string
	maxWords int
}

func (f *countingFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.weights, "weight", nil, "`FIELD=VALUE:W`: documents whose field has the value count W times; again for each")
	fs.StringVar(&f.others, "weight-others", "", "`W` times that documents of no --weight count, or error to quarantine them; default 1")
	fs.IntVar(&f.maxWords, "max-words", train.DefaultMaxWords, "`N` distinct pieces that are trained on at most, the most frequent ones")
}

func (f *countingFlags) settings(s *settings) (train.Counting, error) {
	if f.maxWords < 1 || f.maxWords > math.MaxInt32 {
		return train.Counting{}, usage("--max-words %d: from 1 to %d distinct pieces", f.maxWords, math.MaxInt32)
	}
	c, err := countingOf(f.weights, f.others, f.maxWords)
	if err != nil {
		return c, usage("--weight: %v", err)
	}
	c.TextField = s.textField.String()
	return c, nil
}

func countingOf(weights []string, others string, maxWords int) (train.Counting, error) {
	c := train.Counting{OtherWeight: others, MaxWords: maxWords}
	for _, text := range weights {
		w, err := train.ParseWeight(text)
		if err != nil {
			return c, err
		}
		c.Weights = append(c.Weights, w)
	}
	return c, nil
}

// sayTrained tells what a training found. r is nil where none was done: an earlier run had finished it.
func sayTrained(log *slog.Logger, r *train.Report) {
	if r == nil {
		return
	}
	log.Info(fmt.Sprintf("%s entries: %s merges, of %s distinct pieces among %s", human.Thousands(int64(r.Entries)), human.Thousands(int64(r.Merges)), human.Thousands(int64(r.Distinct)), human.Thousands(int64(r.Pretokens))))
	if r.Entries < r.Asked {
		log.Warn(fmt.Sprintf("the vocabulary has %d entries of the %d asked for: no other pair occurs --min-frequency times. Give more text, or say --vocab-size %d", r.Entries, r.Asked, r.Entries))
	}
	if r.Bytes < 256 {
		log.Warn(fmt.Sprintf("%d of the 256 bytes are no tokens: a text that has one cannot be encoded without loss", 256-r.Bytes))
	}
	sayLeft(log, r.Left, r.Distinct, r.Pretokens)
}

// sayLeft tells what --max-words has left out.
func sayLeft(log *slog.Logger, left train.Left, words int, occurrences uint64) {
	if left.Words > 0 {
		log.Warn(fmt.Sprintf("--max-words left out %s of %s distinct pieces, the rarest: %.2f %% of all that occur", human.Thousands(int64(left.Words)), human.Thousands(int64(left.Words+words)),
			100*float64(left.Occurrences)/float64(left.Occurrences+occurrences)))
	}
}
