package report

import (
	"context"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/internal/human"
	"curate/stage"
)

// Signal is how the documents of a stage are spread over one of its signals.
type Signal struct {
	Stage      string      `json:"stage"`
	Name       string      `json:"name"`
	Documents  int64       `json:"documents"`
	Bins       []Bin       `json:"bins"` // those that are not empty, ascending
	Thresholds []Threshold `json:"thresholds,omitzero"`
}

// Bin holds the values from From to the next edge (package stage, Bin).
type Bin struct {
	From      float64 `json:"from"`
	Documents int64   `json:"documents"`
	number    int
}

// Threshold is a test on a signal: a document above, or below, the value is dropped.
type Threshold struct {
	Rule    string  `json:"rule"`
	Reason  string  `json:"reason"`
	Compare string  `json:"compare"` // above, below
	Value   float64 `json:"threshold"`
	Dropped int64   `json:"dropped"` // documents, of which this was the first test that they failed
}

type histogram struct {
	signal string
	bins   []Bin
}

// histograms takes the histograms, counters named SIGNAL@BIN, out of a stage's tallies.
func histograms(tallies map[string]int64) (others map[string]int64, list []histogram) {
	bins := map[string][]Bin{}
	others = map[string]int64{}
	for name, n := range tallies {
		at := strings.LastIndexByte(name, '@')
		if at > 0 {
			if k, err := strconv.Atoi(name[at+1:]); err == nil && k >= 0 && k < stage.Bins {
				bins[name[:at]] = append(bins[name[:at]], Bin{stage.BinEdge(k), n, k})
				continue
			}
		}
		others[name] = n
	}
	for _, signal := range slices.Sorted(maps.Keys(bins)) {
		b := bins[signal]
		slices.SortFunc(b, func(x, y Bin) int { return x.number - y.number })
		list = append(list, histogram{signal, b})
	}
	return others, list
}

// readSignals joins the histograms of the ledger with the tests of the configuration. A stage that compares signals
// has in its configuration a list "tests", in the order in which they are made.
func readSignals(_ context.Context, in files, s *Step) error {
	for _, l := range s.Funnel.Stages {
		var cfg struct {
			Tests []struct {
				Threshold
				Signal string `json:"signal"`
			} `json:"tests"`
		}
		if c := s.stageConfig(l.Name); c != nil {
			if err := json.Unmarshal(c, &cfg); err != nil {
				return damaged(in.path(configName), fmt.Errorf("configuration of stage %s: %w", l.Name, err))
			}
		}
		dropped := map[string]int64{}
		for _, r := range append(slices.Clone(l.Dropped), l.Annotated...) {
			dropped[r.key()] += r.Documents
		}
		order := map[string]int{} // signals as they are tested, the others behind
		for _, t := range cfg.Tests {
			if _, ok := order[t.Signal]; !ok {
				order[t.Signal] = len(order) - len(cfg.Tests)
			}
		}
		from := len(s.Signals)
		for _, h := range l.signals {
			sig := Signal{Stage: l.Name, Name: h.signal, Bins: h.bins}
			for _, b := range h.bins {
				sig.Documents += b.Documents
			}
			for _, t := range cfg.Tests {
				if t.Signal == h.signal {
					t.Dropped = dropped[t.Rule+":"+t.Reason]
					sig.Thresholds = append(sig.Thresholds, t.Threshold)
				}
			}
			s.Signals = append(s.Signals, sig)
		}
		slices.SortStableFunc(s.Signals[from:], func(a, b Signal) int { return order[a.Name] - order[b.Name] })
	}
	return nil
}

func hasSignals(s *Step) bool { return len(s.Signals) > 0 }

// Sizes of a drawing, in its own units.
const (
	plotWidth  = 640
	plotHeight = 96
	zeroWidth  = 16 // of the bar of zeros and what is less, left of the axis
	mostBars   = 96
)

// plot is a histogram made ready to be drawn.
type plot struct {
	Zero          string // path of the bar of zeros
	Bars          string // path of all bars
	Lines         []line
	Left, Right   string // values at the ends of the axis
	Zeros, Most   int64  // documents in the bar of zeros, and in the highest other one
	Width, Height int
	Marked        bool // a line has a label
}

// line is a threshold: a line and the side on which documents are dropped, or a mark with a label.
type line struct {
	X, From, Span string // From and Span are the dropped side
	Label, At     string // At is where the label stands, in percent of the width
}

