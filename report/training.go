package report

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/go-json-experiment/json"

	"curate/internal/human"
)

// Training is what a step of kind train has done, from metrics.jsonl, timing.json and, of a search, search.json.
type Training struct {
	Steps      int64   `json:"steps"`
	Tokens     int64   `json:"tokens"`
	Loss       float64 `json:"loss"` // nats a token, mean of the last tenth of the steps
	Validation float64 `json:"validation_loss,omitzero"`
	// Losses, Norms and Rates are over the tokens seen, thinned to curvePoints means.
	Losses      Curve `json:"losses"`
	Validations Curve `json:"validation_losses,omitzero"`
	Norms       Curve `json:"grad_norms"`
	Rates       Curve `json:"learning_rates"`
	// Of pairs of preferences, of a step and held out: by how much the reward of the chosen answer is above that of the rejected
	// one, and the share of pairs of which it is.
	Margins    []Curve `json:"margins,omitempty"`
	Accuracies []Curve `json:"accuracies,omitempty"`
	Best       *Best   `json:"best,omitzero"`    // of a run that could stop early, once it is done
	Stages     []Mark  `json:"stages,omitzero"`  // where rows of another length begin
	Resumes    []Mark  `json:"resumes,omitzero"` // where a killed run has gone on
	// Of the attempts together; they are no part of what a run promises to be the same.
	Seconds         float64 `json:"seconds,omitzero"`
	TokensPerSecond float64 `json:"tokens_per_second,omitzero"`
	ShareOfPeak     float64 `json:"share_of_peak,omitzero"`

	Search *Search `json:"search,omitzero"`
}

// Best is the validation whose model is the run's: it ends when the loss no longer falls.
type Best struct {
	Steps int64   `json:"steps"` // of the model
	X     float64 `json:"tokens"`
	Loss  float64 `json:"validation_loss"`
	Early bool    `json:"early"` // the run has not made all its steps
}

// Search is what became of the trials of curate train --search.
type Search struct {
	Names  []string `json:"names"`
	Trials []Trial  `json:"trials"` // the best first
}

// Trial is one setting of the hyper-parameters.
type Trial struct {
	Trial      int       `json:"trial"`
	Values     []float64 `json:"values"`         // in the order of Search.Names
	Loss       *float64  `json:"loss,omitempty"` // null: it has diverged
	Validation *float64  `json:"validation_loss,omitempty"`
}

const (
	metricsName    = "metrics.jsonl"
	trainingTiming = "timing.json"
	trainingConfig = "train.json"
	trainingDone   = "done"
	searchName     = "search.json"
	curvePoints    = 400
	stageLimit     = 50
	mostMetricLine = 1 << 20
	searchNames    = 12
	searchTrials   = 500
)

// metricsLine is what is read of a line of metrics.jsonl: of a step, or of a validation.
type metricsLine struct {
	Step       int64    `json:"step"`
	Epoch      int64    `json:"epoch"`
	Stage      int      `json:"stage"`
	Length     int64    `json:"length"`
	Tokens     int64    `json:"tokens"`
	Loss       *float64 `json:"loss"`
	Norm       float64  `json:"grad_norm"`
	Rate       float64  `json:"learning_rate"`
	Validation *float64 `json:"validation_loss"`
	DPO        *struct {
		Margin   float64 `json:"margin"`
		Accuracy float64 `json:"accuracy"`
	} `json:"dpo"`
}

// metrics are what is looked up of metrics.jsonl later on.
type metrics struct {
	tokensAt map[int64]float64 // seen with a step
	losses   map[int64]float64 // of validations, by steps done
}

func readTraining(ctx context.Context, in files, s *Step) error {
	there, err := in.exists(ctx, metricsName)
	if err != nil {
		return err
	}
	search, err := in.exists(ctx, searchName)
	if err != nil || !there && !search {
		return err
	}
	t := &Training{}
	if search {
		if err := t.readSearch(ctx, in); err != nil {
			return err
		}
	}
	if there {
		m, err := t.readMetrics(ctx, in)
		if err != nil {
			return err
		}
		if err := t.readTiming(ctx, in, m.tokensAt); err != nil {
			return err
		}
		if err := t.readBest(ctx, in, m); err != nil {
			return err
		}
	}
	s.Training = t
	return nil
}

