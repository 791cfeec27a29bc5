package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/corpus/store"
	"curate/dedup"
	"curate/internal/human"
	"curate/pipeline"
	"curate/record"
	"curate/report"
	"curate/stage"
)

// leastRound is how many held-out documents are looked for at a time when memory is scarce.
const leastRound = 1 << 19

// heldOutSets are what is held out. near is nil where only the texts themselves are.
type heldOutSets struct {
	exact *dedup.HeldOut
	near  *dedup.NearHeldOut
	size  int64 // bytes of memory
}

// readHeldOut makes the sets of the documents of paths. limit is how many bytes of memory they may take, and more says what raises it.
func (s *splitSettings) readHeldOut(ctx context.Context, paths []string, text record.Path, maxRecord int, limit int64, more string) (*heldOutSets, error) {
	b := dedup.NewHeldOutBuilder(nil, limit/dedup.HeldOutBytes)
	var near *dedup.NearHeldOutBuilder
	if s.near {
		var err error
		if near, err = dedup.NewNearHeldOutBuilder(s.scheme, s.threshold); err != nil {
			return nil, usage("%v", err)
		}
	}
	size := int64(0)
	look := looking{maxRecord: maxRecord, textField: text.Names()[0]}
	var scratch []byte
	for _, p := range paths { // each for itself: one may lie in another
		if p == corpus.Stdin {
			return nil, usage("standard input is for the documents that are split; name a file")
		}
		err := look.each(ctx, nil, []string{p}, func(file string, r *record.Record) error {
			t, err := r.Text(text, &scratch)
			if err != nil {
				return fmt.Errorf("%s:%d: %w; mend the record, or take it out", file, r.LineNo, err)
			}
			if err := b.Add(t); err != nil {
				return usage("%v; raise %s, or hold out less", err, more)
			}
			if size += dedup.HeldOutBytes; near == nil {
				return nil
			}
			if near.Add(t); size+near.Size() > limit {
				return usage("%s:%d: the shingles of held-out documents take more than the %s of memory that were given; raise %s, or hold out less", file, r.LineNo, pipeline.FormatBytes(limit), more)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	h := &heldOutSets{size: size}
	if h.exact = b.Set(); near != nil {
		h.size += near.Size()
		h.near = near.Set()
	}
	return h, nil
}

func heldOutNote(h *dedup.HeldOut) string {
	return fmt.Sprintf("held out: the texts of %s documents, %s different ones", human.Thousands(h.Documents()), human.Thousands(int64(h.Len())))
}

// recordLimit is the longest line, in bytes.
func (s *settings) recordLimit() int {
	if s.maxRecord > 0 {
		return int(s.maxRecord)
	}
	return pipeline.DefaultMaxRecord(s.memory, 0)
}

// splitting makes a directory of each part below -o, and looks at what it has written.
//
// A run over the inputs keeps the records of train, and all others are its dropped records, as they came; the other
// parts are made of those, which are few.
type splitting struct {
	env   environment
	f     *stageFlags
	s     *settings
	set   *splitSettings
	cfg   dedup.SplitConfig
	parts []string // train first
	show  *display
}

func splitInto(ctx context.Context, cmd *cobra.Command, env environment, f *stageFlags, set *splitSettings, cfg dedup.SplitConfig, parts, args []string) (err error) {
	if f.dropped != "" {
		return usage("--dropped with -o DIR: nothing is dropped, each document is in the directory of its part, such as %s", path.Join(f.out, parts[len(parts)-1]))
	}
	s, err := f.resolve()
	if err != nil {
		return err
	}
	if s.splitSize == 0 {
		s.splitSize = pipeline.DefaultSplitSize(nil)
	}
	p := &splitting{env: env, f: f, s: s, set: set, cfg: cfg, parts: parts, show: newDisplay(env.stderr, f)}
	defer p.show.close()
	s.log = p.show.log
	if f.printConfig {
		stages, err := p.stages(dedup.TrainPart)
		if err != nil {
			return err
		}
		return printConfig(cmd.OutOrStdout(), f, s, stages)
	}
	if err := errors.Join(f.mayUse(env, args), p.directory(ctx)); err != nil {
		return err
	}
	for _, n := range s.notes {
		s.log.Info(n)
	}
	if cfg.HeldOut != nil {
		s.log.Info(heldOutNote(cfg.HeldOut))
	}
	manifest, err := expand(ctx, s.log, args)
	if err != nil {
		return err
	}
	s.onMachine()
	err = p.run(ctx, manifest)
	if errors.As(err, new(interrupted)) && !manifest.HasStream() {
		err = fmt.Errorf("%w; repeat the command to go on", err)
	}
	return err
}

// dir is where a part is.
func (p *splitting) dir(part string) string { return path.Join(filepath.ToSlash(p.f.out), part) }

// directory refuses one in which something else would stand beside the parts.
func (p *splitting) directory(ctx context.Context) error {
	for _, side := range []struct{ flag, path string }{{"quarantine", p.f.quarantine}, {"ledger", p.f.ledger}} {
		if side.path != "" && corpus.Below(corpus.RealPath(side.path), corpus.RealPath(p.f.out)) {
			return usage("--%s %s: lies in %s, where the parts are; write beside it", side.flag, side.path, p.f.out)
		}
	}
	if store.IsURL(p.f.out) {
		return p.prefix(ctx)
	}
	if _, err := os.Stat(p.dir(corpus.Dir)); err == nil {
		return usage("-o %s: is the output of a command that makes one directory; give another one, in which each part is a directory", p.f.out)
	}
	entries, err := os.ReadDir(p.f.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if _, err := os.Stat(path.Join(p.dir(e.Name()), corpus.Dir)); err == nil && !slices.Contains(p.parts, e.Name()) {
			return usage("-o %s: %s is there, and is no part of this split, but perhaps of an earlier one; remove it, or give another directory", p.f.out, p.dir(e.Name()))
		}
	}
	return nil
}

// prefix does the same for a URL, where a folder is known by its files.
func (p *splitting) prefix(ctx context.Context) error {
	begun := func(dir string) (bool, error) {
		_, err := storage().Stat(ctx, path.Join(dir, corpus.Dir, "config.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	switch other, err := begun(filepath.ToSlash(p.f.out)); {
	case err != nil:
		return err
	case other:
		return usage("-o %s: is the output of a command that makes one directory; give another one, in which each part is a directory", p.f.out)
	}
	parts, err := report.SplitParts(ctx, storage(), filepath.ToSlash(p.f.out))
	if err != nil {
		return err
	}
	for _, part := range parts {
		if slices.Contains(p.parts, part) {
			continue
		}
		if other, err := begun(p.dir(part)); err != nil {
			return err
		} else if other {
			return usage("-o %s: %s is there, and is no part of this split, but perhaps of an earlier one; remove it, or give another directory", p.f.out, p.dir(part))
		}
	}
	return nil
}

// stages are those that make a part. Where the others are made of what train's have dropped, texts alone tell the part, unless
// it goes by clusters: then each record says it.
func (p *splitting) stages(part string) ([]stage.Stage, error) {
	if p.set.byCluster && part != dedup.TrainPart {
		c, err := dedup.NewCarried(part)
		return []stage.Stage{c}, err
	}
	cfg := p.cfg
	cfg.Keep, cfg.Carry = part, p.set.byCluster
	return p.set.stages(cfg)
}

// job is the one that makes a part of the manifest's records.
func (p *splitting) job(part string, manifest *corpus.Manifest) (*pipeline.Job, error) {
	stages, err := p.stages(part)
	if err != nil {
		return nil, err
	}
	j := p.f.job(p.env, p.s, manifest, stages)
	j.Out.Path = p.dir(part)
	if part == dedup.TrainPart {
		j.Dropped, j.KeepDropped = pipeline.Target{Format: p.s.parts}, true
		if p.set.byCluster { // a record comes back byte for byte
			j.Dropped.Format = corpus.DefaultFormat
		}
		return j, nil
	}
	j.Codec, j.Quarantine.Path, j.Ledger = "", "", "" // the records are JSON Lines, and have been read before
	return j, nil
}

func (p *splitting) do(ctx context.Context, j *pipeline.Job) (*pipeline.Result, error) {
	p.show.start(j.Progress, nil)
	defer p.show.stop()
	return j.Run(ctx)
}

func (p *splitting) run(ctx context.Context, inputs *corpus.Manifest) error {
	train, err := p.job(dedup.TrainPart, inputs)
	if err != nil {
		return err
	}
	res, judged := p.do(ctx, train)
	if judged != nil && !errors.As(judged, new(*pipeline.QuarantineError)) { // else its output is whole
		if !store.IsURL(p.f.out) {
			_ = os.Remove(p.f.out) // which a command that was refused has left empty
		}
		return judged
	}
	_, _, identity, err := train.Standing(ctx)
	if err != nil {
		return err
	}
	made, err := pipeline.Makers(ctx, train.Store, p.dir(dedup.TrainPart), identity)
	if err != nil {
		return err
	}
	counts, before := &res.Counts, res.Before
	for _, part := range p.parts[1:] {
		from := "dropped"
		if counts.Kept+counts.Quarantined == counts.Read { // then there is no such folder, and no record, as in this file
			from = corpus.Done
		}
		rest, err := corpus.Expand(ctx, train.Store, []string{path.Join(p.dir(dedup.TrainPart), corpus.Dir, from)})
		if err != nil {
			return err
		}
		rest.MadeBy(made, p.f.out)
		j, err := p.job(part, rest)
		if err != nil {
			return err
		}
		// One that was made when there was nothing for it has nothing to go on with.
		if m, _, err := pipeline.Inputs(ctx, j.Store, j.Out.Path); err == nil && from != corpus.Done && len(m.Files) == 1 && path.Base(m.Files[0].Path) == corpus.Done {
			j.Restart = true
		}
		res, err := p.do(ctx, j)
		if err != nil {
			return fmt.Errorf("%s: %w", p.dir(part), err)
		}
		if want := counts.Dropped[dedup.SplitRule+":"+part]; res.Counts.Kept != want || res.Counts.Quarantined > 0 {
			return fmt.Errorf("%s: has %d of %d documents; this is a bug of curate", p.dir(part), res.Counts.Kept, want)
		}
		before = before && res.Before
	}
	p.sayParts(counts, before)
	return errors.Join(judged, p.verify(ctx, counts))
}

// sayParts says how many documents each part has.
func (p *splitting) sayParts(c *pipeline.Counts, before bool) {
	var b strings.Builder
	if before {
		b.WriteString(p.f.out + " is finished already: ")
	}
	for i, part := range p.parts {
		n := c.Dropped[dedup.SplitRule+":"+part]
		if i == 0 {
			n = c.Kept
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", part, human.Thousands(n))
		if c.Read > 0 {
			fmt.Fprintf(&b, " (%.2f %%)", 100*float64(n)/float64(c.Read))
		}
	}
	fmt.Fprintf(&b, " of %s documents", human.Thousands(c.Read))
	if c.Quarantined > 0 {
		fmt.Fprintf(&b, "; quarantined %s", human.Thousands(c.Quarantined))
	}
	p.s.log.Info(b.String())
}

// verify reads all parts again and looks for the texts of the others in train, as many at a time as memory holds.
func (p *splitting) verify(ctx context.Context, c *pipeline.Counts) error {
	train := p.dir(dedup.TrainPart)
	longest, err := maxRecordOf(ctx, train)
	if err != nil {
		return err
	}
	// What the run did not need is halved between digests and the engine.
	spare := p.s.memory - p.f.reserved - max(pipeline.MinMemory(p.s.workers), int64(longest)*pipeline.DefaultRecordCost)
	room := leastRound + max(0, spare/2)/dedup.HeldOutBytes
	engine := p.s.memory - p.f.reserved - (room-leastRound)*dedup.HeldOutBytes

	documents, found := int64(0), int64(0)
	round := dedup.NewHeldOutBuilder(p.cfg.HeldOut, room)
	look := func() error {
		set := round.Set()
		round = dedup.NewHeldOutBuilder(nil, room)
		if set.Len() == 0 {
			return nil
		}
		n, err := p.occur(ctx, set, engine, longest)
		documents += set.Documents()
		found += n
		return err
	}
	var scratch []byte
	for _, part := range p.parts[1:] {
		if part == dedup.HeldOutPart || c.Dropped[dedup.SplitRule+":"+part] == 0 {
			continue // those texts are in the set, or there are none
		}
		err := looking{maxRecord: longest}.each(ctx, nil, []string{p.dir(part)}, func(file string, r *record.Record) error {
			text, err := r.Text(p.s.textField, &scratch)
			if err != nil {
				return nil // which can be so with --by
			}
			if err := round.Add(text); err != nil || !round.Full() {
				return err
			}
			return look()
		})
		if err != nil {
			return err
		}
	}
	if err := look(); err != nil {
		return err
	}
	switch {
	case found == 0:
		p.s.log.Info(fmt.Sprintf("0 of %s of %s occur in train (SHA-256 of the text)", count(documents, "document"), p.others()))
	case p.cfg.By.String() != "":
		p.s.log.Warn(fmt.Sprintf("%s of train have the text of one of %s of %s, with another %s (SHA-256 of the text); curate dedup --method exact in front of the split leaves one of each",
			count(found, "document"), count(documents, "document"), p.others(), p.cfg.By))
	default:
		return fmt.Errorf("%s: %s have the text of one of %s of %s (SHA-256 of the text): the files are not those that were written; --restart makes them anew",
			train, count(found, "document"), count(documents, "document"), p.others())
	}
	return nil
}

// others are the names of the sets beside train, that of --held-out as it was given: its documents are looked for, wherever
// they stand.
func (p *splitting) others() string {
	names := slices.Clone(p.parts[1:])
	for i, name := range names {
		if name == dedup.HeldOutPart {
			names[i] = "--held-out"
		}
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// occur counts the documents of train whose text is in the set.
func (p *splitting) occur(ctx context.Context, set *dedup.HeldOut, memory int64, maxRecord int) (int64, error) {
	train, err := corpus.Expand(ctx, storage(), []string{p.dir(dedup.TrainPart)})
	if err != nil {
		return 0, err
	}
	st, err := dedup.NewSplitter(dedup.SplitConfig{TextField: p.s.textField, TextOptional: true, HeldOut: set, Keep: dedup.HeldOutPart})
	if err != nil {
		return 0, err
	}
	j := p.f.job(p.env, p.s, train, []stage.Stage{st})
	j.Codec, j.Out, j.Quarantine, j.Ledger, j.Restart, j.Stdout = "", pipeline.Target{}, pipeline.Target{}, "", false, io.Discard
	j.Memory, j.MaxRecord = memory, maxRecord
	res, err := p.do(ctx, j)
	if err != nil {
		return 0, err
	}
	return res.Counts.Kept, nil
}

// maxRecordOf is the longest line that the run which made a directory has let through.
func maxRecordOf(ctx context.Context, dir string) (int, error) {
	name := path.Join(dir, corpus.Dir, "config.json")
	b, err := readAll(ctx, name)
	if err != nil {
		return 0, err
	}
	var config struct {
		Step struct {
			MaxRecord int `json:"max_record"`
		} `json:"step"`
	}
	if err := json.Unmarshal(b, &config); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return config.Step.MaxRecord, nil
}
