package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// What the program has in hand at a time.
const (
	groupRecords = 64
	groupBytes   = 1 << 20 // or one record
	keepBytes    = 4 << 20 // of memory between groups
)

// curateExec is where the verdict is written, and signalsPath what the path of a signal begins with: where those of
// filter's rules are.
var curateExec = record.MustPath("curate.exec")

const signalsPath = "curate.filter.signals."

type worker struct {
	e      *Exec
	in     []byte
	asked  []*record.Record
	answer answer
	text   []byte // scratch
	json   []byte
	paths  map[string]record.Path // of the signals, by the program's names
	known  map[string]string      // words that have been used: no two strings of one
	counts []uint32               // with Histograms: signal * stage.Bins + bin
	filled []int32
	names  []string
}

// Map implements stage.Worker.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := 0; i < len(b.Records); {
		i = w.group(b, i)
		if len(w.asked) > 0 {
			if err := w.ask(ctx); err != nil {
				return err
			}
		}
		if cap(w.in)+cap(w.text)+cap(w.json) > keepBytes {
			w.in, w.text, w.json = nil, nil, nil
		}
	}
	clear(w.asked) // the records are the engine's again
	w.tally(b)
	return nil
}

// group writes the lines of the next records, from i on, and says which comes after them.
func (w *worker) group(b *record.Batch, i int) int {
	w.in, w.asked = w.in[:0], w.asked[:0]
	for ; i < len(b.Records) && len(w.asked) < groupRecords && len(w.in) < groupBytes; i++ {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if err := w.line(r); err != nil {
			r.QuarantineFor(err)
			continue
		}
		w.asked = append(w.asked, r)
	}
	return i
}

// line appends what the program reads of the record.
func (w *worker) line(r *record.Record) error {
	c := &w.e.cfg
	lo := len(w.in)
	if c.Whole {
		w.in = bytes.TrimRight(r.AppendLine(w.in), " \t\r\n")
	} else {
		text, ok := r.Value(c.TextField)
		if !ok || text[0] != '"' {
			_, err := r.Text(c.TextField, &w.text) // says what is there instead
			if err == nil {
				err = errors.New("has no text")
			}
			return err
		}
		w.in = append(w.in, '{')
		if id, ok := r.Value(c.IDField); ok {
			w.in = append(append(append(w.in, `"id":`...), id...), ',')
		}
		w.in = append(append(w.in, `"text":`...), text...)
		for _, f := range c.Fields {
			if v, ok := r.Value(f); ok {
				w.in = append(w.in, ',')
				var err error
				if w.in, err = jsontext.AppendQuote(w.in, f.String()); err != nil {
					return err
				}
				w.in = append(append(w.in, ':'), v...)
			}
		}
		w.in = append(w.in, '}')
	}
	// Between tokens a record may hold carriage returns, which many programs take for the end of a line.
	for at := lo; ; {
		i := bytes.IndexByte(w.in[at:], '\r')
		if i < 0 {
			break
		}
		at += i
		w.in[at] = ' '
	}
	w.in = append(w.in, '\n')
	return nil
}

// ask lets the program answer about the records of the group, and starts it again where it fails.
func (w *worker) ask(ctx context.Context) (err error) {
	e := w.e
	p, err := e.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { e.pool.release(p) }()
	in, asked := w.in, w.asked
	for tries := 0; len(asked) > 0; {
		if p == nil {
			if p, err = e.pool.start(); err != nil {
				if errors.Is(err, errClosed) {
					return err
				}
				return fmt.Errorf("exec: %s: it cannot be started: %w", e.cfg.line(), err)
			}
		}
		first := p.batches == 0
		got, err := p.ask(ctx, in, len(asked), e.cfg.StartTimeout, e.cfg.Timeout, func(i int, line []byte) error { return w.take(asked[i], line) })
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) {
			p.ended()
		}
		status := e.pool.kill(p)
		said := p.tail.said()
		p = nil
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		total := len(asked)
		if got > 0 { // what has been answered is not asked again
			tries = 0
			for range got {
				in = in[bytes.IndexByte(in, '\n')+1:]
			}
			asked = asked[got:]
		}
		if err := e.failure(err, status, first && got == 0, got, total); err != nil {
			return fmt.Errorf("exec: %s: %w%s%s", e.cfg.line(), err, about(asked, &e.cfg), said)
		}
		cause := "it ended with " + status
		if errors.Is(err, errTimeout) {
			cause = fmt.Sprintf("it did not answer within %v; it has to write each answer out at once (flush)", e.limit(first && got == 0))
		}
		if tries++; tries > e.cfg.Restarts {
			again := ""
			if tries > 1 {
				again = fmt.Sprintf(", the last of %d times", tries)
			}
			return fmt.Errorf("exec: %s: %s%s%s%s", e.cfg.line(), cause, again, about(asked, &e.cfg), said)
		}
		e.pool.log.always(fmt.Sprintf("%s: %s%s; it is started again (%d of %d)", e.cfg.line(), cause, about(asked, &e.cfg), tries, e.cfg.Restarts))
		if err := pause(ctx, min(maxBackoff, backoff<<min(tries-1, 10))); err != nil {
			return err
		}
	}
	return nil
}

func (e *Exec) limit(first bool) time.Duration {
	if first {
		return e.cfg.StartTimeout
	}
	return e.cfg.Timeout
}