func (t *Training) readMetrics(ctx context.Context, in files) (found metrics, err error) {
	found = metrics{map[int64]float64{}, map[int64]float64{}}
	r, err := in.st.Open(ctx, in.path(metricsName), 0)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, mostMetricLine)
	sc.Split(wholeLine)
	var losses []float64
	stage := -1
	margins, accuracies := [2]Curve{{Name: "training"}, {Name: "validation"}}, [2]Curve{{Name: "training"}, {Name: "validation"}}
	pairs := func(m *metricsLine, kind int, x float64) {
		if m.DPO != nil {
			margins[kind].Points = append(margins[kind].Points, Point{x, m.DPO.Margin})
			accuracies[kind].Points = append(accuracies[kind].Points, Point{x, m.DPO.Accuracy})
		}
	}
	for n := 1; sc.Scan(); n++ {
		var m metricsLine
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
			return found, damaged(fmt.Sprintf("%s:%d", in.path(metricsName), n), err)
		}
		if m.Step < 0 || m.Tokens < 0 {
			return found, damaged(fmt.Sprintf("%s:%d", in.path(metricsName), n), errors.New("a number below 0"))
		}
		if m.Validation != nil {
			t.Validation = *m.Validation
			found.losses[m.Step] = *m.Validation
			t.Validations.Points = append(t.Validations.Points, Point{float64(t.Tokens), *m.Validation}) // of the model after the steps so far
			pairs(&m, 1, float64(t.Tokens))
		}
		if m.Loss == nil {
			continue
		}
		x := float64(m.Tokens)
		found.tokensAt[m.Step] = x
		t.Steps, t.Tokens = t.Steps+1, m.Tokens
		losses = append(losses, *m.Loss)
		t.Losses.Points = append(t.Losses.Points, Point{x, *m.Loss})
		t.Norms.Points = append(t.Norms.Points, Point{x, m.Norm})
		t.Rates.Points = append(t.Rates.Points, Point{x, m.Rate})
		pairs(&m, 0, x)
		if m.Stage != stage {
			if stage = m.Stage; m.Epoch == 0 && len(t.Stages) < stageLimit {
				t.Stages = append(t.Stages, Mark{x, fmt.Sprintf("rows of %s", human.Thousands(m.Length))})
			}
		}
	}
	if err := sc.Err(); err != nil {
		return found, damaged(in.path(metricsName), err)
	}
	if len(t.Stages) == 1 { // nothing was switched
		t.Stages = nil
	}
	last := losses[len(losses)-min(len(losses), max(1, len(losses)/10)):] // as the run tells its loss
	for _, l := range last {
		t.Loss += l / float64(len(last))
	}
	t.Losses.Name, t.Validations.Name = "training", "validation"
	for _, c := range []*Curve{&t.Losses, &t.Validations, &t.Norms, &t.Rates} {
		c.Points = thin(c.Points, curvePoints)
	}
	for kind := range margins {
		if len(margins[kind].Points) == 0 {
			continue
		}
		for _, c := range []*Curve{&margins[kind], &accuracies[kind]} {
			c.Points = thin(c.Points, curvePoints)
		}
		t.Margins, t.Accuracies = append(t.Margins, margins[kind]), append(t.Accuracies, accuracies[kind])
	}
	return found, nil
}

