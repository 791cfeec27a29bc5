package progress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/go-json-experiment/json"
)

// Files of a training run. docs/formats/training-run.md is their page.
const (
	trainingConfig = "train.json"
	trainingDone   = "done"
	metricsName    = "metrics.jsonl"
)

// tail is how much of the end of the metrics is read: lines of steps have some 300 bytes, and a validation comes in between.
const tail = 256 << 10

// training fills in what the files of a training run say. Without them it changes nothing.
func (w *watched) training(ctx context.Context, s *Step, at time.Time) error {
	var config struct {
		Steps         int64 `json:"steps"`
		Tokens        int64 `json:"tokens"`
		TokensPerStep int64 `json:"tokens_per_step"`
	}
	if there, err := w.json(ctx, path.Join(w.root, trainingConfig), &config); err != nil || !there {
		return err
	}
	t := &Task{Steps: config.Steps}
	if t.Steps == 0 && config.TokensPerStep > 0 {
		t.Steps = (config.Tokens + config.TokensPerStep - 1) / config.TokensPerStep
	}
	if s.State == Absent { // of curate train -o DIR, which has no files of a run
		s.Stages = []string{"train"}
		s.State = Begun
	}
	s.Task, s.Doing = t, Training
	name := path.Join(w.root, metricsName)
	info, there, err := w.stat(ctx, name)
	if err != nil {
		return err
	}
	if there {
		if info.ModTime.After(s.Changed) {
			s.Changed = info.ModTime
		}
		f, err := w.st.Open(ctx, name, max(0, info.Size-tail))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			b, err := io.ReadAll(io.LimitReader(f, tail))
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			t.take(b)
		}
	}
	if done, there, err := w.stat(ctx, path.Join(w.root, trainingDone)); err != nil {
		return err
	} else if there && w.config.Step.Inputs == nil {
		s.State, s.Doing, s.Changed = Done, "", done.ModTime
		return nil
	}
	if t.Steps > 0 {
		share := min(1, float64(t.Step)/float64(t.Steps))
		s.Share = &share
	}
	w.speed(s, at)
	return nil
}

// take reads the last lines of steps and validations. What is no whole line, at the beginning or the end, says nothing.
func (t *Task) take(b []byte) {
	for line := range bytes.Lines(b) {
		var m struct {
			Step       int64    `json:"step"`
			Tokens     int64    `json:"tokens"`
			Loss       *float64 `json:"loss"`
			Validation *float64 `json:"validation_loss"`
		}
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &m) != nil {
			continue
		}
		switch {
		case m.Validation != nil:
			t.Validation = m.Validation
		case m.Loss != nil:
			t.Step, t.Tokens, t.Loss = m.Step+1, m.Tokens, *m.Loss
		}
	}
}
