package main

import (
	"fmt"
	"time"

	"curate/filter/exec"
	"curate/record"
)

// execSettings are those of a program that decides about records, as flags and keys of a recipe say them.
type execSettings struct {
	command                       []string
	shell, name                   string
	files, fields                 []string
	idField                       string
	whole                         bool
	min, max, keep, drop          []string
	processes, restarts           int
	timeout, startTimeout         time.Duration
	textField                     record.Path
	annotate, verdicts, histogram bool
	log                           func(line string)
}

func (x *execSettings) config() (exec.Config, error) {
	cfg := exec.Config{
		Command: x.command, Shell: x.shell, Name: x.name, Files: x.files, TextField: x.textField, Whole: x.whole,
		KeepLabels: x.keep, DropLabels: x.drop, Annotate: x.annotate, Verdicts: x.verdicts, Histograms: x.histogram,
		Processes: x.processes, Timeout: x.timeout, StartTimeout: x.startTimeout, Restarts: x.restarts, Log: x.log,
	}
	if cfg.Restarts == 0 {
		cfg.Restarts = -1 // the zero of a Config is the default
	}
	var err error
	if cfg.IDField, err = record.ParsePath(x.idField); err != nil {
		return cfg, fmt.Errorf("id field: %w", err)
	}
	for _, f := range x.fields {
		p, err := record.ParsePath(f)
		if err != nil {
			return cfg, fmt.Errorf("fields: %w", err)
		}
		cfg.Fields = append(cfg.Fields, p)
	}
	for _, list := range []struct {
		from []string
		to   *[]exec.Threshold
	}{{x.min, &cfg.Min}, {x.max, &cfg.Max}} {
		for _, s := range list.from {
			t, err := exec.ParseThreshold(s)
			if err != nil {
				return cfg, err
			}
			*list.to = append(*list.to, t)
		}
	}
	return cfg, nil
}
