package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"curate/stage"
)

// The files of an extension, in the output directory. tokenizer.json is written last.
const (
	ExtendedFile  = "tokenizer.json"
	NewTokensFile = "new_tokens.jsonl"
)

// DefaultExtendFrequency is how often a pair must occur to become a new token, by default: each new token is rows of
// embeddings that must be learned.
const DefaultExtendFrequency = 2

// ExtendSettings are those of the stage that extends a tokenizer.
type ExtendSettings struct {
	Counting
	Base *Base
	ExtendConfig
	// Beside are files that the base's model has beside its tokenizer.json, such as its chat template. They hold for the
	// extended tokenizer, since ids stay, and go into the result as they stand.
	Beside []BesideFile
	// Report, if not nil, is called once an extension that was not cut short, by whichever goroutine finishes.
	Report func(ExtendReport)
}

// BesideFile is one of those files.
type BesideFile struct {
	Name    string // without a folder
	Content []byte
}

// ExtendReport says what an extension is. Counts are times weights, rounded down.
type ExtendReport struct {
	Distinct      int    // pretokens that were trained on
	Pretokens     uint64 // in all
	Left          Left   // what MaxWords left out
	Asked         int    // tokens that were asked for
	Added         int
	Merges        int
	First         int    // the id of the first new token
	Bytes         uint64 // of all pretokens
	Before, After uint64 // tokens that they become
}

// Extender is the stage. It is immutable.
type Extender struct {
	*counter
	base   *Base
	cfg    ExtendConfig
	beside []BesideFile
	most   int
	report func(ExtendReport)
}

// NewExtender makes the stage. An error names the setting that cannot be used.
func NewExtender(s ExtendSettings) (stage.Reducer, error) {
	s.MinFrequency = max(1, s.MinFrequency)
	if err := s.check(s.Base); err != nil {
		return nil, err
	}
	c, err := s.counter()
	if err != nil {
		return nil, err
	}
	c.cutter = s.Base.tokenizer
	c.spec.Result = "tokenizer/"
	var beside map[string]string
	for _, f := range s.Beside {
		if f.Name == ExtendedFile || f.Name == NewTokensFile || filepath.Base(f.Name) != f.Name {
			return nil, fmt.Errorf("a file beside the tokenizer cannot be called %q", f.Name)
		}
		if beside == nil {
			beside = map[string]string{}
		}
		sum := sha256.Sum256(f.Content)
		beside[f.Name] = hex.EncodeToString(sum[:])
	}
	c.spec.Config = struct {
		Extend         string            `json:"extend"` // sha256 of the file
		Beside         map[string]string `json:"beside,omitzero"`
		Add            int               `json:"add"`
		MinFrequency   uint64            `json:"min_frequency"`
		MaxTokenLength int               `json:"max_token_length"`
		countingConfig
	}{s.Base.digest, beside, s.Add, s.MinFrequency, s.MaxTokenLength, s.config()}
	x := &Extender{counter: c, base: s.Base, cfg: s.ExtendConfig, beside: slices.Clone(s.Beside), most: s.MaxWords, report: s.Report}
	x.cfg.MinFrequency *= c.weigh.unit
	return x, nil
}

// Finish implements stage.Reducer. It makes NewTokensFile, what is beside the base, and ExtendedFile, and does not depend on the memory.
func (x *Extender) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	extend := sync.OnceValues(func() (*Extension, error) { return x.extend(ctx, sealed, ws) })
	file := func(name string, of func(*Extension) ([]byte, error)) error {
		return ws.Make(ctx, stage.ResultDir+name, func(w io.Writer) error {
			e, err := extend()
			if err != nil {
				return err
			}
			b, err := of(e)
			if err != nil {
				return err
			}
			_, err = w.Write(b)
			return err
		})
	}
	if err := file(NewTokensFile, func(e *Extension) ([]byte, error) { return e.AppendTokens(nil, x.weigh.unit) }); err != nil {
		return nil, err
	}
	for _, f := range x.beside {
		if err := ws.Make(ctx, stage.ResultDir+f.Name, func(w io.Writer) error { _, err := w.Write(f.Content); return err }); err != nil {
			return nil, err
		}
	}
	return nil, file(ExtendedFile, func(e *Extension) ([]byte, error) { return e.AppendJSON(nil) })
}

func (x *Extender) extend(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (*Extension, error) {
	words, c, err := gather(ctx, sealed, x.most, ws.Memory())
	if err != nil {
		return nil, err
	}
	e, err := x.base.Extend(words, x.cfg, func(_ int, bytes int64) error { return enough(ctx, bytes, ws.Memory(), c) })
	if err != nil {
		return nil, err
	}
	if x.report != nil {
		unit := x.weigh.unit
		x.report(ExtendReport{
			Distinct: words.Len(), Pretokens: e.Words / unit, Left: c.left.in(unit), Asked: x.cfg.Add, Added: len(e.Tokens), Merges: len(e.Merges),
			First: x.base.Size(), Bytes: e.Bytes / unit, Before: e.Before / unit, After: e.After / unit,
		})
	}
	return e, nil
}