// wholeLine splits off lines; the last one without an end is passed over: the run was killed, or is at work.
func wholeLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// readTiming reads how long the attempts took, and at which step each began.
func (t *Training) readTiming(ctx context.Context, in files, tokensAt map[int64]float64) error {
	there, err := in.exists(ctx, trainingTiming)
	if err != nil || !there {
		return err
	}
	var file struct {
		Segments []struct {
			From      int64   `json:"from_step"`
			Tokens    int64   `json:"tokens"`
			Seconds   float64 `json:"seconds"`
			Speed     float64 `json:"tokens_per_second"`
			PeakShare float64 `json:"peak_share"`
		} `json:"segments"`
	}
	if err := in.json(ctx, trainingTiming, &file); err != nil {
		return err
	}
	tokens := int64(0)
	for i, g := range file.Segments {
		t.Seconds += g.Seconds
		tokens += g.Tokens
		t.TokensPerSecond += g.Speed * float64(g.Tokens)
		t.ShareOfPeak += g.PeakShare * float64(g.Tokens)
		if i > 0 && len(t.Resumes) < stageLimit {
			if x, ok := tokensAt[g.From]; ok {
				t.Resumes = append(t.Resumes, Mark{x, "resumed"})
			}
		}
	}
	if tokens > 0 {
		t.TokensPerSecond = rounded(t.TokensPerSecond / float64(tokens))
		t.ShareOfPeak = rounded(t.ShareOfPeak / float64(tokens))
	}
	return nil
}

