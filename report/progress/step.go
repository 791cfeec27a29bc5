package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/store"
)

// Files below corpus.Dir that are read. docs/formats/output-directory.md is their page.
const (
	configName   = "config.json"
	manifestName = "manifest.json"
	ledgerName   = "ledger.json"
	timingName   = "timing.json"
	clearingName = "clearing"
	ranksName    = "ranks.json"
	attemptName  = "ranks/attempt"
	lockName     = "lock"
)

// mostPhases bounds their number: each costs a look at its folder.
const mostPhases = 1000

// watched is a step between two looks.
type watched struct {
	st   store.Store
	root string

	began  store.Info // config.json, as long as it is the same
	config struct {
		Program  string `json:"program"`
		Identity string `json:"identity"`
		Phases   int    `json:"phases"`
		Step     struct {
			Stages []struct {
				Name string `json:"name"`
			} `json:"stages"`
			Inputs map[string]string `json:"inputs"` // of a task
		} `json:"step"`
	}
	files    []corpus.File // of the manifest
	size     int64         // of all, as stored; -1: not known
	manifest bool          // it was read
	phases   []*phase
	whole    *Step // when it is done nothing changes any more
	samples  []sample
}

// sample is what a look found, for rates.
type sample struct {
	at                     time.Time
	phase                  int
	records, bytes, tokens int64
	share                  float64 // -1: not known
}

func (w *watched) own(name string) string { return path.Join(w.root, corpus.Dir, name) }

