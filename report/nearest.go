package report

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// Nearest are the documents on both sides of a threshold.
type Nearest struct {
	Stage string `json:"stage"`
	Threshold
	Signal string `json:"signal"`
	// Out are documents that were dropped for this test, and In ones that were kept, nearest first.
	Out []Near `json:"dropped_nearest,omitzero"`
	In  []Near `json:"kept_nearest,omitzero"`
}

// Near is a document near a threshold.
type Near struct {
	ID     string  `json:"id,omitzero"`
	Value  float64 `json:"value"`
	Part   string  `json:"part"`   // where it is, below the step
	Offset int64   `json:"offset"` // of its line in the uncompressed part
	Text   string  `json:"text"`   // the first characters
	away   float64
	hash   uint64
	place  place
}

// Measured is a signal of a record.
type Measured struct {
	Name  string
	Value float64
}

// Measure makes, for a stage of a run by its name and its configuration as JSON, what computes the signals of a record
// anew, or nil where that cannot be: only with it kept documents can be told, since nothing is written into those. What a
// measure returns is valid until its next call.
type Measure func(stage string, config jsontext.Value) func(r *record.Record) []Measured

const (
	nearestLimit = 20  // documents on each side
	nearestTests = 60  // of a step
	nearestText  = 200 // characters of each
	// nearestKept is how much of the kept records is looked at, in bytes of JSON lines.
	nearestKept = 256 << 20
)

var errEnough = errors.New("enough has been seen")

// readNearest finds the tests, and looks at what was kept.
func readNearest(ctx context.Context, in files, s *Step) error {
	for _, l := range s.Funnel.Stages {
		config := s.stageConfig(l.Name)
		if config == nil {
			continue
		}
		var cfg struct {
			Tests []struct {
				Threshold
				Signal string `json:"signal"`
			} `json:"tests"`
		}
		if json.Unmarshal(config, &cfg) != nil || len(cfg.Tests) == 0 {
			continue // readSignals says what is wrong with it
		}
		dropped := map[string]int64{}
		for _, r := range l.Dropped {
			dropped[r.key()] += r.Documents
		}
		from := len(s.Nearest)
		for _, t := range cfg.Tests {
			if len(s.Nearest) < nearestTests {
				n := Nearest{Stage: l.Name, Threshold: t.Threshold, Signal: t.Signal}
				n.Dropped = dropped[t.Rule+":"+t.Reason]
				s.Nearest = append(s.Nearest, n)
			}
		}
		if s.measure == nil {
			continue
		}
		measure := s.measure(l.Name, config)
		if measure == nil {
			continue
		}
		if err := s.nearestOfKept(ctx, in, s.Nearest[from:], measure); err != nil {
			return err
		}
	}
	return nil
}