// readBest finds out which validation is that of the run's model. A run that is at work has none yet.
func (t *Training) readBest(ctx context.Context, in files, m metrics) error {
	for _, name := range []string{trainingConfig, trainingDone} {
		if there, err := in.exists(ctx, name); err != nil || !there {
			return err
		}
	}
	var config struct {
		Steps    int64     `json:"steps"`
		Stopping *struct{} `json:"early_stopping"`
	}
	if err := in.json(ctx, trainingConfig, &config); err != nil || config.Stopping == nil {
		return err
	}
	r, err := in.st.Open(ctx, in.path(trainingDone), 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	var steps int64
	if _, err := fmt.Sscanf(string(b), "checkpoints/step-%d\n", &steps); err != nil {
		return damaged(in.path(trainingDone), err)
	}
	x, ok := m.tokensAt[steps-1]
	loss, measured := m.losses[steps]
	if !ok || !measured {
		return damaged(in.path(trainingDone), fmt.Errorf("it names the model after %d steps, which %s has not, or no validation of it", steps, metricsName))
	}
	t.Best, t.Validation = &Best{steps, x, loss, t.Steps < config.Steps}, loss
	return nil
}

func (t *Training) readSearch(ctx context.Context, in files) error {
	var file struct {
		Over []struct {
			Name string `json:"name"`
		} `json:"over"`
		Trials []struct {
			Trial  int `json:"trial"`
			Values []struct {
				Value float64 `json:"value"`
			} `json:"values"`
			Loss       *float64 `json:"loss"`
			Validation *float64 `json:"validation_loss"`
		} `json:"trials"`
	}
	if err := in.json(ctx, searchName, &file); err != nil {
		return err
	}
	s := &Search{}
	for _, o := range file.Over[:min(len(file.Over), searchNames)] {
		s.Names = append(s.Names, cut(o.Name, 60))
	}
	for _, f := range file.Trials[:min(len(file.Trials), searchTrials)] {
		if len(f.Values) != len(file.Over) {
			return damaged(in.path(searchName), fmt.Errorf("trial %d has %d values of %d", f.Trial, len(f.Values), len(file.Over)))
		}
		trial := Trial{Trial: f.Trial, Loss: f.Loss, Validation: f.Validation}
		for _, v := range f.Values[:len(s.Names)] {
			trial.Values = append(trial.Values, v.Value)
		}
		s.Trials = append(s.Trials, trial)
	}
	t.Search = s
	return nil
}

func hasTraining(s *Step) bool { return s.Training != nil }

// Charts are the drawings of a training run.
func (t *Training) Charts() []*chart {
	var marks []Mark
	if len(t.Stages) > 1 {
		marks = append(marks, t.Stages[1:]...) // where the first begins, the axis does
	}
	marks = append(marks, t.Resumes...)
	losses := marks
	if t.Best != nil {
		losses = append(slices.Clone(marks), Mark{t.Best.X, "best"})
	}
	var list []*chart
	for _, c := range []*chart{
		{Title: "loss, nats a token", Unit: "tokens", Curves: []Curve{t.Losses, t.Validations}, Marks: losses},
		{Title: "norm of the gradient, before clipping", Unit: "tokens", Curves: []Curve{t.Norms}, Marks: marks},
		{Title: "learning rate", Unit: "tokens", Curves: []Curve{t.Rates}, Marks: marks},
		{Title: "margin of the reward of chosen answers", Unit: "tokens", Curves: t.Margins, Marks: marks},
		{Title: "share of pairs whose chosen answer has the higher reward", Unit: "tokens", Curves: t.Accuracies, Marks: marks},
	} {
		if c.ready() != nil {
			list = append(list, c)
		}
	}
	return list
}

// score is what a trial is judged by: the loss on held-out rows, if there are any.
func (t *Trial) score() float64 {
	switch {
	case t.Validation != nil:
		return *t.Validation
	case t.Loss != nil:
		return *t.Loss
	}
	return math.Inf(1)
}

// Charts are a drawing for each hyper-parameter: a dot a trial.
func (s *Search) Charts() []*chart {
	var list []*chart
	for k, name := range s.Names {
		var c Curve
		least, most := math.Inf(1), 0.0
		for i := range s.Trials {
			v := s.Trials[i].Values[k]
			c.Points = append(c.Points, Point{v, s.Trials[i].score()})
			least, most = min(least, v), max(most, v)
		}
		unit := name
		if least > 0 && most/least >= 8 { // values that were tried by factors
			unit = "log₂ of " + name
			for i := range c.Points {
				c.Points[i].X = math.Log2(c.Points[i].X)
			}
		}
		if d := (&chart{Title: "loss by " + name, Unit: unit, Curves: []Curve{c}, Dots: true}).ready(); d != nil {
			list = append(list, d)
		}
	}
	return list
}

// Rows are the trials as a table.
func (s *Search) Rows() [][]string {
	loss := func(x *float64, none string) string {
		if x == nil {
			return none
		}
		return number(*x)
	}
	var rows [][]string
	for _, t := range s.Trials {
		row := []string{fmt.Sprint(t.Trial)}
		for _, v := range t.Values {
			row = append(row, number(v))
		}
		rows = append(rows, append(row, loss(t.Loss, "diverged"), loss(t.Validation, "–")))
	}
	return rows
}

const trainingAbout = `What a model has learnt: its loss, in nats a token, over the tokens that it has seen; of pairs of preferences it is that of DPO, in nats a pair. Lines across mark where rows of another length begin, where a killed run has gone on, and which validation was the best of a run that could end early. What is cut off at the top are the first steps.`

const trainingPage = `
{{with .Training}}{{if .Steps}}<p>{{group .Steps}} steps, {{group .Tokens}} tokens. Loss of the last tenth of the steps {{number .Loss}}{{if .Validation}}, of held-out rows {{number .Validation}}{{end}}.
{{- if .Seconds}} {{number .TokensPerSecond}} tokens a second{{if .ShareOfPeak}}, {{hundred .ShareOfPeak}} % of what the processor can do{{end}}.{{end}}
{{- with .Best}} {{if .Early}}It has ended early: the validation was best after {{group .Steps}} steps and then no longer fell.{{else}}The validation was best after {{group .Steps}} steps.{{end}} That is the run's model.{{end}}</p>
<div class="plots charts">{{range .Charts}}{{template "chart" .}}{{end}}</div>{{end}}
{{with .Search}}<h4>search</h4><table><tr><th>trial{{range .Names}}<th class="n">{{.}}{{end}}<th class="n">loss<th class="n">held out
{{range .Rows}}<tr>{{range $i, $v := .}}<td{{if $i}} class="n"{{end}}>{{$v}}{{end}}
{{end}}</table><div class="plots charts">{{range .Charts}}{{template "chart" .}}{{end}}</div>{{end}}{{end}}`