func (w *watched) read(ctx context.Context, name string) ([]byte, error) {
	f, err := w.st.Open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// json reads a file that appears whole. One that is not there leaves v as it is.
func (w *watched) json(ctx context.Context, name string, v any) (there bool, err error) {
	b, err := w.read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

func (w *watched) stat(ctx context.Context, name string) (info store.Info, there bool, err error) {
	info, err = w.st.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return info, false, nil
	}
	return info, err == nil, err
}

// look says how far the step is.
func (w *watched) look(ctx context.Context, at time.Time) (*Step, error) {
	s := &Step{State: Absent}
	began, there, err := w.stat(ctx, w.own(configName))
	if err != nil {
		return nil, err
	}
	if _, clearing, err := w.stat(ctx, w.own(clearingName)); err != nil {
		return nil, err
	} else if clearing {
		s.State, s.Changed = Clearing, began.ModTime
		*w = watched{st: w.st, root: w.root}
		return s, nil
	}
	if !there {
		*w = watched{st: w.st, root: w.root}
		return s, w.training(ctx, s, at)
	}
	if !began.ModTime.Equal(w.began.ModTime) || began.Size != w.began.Size || began.Version != w.began.Version {
		*w = watched{st: w.st, root: w.root}
		if there, err := w.json(ctx, w.own(configName), &w.config); err != nil || !there {
			return s, err
		}
		w.began = began
		if n := w.config.Phases; n < 0 || n > mostPhases {
			return nil, fmt.Errorf("%s: says that there are %d phases, which there cannot be", w.own(configName), n)
		}
	}
	s.State, s.Changed, s.program, s.identity, s.Phases = Begun, began.ModTime, w.config.Program, w.config.Identity, w.config.Phases
	for _, stage := range w.config.Step.Stages {
		s.Stages = append(s.Stages, stage.Name)
	}
	done, whole, err := w.stat(ctx, w.own(corpus.Done))
	if err != nil {
		return nil, err
	}
	if !w.manifest {
		var m corpus.Manifest
		if w.manifest, err = w.json(ctx, w.own(manifestName), &m); err != nil {
			return nil, err
		}
		w.files, w.size = m.Files, m.Size()
	}
	s.Files = len(w.files)
	switch {
	case whole && w.whole != nil && w.whole.Changed.Equal(done.ModTime):
		*s = *w.whole
		return s, nil
	case whole:
		s.State, s.Changed = Done, done.ModTime
		if err := w.ledger(ctx, s); err != nil {
			return nil, err
		}
		if w.config.Step.Inputs != nil {
			if err := w.training(ctx, s, at); err != nil {
				return nil, err
			}
			s.State, s.Doing, s.Changed = Done, "", done.ModTime
		}
		w.phases, w.samples = nil, nil
		w.whole = s
		again := *s
		return &again, nil
	}
	w.whole = nil
	if w.config.Step.Inputs != nil {
		s.Phases = 0
		if err := w.training(ctx, s, at); err != nil {
			return nil, err
		}
		return s, w.stopped(ctx, s)
	}
	ranks, err := w.ranks(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := w.journals(ctx, s, ranks); err != nil {
		return nil, err
	}
	w.speed(s, at)
	return s, w.stopped(ctx, s)
}

// ledger fills in what a whole step has counted.
func (w *watched) ledger(ctx context.Context, s *Step) error {
	var l struct {
		Read        int64            `json:"read"`
		Kept        int64            `json:"kept"`
		Dropped     map[string]int64 `json:"dropped"`
		Quarantined int64            `json:"quarantined"`
		BytesIn     int64            `json:"bytes_in"`
	}
	if _, err := w.json(ctx, w.own(ledgerName), &l); err != nil {
		return err
	}
	s.Records, s.Kept, s.Quarantined, s.BytesIn, s.FilesDone, s.Phase = l.Read, l.Kept, l.Quarantined, l.BytesIn, s.Files, s.Phases
	for _, n := range l.Dropped {
		s.Dropped += n
	}
	return nil
}

// stopped says whether the last attempt has told that it ended early, behind all that has come.
func (w *watched) stopped(ctx context.Context, s *Step) error {
	var t struct {
		Attempts []struct {
			Ended time.Time `json:"ended"`
			How   string    `json:"how"`
		} `json:"attempts"`
	}
	info, there, err := w.stat(ctx, w.own(timingName))
	if err != nil || !there {
		return err
	}
	if _, err := w.json(ctx, w.own(timingName), &t); err != nil {
		return nil // a damaged history is begun anew by who writes it
	}
	// Who takes the lock writes his name into it; object storage has none.
	if lock, there, err := w.stat(ctx, w.own(lockName)); err != nil || there && lock.ModTime.After(info.ModTime) {
		return err
	}
	if n := len(t.Attempts); n > 0 && t.Attempts[n-1].How == "stopped" && !s.Changed.After(info.ModTime) {
		s.State, s.Doing, s.Changed, s.Rate, s.Left = Stopped, "", info.ModTime, nil, nil
	}
	return nil
}

// ranks says whether many processes may fill the directory, and how far their steps between the phases are.
func (w *watched) ranks(ctx context.Context, s *Step) (bool, error) {
	var settings struct {
		Ranges int `json:"ranges"`
	}
	byDedup, err := w.json(ctx, w.own(ranksName), &settings)
	if err != nil {
		return false, err
	}
	_, attempt, err := w.stat(ctx, w.own(attemptName))
	if err != nil || !byDedup && !attempt {
		return false, err
	}
	s.Ranks = &Ranks{First: []int{}}
	if settings.Ranges == 0 {
		return true, nil
	}
	// docs/formats/ranks.md: what says of each part that it is done.
	parts := []struct {
		name, file string
		of         int
	}{
		{"pairs", "pairs-%03d-hubs", settings.Ranges},
		{"sets", "sets-%05d", -1},
		{"verify", "verify-%03d-unlike", settings.Ranges},
		{"rehub", "rehub-%03d-similar", settings.Ranges},
		{"components", "edges", 1},
		{"decide", "decisions", 1},
	}
	infos, err := w.st.List(ctx, w.own("ranks"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	there := map[string]bool{}
	for _, info := range infos {
		there[path.Base(info.Name)] = true
		if info.ModTime.After(s.Changed) {
			s.Changed = info.ModTime
		}
	}
	for _, p := range parts {
		part := Part{Name: p.name, Of: p.of}
		if p.of < 0 {
			part.Of = len(w.files)
			for _, f := range w.files {
				if there[fmt.Sprintf(p.file, f.Number)] {
					part.Done++
				}
			}
		} else {
			for i := range p.of {
				name := p.file
				if strings.Contains(name, "%") {
					name = fmt.Sprintf(name, i)
				}
				if there[name] {
					part.Done++
				}
			}
		}
		s.Ranks.Parts = append(s.Ranks.Parts, part)
	}
	return true, nil
}

// journals reads what those of all phases say, and fills in that of the last one that has begun.
func (w *watched) journals(ctx context.Context, s *Step, ranks bool) error {
	own := path.Join(w.root, corpus.Dir)
	at := 0 // of w.phases
	for n := 1; ; n++ {
		if len(w.phases) < n {
			w.phases = append(w.phases, newPhase(n))
		}
		p := w.phases[n-1]
		if err := p.look(ctx, w.st, own, s.Phases == 0 || n == s.Phases, ranks && (p.ended < len(w.files) || len(w.files) == 0)); err != nil {
			return err
		}
		if t := p.changed(); t.After(s.Changed) {
			s.Changed = t
		}
		s.Quarantined += p.quarantined
		if p.begun() {
			at = n - 1
		}
		if p.settled && n < s.Phases {
			at = n
		}
		// A run of an earlier version does not say how many phases there are: its last one has the journal that lies apart.
		known := s.Phases > 0 && n >= s.Phases
		if known || s.Phases == 0 && (!p.begun() || p.main.name == path.Join(own, "journal")) {
			break
		}
	}
	p := w.phases[at]
	s.Doing, s.Phase, s.FilesDone, s.Splits, s.Made = Reading, p.number, p.ended, p.splits, p.made
	s.Records, s.Kept, s.Dropped, s.BytesIn = p.read, p.kept, p.dropped, p.bytesIn
	if s.Files > 0 && s.FilesDone >= s.Files {
		if s.Doing = Deciding; p.number == s.Phases && p.made == 0 {
			s.Doing = Finishing
		}
	}
	if s.Ranks != nil {
		for _, f := range w.files {
			if of := p.files[f.Number]; of == nil || !of.done {
				if s.Ranks.Missing++; len(s.Ranks.First) < mostMissing {
					s.Ranks.First = append(s.Ranks.First, f.Number)
				}
			}
		}
	}
	if share := w.share(p, at); share >= 0 {
		s.Share = &share
	}
	return nil
}

// mostMissing is how many numbers of files are listed.
const mostMissing = 20

// share is how much of the phase's work is done, -1 if nobody knows. The first phase goes by the bytes of the files as they are stored,
// others by the records that the one before has kept.
func (w *watched) share(p *phase, at int) float64 {
	if at > 0 {
		all := w.phases[at-1].kept
		if all == 0 {
			return -1
		}
		return min(1, float64(p.read)/float64(all))
	}
	if w.size <= 0 {
		return -1
	}
	// How many bytes there are in a stored one, files that are done tell of others of their kind.
	type sums struct{ in, stored int64 }
	kinds := map[string]*sums{}
	for _, f := range w.files {
		if of := p.files[f.Number]; of != nil && of.done {
			k := kinds[path.Ext(f.Path)]
			if k == nil {
				k = &sums{}
				kinds[path.Ext(f.Path)] = k
			}
			k.in += of.bytesIn
			k.stored += f.Size
		}
	}
	done := 0.0
	for _, f := range w.files {
		of := p.files[f.Number]
		if of == nil {
			continue
		}
		if of.done {
			done += float64(f.Size)
			continue
		}
		in, stored := float64(of.bytesIn), 0.0
		if k := kinds[path.Ext(f.Path)]; k != nil && k.in > 0 {
			stored = in * float64(k.stored) / float64(k.in)
		} else if kind, _ := compress.ByName(path.Base(f.Path)); kind == compress.None && !f.ByRows() {
			stored = in
		} else {
			return -1
		}
		done += min(stored, float64(f.Size))
	}
	return min(1, done/float64(w.size))
}

// Rates are means over the last minute. What is left goes by up to ten, since entries come a split at a time.
const (
	rateOver = time.Minute
	leftOver = 10 * time.Minute
)

// speed fills in rates, by what earlier looks have seen of the phase.
func (w *watched) speed(s *Step, at time.Time) {
	now := sample{at: at, phase: s.Phase, records: s.Records, bytes: s.BytesIn, share: -1}
	if s.Share != nil {
		now.share = *s.Share
	}
	if s.Task != nil {
		now.tokens = s.Task.Tokens
	}
	w.samples = slices.DeleteFunc(w.samples, func(o sample) bool {
		return o.phase != now.phase || o.records > now.records || o.tokens > now.tokens || at.Sub(o.at) > leftOver
	})
	if len(w.samples) > 0 {
		i := slices.IndexFunc(w.samples, func(o sample) bool { return at.Sub(o.at) <= rateOver })
		if i < 0 {
			i = len(w.samples) - 1
		}
		old := w.samples[i]
		if d := at.Sub(old.at).Seconds(); d > 0 {
			s.Rate = &Rate{Records: float64(now.records-old.records) / d, Bytes: float64(now.bytes-old.bytes) / d, Tokens: float64(now.tokens-old.tokens) / d}
		}
		old = w.samples[0]
		if d, grown := at.Sub(old.at).Seconds(), now.share-old.share; d > 0 && old.share >= 0 && grown > 0 && now.share < 1 {
			left := d * (1 - now.share) / grown
			s.Left = &left
		}
	}
	w.samples = append(w.samples, now)
}
