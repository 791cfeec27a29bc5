package pipeline

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"path"
	"slices"
	"syscall"

	"curate/corpus"
	"curate/corpus/store"
)

// runStream writes every output as one stream, in the order of the manifest: standard output, or files that
// appear when the run is whole. Nothing of it can be resumed.
func (j *Job) runStream(ctx context.Context) (*Result, error) {
	maxRecord := j.MaxRecord
	if maxRecord == 0 {
		maxRecord = DefaultMaxRecord(j.Memory, j.recordCost())
	}
	phs, err := j.phases()
	if err != nil {
		return nil, err
	}
	j.Progress.Phases.Store(int64(len(phs)))
	first, err := j.newRun(maxRecord, 1, phs[0], nil, &voice{log: j.Log})
	if err != nil {
		return nil, err
	}
	p := &phaseRunner{job: j, store: j.Store.Scratch(), phs: phs, first: first, max: maxRecord, voice: first.voice}
	var outs [outputs]*output
	var files atomicFiles
	defer files.close()
	for o, t := range []Target{outKept: j.Out, outDropped: j.Dropped, outQuarantine: j.Quarantine, outSignals: j.Signals} {
		switch {
		case t.File:
			w, err := files.create(ctx, j.Store, t.Path, j.Log)
			if err != nil {
				return nil, err
			}
			outs[o] = newStream(t.Format, w, j.columnsOf(o))
		case o == outKept:
			outs[o] = &output{format: t.Format, stream: j.Stdout}
		}
	}
	found := make([]io.Writer, len(j.Findings))
	for i, f := range j.Findings {
		if found[i], err = files.create(ctx, j.Store, f.To.Path, j.Log); err != nil {
			return nil, err
		}
	}
	var ledger io.Writer
	if j.Ledger != "" { // now, so that a path that cannot be written is not found out after hours
		if ledger, err = files.create(ctx, j.Store, j.Ledger, j.Log); err != nil {
			return nil, err
		}
	}
	if j.Manifest.HasStream() && j.Out.File {
		j.Log.Info("reading a stream: this run cannot be resumed, only repeated")
	}
	if err := first.probe(ctx); err != nil {
		return nil, err
	}
	if !phs[0].writes {
		tmp, err := newTempFolder(j.Tmp, j.Log)
		if err != nil {
			return nil, err
		}
		defer tmp.remove()
		p.base, p.root = tmp.name, tmp.name
	}
	err = p.stream(ctx, outs)
	err = errors.Join(err, p.in.close())
	if !errors.Is(err, syscall.EPIPE) { // then nobody listens any more
		p.voice.tellRest()
	}
	var total Counts
	if len(p.counts) > 0 {
		total = combine(phs, p.counts)
	}
	if err != nil {
		return &Result{Counts: total}, err
	}
	for _, out := range outs {
		if out != nil {
			if err := out.closeStream(); err != nil {
				return nil, err
			}
		}
	}
	if err := total.check(); err != nil {
		return nil, err
	}
	for i, f := range j.Findings {
		if err := writeFinding(ctx, p.store, p.base, f, found[i]); err != nil {
			return nil, err
		}
	}
	if ledger != nil {
		b, err := total.Marshal()
		if err != nil {
			return nil, err
		}
		if _, err := ledger.Write(b); err != nil {
			return nil, err
		}
	}
	if err := files.commit(); err != nil {
		return nil, err
	}
	return j.judge(total)
}

// stream takes the job through all its phases. What the earlier ones dropped and quarantined is appended to the
// streams as soon as they have come through.
func (p *phaseRunner) stream(ctx context.Context, outs [outputs]*output) error {
	red := result(p.phs)
	for n := range p.phs {
		if p.phs[n].writes {
			continue
		}
		err := p.run(ctx, n+1)
		for o, out := range outs {
			if err == nil && out != nil && o != outKept {
				err = out.join(ctx, p.job.Store, p.root, outputNames[o], p.entries)
			}
		}
		p.entries = nil
		if err != nil {
			return err
		}
	}
	if red != nil {
		outs[outKept].frames++
		return p.copyResult(ctx, outs[outKept].stream, outs[outKept].format)
	}
	r, err := p.next(len(p.phs))
	if err != nil {
		return err
	}
	r.ordered, r.outputs = true, outs
	_, err = r.start(ctx)
	p.counts = append(p.counts, r.total)
	if err == nil && r.turns != nil {
		err = by(r.maps[r.turns.at], r.turns.decider.End())
	}
	return err
}

// judge says whether what was quarantined is within the allowance.
func (j *Job) judge(total Counts) (*Result, error) {
	res := &Result{Counts: total}
	if j.MaxQuarantined.Exceeded(total.Quarantined, total.Read) {
		return res, &QuarantineError{Quarantined: total.Quarantined, Read: total.Read, Allowed: j.MaxQuarantined, By: cmp.Or(j.AllowedBy, "--max-quarantined"), Kept: j.keptIn()}
	}
	return res, nil
}

func (j *Job) keptIn() string {
	switch {
	case j.Quarantine.Path != "":
		return j.Quarantine.Path
	case j.Out.Path != "" && j.Out.Path != "-" && !j.Out.File:
		return path.Join(j.Out.Path, corpus.Dir, outputNames[outQuarantine])
	}
	return ""
}

func writeFile(ctx context.Context, st store.Store, name string, b []byte) error {
	w, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		_ = w.Abort() // the write's error says more
		return err
	}
	return w.Commit()
}

// atomicFiles are outputs that appear at the end, the first of them, the kept records, last.
type atomicFiles struct {
	files []store.Writer
	locks []*lock
}

// create begins a file. A lock beside it keeps out a second command with the same output, which would write
// to the same temporary file.
func (a *atomicFiles) create(ctx context.Context, st store.Store, name string, log *slog.Logger) (io.Writer, error) {
	l, err := takeLock(path.Join(path.Dir(name), "."+path.Base(name)+".curate-lock"), name, log)
	if err != nil {
		return nil, err
	}
	a.locks = append(a.locks, l)
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	a.files = append(a.files, w)
	return w, nil
}

func (a *atomicFiles) commit() error {
	for _, f := range slices.Backward(a.files) {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	a.files = nil
	return nil
}

// close gives up what is not committed.
func (a *atomicFiles) close() {
	for _, f := range a.files {
		_ = f.Abort() // what ended the run is the better error
	}
	for _, l := range a.locks {
		l.release(true)
	}
}