// nearestOfKept looks at the kept records, up to nearestKept bytes of them.
func (s *Step) nearestOfKept(ctx context.Context, in files, list []Nearest, measure func(*record.Record) []Measured) error {
	text, err := s.textField()
	if err != nil {
		return damaged(in.path(configName), err)
	}
	var batch record.Batch
	left := int64(nearestKept)
	err = in.kept(ctx, func(p place, line []byte) error {
		if left -= int64(len(line)); left < 0 {
			s.keptCut = true
			return errEnough
		}
		batch.Reset()
		batch.Append(0, 0, line)
		batch.Parse()
		d := dropped{place: p, rec: &batch.Records[0]}
		if d.rec.Outcome != record.Keep {
			return d.rec.Err
		}
		hash := uint64(0)
		for _, m := range measure(d.rec) {
			for i := range list {
				n := &list[i]
				if n.Signal != m.Name || n.fails(m.Value) || n.farthest(m.Value) { // a later stage may have made another text of it
					continue
				}
				if hash == 0 {
					hash = xxhash.Sum64(line)
				}
				d.hash = hash
				n.In = n.take(n.In, &d, rounded(m.Value), text)
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// fails says on which side of the threshold a value is.
func (t *Threshold) fails(v float64) bool {
	switch t.Compare {
	case "above":
		return v > t.Value
	case "below":
		return v < t.Value
	case "at_or_above":
		return v >= t.Value
	case "at_or_below":
		return v <= t.Value
	}
	return false
}

// farthest says of a value that it is 0 where only much fails: nothing could be farther from the threshold, and nearly all
// kept documents are there.
func (t *Threshold) farthest(v float64) bool { return strings.HasSuffix(t.Compare, "above") && v <= 0 }

// takeNearest looks at what was dropped. Its verdict has the value of the test that it failed.
func takeNearest(s *Step) func(*dropped) {
	return func(d *dropped) {
		if d.verdict == nil || len(s.Nearest) == 0 {
			return
		}
		var is struct {
			Signals map[string]float64 `json:"signals"`
		}
		if json.Unmarshal(d.verdict, &is) != nil {
			return // the verdict of another kind of stage
		}
		for i := range s.Nearest {
			n := &s.Nearest[i]
			if n.Stage != d.stage || n.Rule+":"+n.Reason != d.reason {
				continue
			}
			if v, ok := is.Signals[n.Signal]; ok {
				n.Out = n.take(n.Out, d, v, s.text)
			}
		}
	}
}

// take keeps the list sorted by distance, and short.
func (n *Nearest) take(list []Near, d *dropped, value float64, text record.Path) []Near {
	away := math.Abs(value - n.Value)
	if math.IsNaN(away) {
		return list
	}
	k, _ := slices.BinarySearchFunc(list, d, func(e Near, d *dropped) int {
		if c := cmp.Or(cmp.Compare(e.away, away), cmp.Compare(e.hash, d.hash)); c != 0 {
			return c
		}
		if e.place.before(d.place) {
			return -1
		}
		return 1
	})
	if k == nearestLimit {
		return list
	}
	start, _ := d.text(text)
	e := Near{ID: cut(d.id(), 80), Value: value, Part: d.part, Offset: d.offset, Text: cut(start, nearestText), away: away, hash: d.hash, place: d.place}
	return slices.Insert(list, k, e)[:min(len(list)+1, nearestLimit)]
}

func (n Nearest) isEmpty() bool { return len(n.Out)+len(n.In) == 0 }

func hasNearest(s *Step) bool { return len(s.Nearest) > 0 }

// KeptCut says that not all of the kept records were looked at.
func (s *Step) KeptCut() bool { return s.keptCut }

const nearestAbout = `Up to twenty documents on each side of each threshold, the nearest first: dropped ones just beyond it, and kept ones just within. Whoever thinks of moving a threshold sees here what would come or go. What was kept is measured anew, as it was written, if the program that makes the report knows the rules; those that have nothing of what there may be too much of are left out.`

const nearestPage = `{{if .KeptCut}}<p>Of what was kept, the first 256 MiB were looked at.</p>
{{end}}{{range .Nearest}}<details><summary>{{.Reason}}: dropped if {{.Signal}} is {{compared .Compare}} {{number .Value}}; {{group .Dropped}} were</summary>
<div class="nearest">{{if .Out}}<table><tr><th class="n">value<th>dropped<th>text
{{range .Out}}<tr><td class="n">{{number .Value}}<td><bdi>{{.ID}}</bdi><td><bdi>{{oneLine .Text}}</bdi>
{{end}}</table>{{end}}
{{if .In}}<table><tr><th class="n">value<th>kept<th>text
{{range .In}}<tr><td class="n">{{number .Value}}<td><bdi>{{.ID}}</bdi><td><bdi>{{oneLine .Text}}</bdi>
{{end}}</table>{{end}}</div></details>
{{end}}`

// compared is a comparison in words.
func compared(c string) string { return strings.ReplaceAll(c, "_", " ") }

// oneLine puts a text into a line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