// Plot is the drawing, for the template.
func (s Signal) Plot() plot {
	p := plot{Width: plotWidth, Height: plotHeight}
	lowest, highest := stage.Bins, 0
	for _, b := range s.Bins {
		if b.number > 0 {
			lowest, highest = min(lowest, b.number), max(highest, b.number)
		}
	}
	if highest == 0 { // zeros only: the axis is around the threshold
		lowest, highest = 1, 2
		for _, t := range s.Thresholds {
			if k := stage.Bin(t.Value); k > 0 {
				lowest, highest = max(k-8, 1), min(k+8, stage.Bins-1)
				break
			}
		}
	}
	// A threshold is drawn where it is, unless that would squeeze the documents into half the width.
	for _, t := range s.Thresholds {
		if k := stage.Bin(t.Value); k > 0 {
			if l, h := min(lowest, k), max(highest, k); h-l <= 2*(highest-lowest)+16 {
				lowest, highest = l, h
			}
		}
	}
	each := (highest - lowest + mostBars) / mostBars // bins a bar
	bars := make([]int64, (highest-lowest)/each+1)
	for _, b := range s.Bins {
		if b.number == 0 {
			p.Zeros = b.Documents
			continue
		}
		k := (b.number - lowest) / each
		bars[k] += b.Documents
		p.Most = max(p.Most, bars[k])
	}
	left := 0.0
	if p.Zeros > 0 { // often nearly all, so that at the same scale the others would vanish
		left = zeroWidth + 4
		p.Zero = barPath(0, zeroWidth, min(p.Zeros, max(p.Most, 1)), max(p.Most, 1))
	}
	wide := (plotWidth - left) / float64(len(bars))
	var path strings.Builder
	for k, n := range bars {
		if n > 0 {
			path.WriteString(barPath(left+float64(k)*wide, max(wide-1, 1), n, p.Most))
		}
	}
	p.Bars = path.String()
	p.Left, p.Right = short(stage.BinEdge(lowest)), short(stage.BinEdge(lowest+each*len(bars)))
	for _, t := range s.Thresholds {
		x := left
		if k := stage.Bin(t.Value); k > 0 {
			from, to := stage.BinEdge(k), stage.BinEdge(k+1)
			at := float64(k-lowest) + min(max((t.Value-from)/(to-from), 0), 1)
			x = left + wide*at/float64(each)
		}
		beyond := x > plotWidth
		x = min(max(x, left), plotWidth)
		l := line{X: coordinate(x), From: "0", Span: coordinate(x)}
		switch t.Compare {
		case "above", "at_or_above":
			l.From, l.Span = coordinate(x), coordinate(plotWidth-x)
		case "": // nothing is dropped
			l.Span, l.Label, l.At = "0", number(t.Value), coordinate(min(max(100*x/plotWidth, 3), 97))
			if beyond {
				l.Label += " →"
			}
		}
		p.Marked = p.Marked || l.Label != ""
		p.Lines = append(p.Lines, l)
	}
	return p
}

// barPath draws one bar. Any document at all is visible.
func barPath(x, width float64, n, most int64) string {
	high := max(float64(n)/float64(most)*(plotHeight-4), 1)
	return fmt.Sprintf("M%s %dv-%sh%sv%sz", coordinate(x), plotHeight, coordinate(high), coordinate(width), coordinate(high))
}

// coordinate is written to a tenth.
func coordinate(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// bar is a length that shows n of most.
func bar(n, most int64) template.HTML {
	if most <= 0 {
		return ""
	}
	return template.HTML(fmt.Sprintf(`<svg class="bar" width="160" height="10" aria-hidden="true"><rect class="full" width="160" height="10"/><rect class="part" width="%s" height="10"/></svg>`,
		coordinate(max(160*float64(n)/float64(most), 0))))
}

const signalsAbout = `What the rules measured, for the documents for which they had to: a document that has failed a test is asked nothing more. The scale is logarithmic; zeros stand at the left and are cut at the height of the other bars. The red line is the threshold; documents on the shaded side are dropped.`

const signalsPage = `
{{template "plots" figures .Signals}}`

// figure is a drawing with what is written beside it.
type figure struct {
	Name, Stage, Unit string
	Documents         int64 // of Unit
	Plot              plot
	Tests             []string
}

func figures(list []Signal) []figure {
	var all []figure
	for _, s := range list {
		f := figure{Name: s.Name, Stage: s.Stage, Unit: "documents", Documents: s.Documents, Plot: s.Plot()}
		for _, t := range s.Thresholds {
			f.Tests = append(f.Tests, fmt.Sprintf("%s %s: %s, %s dropped", t.Compare, number(t.Value), t.Reason, human.Thousands(t.Dropped)))
		}
		all = append(all, f)
	}
	return all
}

// plotsPage is the template "plots", over figures.
const plotsPage = `<div class="plots">{{range .}}{{$s := .}}{{with .Plot}}
<figure><figcaption><b>{{$s.Name}}</b> <span>{{$s.Stage}}, {{group $s.Documents}} {{$s.Unit}}</span></figcaption>
{{if .Marked}}<div class="marks" aria-hidden="true">{{range .Lines}}<span style="left:{{.At}}%">{{.Label}}</span>{{end}}</div>
{{end}}<svg viewBox="0 0 {{.Width}} {{.Height}}" preserveAspectRatio="none" role="img"><title>{{$s.Name}}</title>
{{range .Lines}}{{if not .Label}}<rect class="out" x="{{.From}}" y="0" width="{{.Span}}" height="100%"/>{{end}}{{end}}
<path class="zero" d="{{.Zero}}"/><path class="bars" d="{{.Bars}}"/>
{{range .Lines}}<line x1="{{.X}}" x2="{{.X}}" y1="0" y2="100%"/>{{end}}</svg>
<div class="axis"><span>{{if .Zeros}}zero: {{group .Zeros}} | {{end}}{{.Left}}</span>{{if .Most}}<span>highest bar: {{group .Most}}</span>{{end}}<span>{{.Right}}</span></div>
{{range $s.Tests}}<div class="test">{{.}}</div>
{{end}}</figure>{{end}}{{end}}
</div>`