// failure is the error of a run that cannot go on, nil where the program may be started again.
func (e *Exec) failure(err error, status string, first bool, got, asked int) error {
	switch {
	case errors.Is(err, errTimeout):
		return nil
	case errors.Is(err, errSurplus):
		return fmt.Errorf("it has written more lines than it was given records, so its answers may be about others; it has to write one line for each, and nothing else on standard output")
	case !errors.Is(err, errEnded):
		return err // of an answer
	case status == exitedWell:
		return fmt.Errorf("it answered %d of %d lines and ended (%s), but its input had not ended: there is an answer too few", got, asked, status)
	case e.cfg.Shell != "" && first && (status == "exit status 127" || status == "exit status 126"):
		// What the shell says when there is no such program, or none that can be run (POSIX, 2.8.2).
		return fmt.Errorf("it cannot be started (%s)", status)
	}
	return nil
}

// about names the record that was not answered.
func about(asked []*record.Record, c *Config) string {
	if len(asked) == 0 {
		return ""
	}
	r := asked[0]
	where := fmt.Sprintf("byte %d", r.ID.Offset())
	if r.LineNo > 0 {
		where = fmt.Sprintf("line %d, %s", r.LineNo, where)
	}
	if f := r.ID.File(); f > 0 {
		where += fmt.Sprintf(" of input %d", f)
	}
	if id, ok := r.Value(c.IDField); ok && len(id) <= 200 {
		return fmt.Sprintf(", at the record with id %s (%s)", id, where)
	}
	return ", at the record in " + where
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take does with the record what its answer says. An error ends the run.
func (w *worker) take(r *record.Record, line []byte) error {
	c := &w.e.cfg
	malformed := func(err error) error {
		r.QuarantineFor(fmt.Errorf("the answer of %s %w", c.Name, err))
		return nil
	}
	if len(line) > maxAnswer {
		return malformed(fmt.Errorf("has more than %d bytes", maxAnswer))
	}
	a := &w.answer
	if err := a.parse(line); err != nil {
		return malformed(err)
	}
	if a.id != nil {
		if id, ok := r.Value(c.IDField); ok && !sameValue(id, a.id) {
			return fmt.Errorf("it answered about id %s where the next was %s: answers come in the order of the lines, one for each", short(a.id), short(id))
		}
	}
	reason, err := w.e.verdict(a)
	if err != nil {
		return malformed(err)
	}
	if reason != "" {
		if reason, err = w.word(reason); err != nil {
			return err
		}
	}
	w.count()
	if c.Annotate || reason != "" {
		bad, err := w.write(r, reason)
		if err != nil {
			return err
		}
		if bad != nil {
			r.QuarantineFor(bad)
			return nil
		}
	}
	switch {
	case reason == "":
	case c.Annotate:
		r.Flag(c.Name, reason)
	default:
		r.DropFor(c.Name, reason)
	}
	return nil
}

// sameValue compares JSON texts of which the program may have written one anew.
func sameValue(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, y := jsontext.Value(slices.Clone(a)), jsontext.Value(slices.Clone(b))
	return x.Canonicalize() == nil && y.Canonicalize() == nil && bytes.Equal(x, y)
}

// word is the one string of those that are equal to s, counted among the words that the program uses.
func (w *worker) word(s string) (string, error) {
	if known, ok := w.known[s]; ok {
		return known, nil
	}
	if err := w.e.words.use(s); err != nil {
		return "", err
	}
	if w.known == nil {
		w.known = map[string]string{}
	}
	w.known[s] = s
	return s, nil
}

// path is where the signal of that name is written.
func (w *worker) path(name []byte) (record.Path, error) {
	if p, ok := w.paths[string(name)]; ok {
		return p, nil
	}
	outside := w.e.cfg.signal(string(name))
	if _, err := w.word(outside); err != nil {
		return record.Path{}, err
	}
	p := record.MustPath(signalsPath + outside) // names are letters, digits and _
	w.paths[string(name)] = p
	return p, nil
}

// write stages verdict and signals, or finds out whether it could: whether somebody keeps dropped records decides
// nothing. bad is an error of the record, err one that ends the run.
func (w *worker) write(r *record.Record, reason string) (bad, err error) {
	c, a := &w.e.cfg, &w.answer
	wanted := c.Annotate || c.Verdicts
	for i := range a.signals {
		s := &a.signals[i]
		p, err := w.path(s.name)
		if err != nil {
			return nil, err
		}
		if wanted {
			bad = r.Set(p, s.json)
		} else {
			bad = r.CanSet(p)
		}
		if bad != nil {
			return bad, nil
		}
	}
	if !wanted {
		return r.CanSet(curateExec), nil
	}
	j := append(w.json[:0], `{"verdict":"`...)
	if reason == "" {
		j = append(j, `keep"`...)
	} else {
		j = append(append(j, `drop","rule":"`...), c.Name...)
		j = append(j, `","reason":`...)
		if j, err = jsontext.AppendQuote(j, reason); err != nil {
			return nil, err
		}
	}
	if a.hasLabel {
		j = append(j, `,"label":`...)
		if j, err = jsontext.AppendQuote(j, a.label); err != nil {
			return nil, err
		}
	}
	w.json = append(j, '}')
	return r.Set(curateExec, w.json), nil
}

// count notes the signals that have thresholds.
func (w *worker) count() {
	if w.counts == nil {
		return
	}
	for h, name := range w.e.hist {
		if s := w.answer.find(name); s != nil {
			i := h*stage.Bins + stage.Bin(s.value)
			if w.counts[i] == 0 {
				w.filled = append(w.filled, int32(i))
			}
			if w.counts[i] < math.MaxUint32 {
				w.counts[i]++
			}
		}
	}
}

func (w *worker) tally(b *record.Batch) {
	slices.Sort(w.filled)
	for _, i := range w.filled {
		if w.names[i] == "" {
			w.names[i] = w.e.cfg.signal(w.e.hist[i/stage.Bins]) + "@" + strconv.Itoa(int(i%stage.Bins))
		}
		b.Tally(w.names[i], int64(w.counts[i]))
		w.counts[i] = 0
	}
	w.filled = w.filled[:0]
}
