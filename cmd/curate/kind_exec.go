package main

import (
	"context"
	"time"

	"curate/filter/exec"
	"curate/pipeline/recipe"
	"curate/stage"
)

var execKind = recipe.Kind{
	Name:    "exec",
	Summary: "keeps the records that a program of yours says to keep; it reads and answers JSON lines",
	Short:   "command",
	Keys: []recipe.Key{
		{Name: "command", Type: recipe.Texts, Help: "the program and its arguments: a list, or one text that is cut into words as a shell does; no shell runs it"},
		{Name: "shell", Type: recipe.Text, Help: "a line for a shell, in place of command"},
		{Name: "min", Type: recipe.Texts, Help: "SIGNAL=NUMBER: a record whose signal is below that is dropped, such as score=0.5"},
		{Name: "max", Type: recipe.Texts, Help: "SIGNAL=NUMBER: a record whose signal is above that is dropped"},
		{Name: "keep_labels", Type: recipe.Texts, Help: "labels that stay; the others go"},
		{Name: "drop_labels", Type: recipe.Texts, Help: "labels that go; the others stay"},
		{Name: "fields", Type: recipe.Texts, Help: "dotted paths of fields that are sent beside id and text"},
		{Name: "whole", Type: recipe.Boolean, Default: false, Help: "the whole record is sent in place of id, text and fields"},
		{Name: "id_field", Type: recipe.Text, Default: "id", Help: "dotted path of a record's id, which it need not have"},
		{Name: "files", Type: recipe.Texts, Help: "files that decide what the program answers: if one has changed, the step is done anew"},
		{Name: "name", Type: recipe.Text, Default: exec.DefaultName, Help: "in the ledger and before the names of signals"},
		{Name: "annotate", Type: recipe.Boolean, Default: false, Help: "verdict and signals are written into every record, and nothing is dropped"},
		{Name: "processes", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 1000, Help: "at a time; 0 is as many as the run has workers"},
		{Name: "timeout", Type: recipe.Text, Default: "1m", Help: "for an answer, such as 90s"},
		{Name: "start_timeout", Type: recipe.Text, Default: "5m", Help: "for the first answer of a process"},
		{Name: "restarts", Type: recipe.Integer, Default: int64(exec.DefaultRestarts), Min: 0, Max: 1000, Help: "of a process for the same record, at most"},
	},
	Check: func(v *recipe.Values) error {
		_, err := execConfig(v)
		return err
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		cfg, err := execConfig(v)
		if err != nil {
			return nil, err
		}
		cfg.TextField, cfg.Verdicts, cfg.Histograms = s.TextField, true, true
		cfg.Log = func(line string) { s.Log.Info(line) }
		if cfg.Processes == 0 {
			cfg.Processes = max(1, s.Workers)
		}
		e, err := exec.New(cfg)
		if err != nil {
			return nil, v.Errorf("command", "%v", err)
		}
		return []stage.Stage{e}, nil
	},
	Speed: 1,
}

func execConfig(v *recipe.Values) (exec.Config, error) {
	x := execSettings{
		command: v.Texts("command"), shell: v.Text("shell"), name: v.Text("name"), files: v.Texts("files"), fields: v.Texts("fields"),
		idField: v.Text("id_field"), whole: v.Boolean("whole"), min: v.Texts("min"), max: v.Texts("max"), keep: v.Texts("keep_labels"), drop: v.Texts("drop_labels"),
		annotate: v.Boolean("annotate"), processes: int(v.Integer("processes")), restarts: int(v.Integer("restarts")),
	}
	var err error
	if len(x.command) == 1 { // a list of a program alone is cut, too: quote a name with blanks
		if x.command, err = exec.Split(x.command[0]); err != nil {
			return exec.Config{}, v.Errorf("command", "command: %v", err)
		}
	}
	for _, d := range []struct {
		key string
		to  *time.Duration
	}{{"timeout", &x.timeout}, {"start_timeout", &x.startTimeout}} {
		if *d.to, err = time.ParseDuration(v.Text(d.key)); err != nil || *d.to <= 0 {
			return exec.Config{}, v.Errorf(d.key, "%q is no time, such as 90s or 2m", v.Text(d.key))
		}
	}
	cfg, err := x.config()
	if err != nil {
		return cfg, v.Errorf("", "exec: %v", err)
	}
	if len(cfg.Command) == 0 && cfg.Shell == "" {
		return cfg, v.Errorf("command", "exec needs a command, such as [python3, score.py], or a line for a shell")
	}
	return cfg, nil
}
