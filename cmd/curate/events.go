package main

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"curate/pipeline"
)

// eventSpec is a kind of line of --log json.
type eventSpec struct {
	name   string
	fields string // beside time, level, event and msg; "step" in a recipe, too
	what   string
}

// events are all of them, sorted by name. docs/formats/events.md is made of it.
var events = []eventSpec{
	{"checkpoint", "at, tokens, dir", "training has written a checkpoint, after `at` steps"},
	{"counts", countFields, "what became of the records of a command, at its end or when it is stopped"},
	{"decision.finished", "phase, stage", "what was to be decided over all records, or found in them, is"},
	{"decision.started", "phase, stage, splits", "all records are through the phase, and its last stage, such as dedup, decides over so many splits"},
	{"error", "exit", "what ended the command, with its exit code"},
	{"file.finished", "phase, file, path", "an input is through the phase; `file` is its number in the manifest, from 1, and 0 for standard input"},
	{"file.started", "phase, file, path", "an input is opened"},
	{"message", "", "what text says, too, and has no fields"},
	{"phase.finished", "phase, " + countFields, "all records are through the phase, those of earlier attempts included"},
	{"phase.started", "phase, phases, files, bytes, splits_done", "a pass over the records begins; `bytes` are to be read, as stored, -1 if nobody knows; `splits_done` were finished by an earlier attempt"},
	{"progress", "phase, phases, read, kept, quarantined, bytes_in, done, total", "every 10 s: counts of the phase, and bytes as stored that are through, of those that there are in the phases up to this one (-1: not known); of training, steps"},
	{"quarantine", "phase, file, split, records", "so many records of a split went to the quarantine"},
	{"quarantine.record", "", "one that is kept nowhere: `msg` says which, and why"},
	{"recipe.started", "recipe, run, steps", "a recipe, its run directory, and how many steps it has"},
	{"resumed", "phase, splits_done", "a run goes on behind so many finished splits"},
	{"run.finished", "exit", "the last line: the exit code"},
	{"run.started", "command, program, pid", "the first line"},
	{"split.finished", "phase, file, split, " + countFields, "a split's parts are in place, and it is in the journal"},
	{"split.started", "phase, file, split", "the first records of a split are through the stages"},
	{"step.failed", "step", "more of a step's records were quarantined than its recipe allows; the run goes on"},
	{"step.finished", "step, " + countFields, "a step of a recipe is whole; of training without counts"},
	{"step.skipped", "step", "an earlier run has finished it"},
	{"step.started", "step, how, stages", "`how`: begins, goes on, has changed, begins anew"},
	{"validation", "at, loss, targets", "training has measured held-out rows, after `at` steps, in nats a token"},
	{"warning", "", "a message to heed"},
}

const countFields = "read, kept, dropped, quarantined, bytes_in, bytes_out"

// eventHandler writes an object a line: time, level, event, its fields, and msg, which is what text has of it.
type eventHandler struct{ json slog.Handler }

// messageField stands for the key of the message while it is among the fields: slog's own is then the event's.
const messageField = "\x00msg"

func newEventHandler(w io.Writer, level slog.Level) eventHandler {
	return eventHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case a.Key == slog.MessageKey:
			a.Key = pipeline.EventKey
		case a.Key == messageField:
			a.Key = slog.MessageKey
		}
		return a
	}})}
}

// Enabled implements slog.Handler.
func (h eventHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.json.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h eventHandler) Handle(ctx context.Context, r slog.Record) error {
	name := "message"
	switch {
	case r.Level >= slog.LevelError:
		name = "error"
	case r.Level >= slog.LevelWarn:
		name = "warning"
	}
	var fields []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == pipeline.EventKey {
			name = a.Value.String()
		} else {
			fields = append(fields, a)
		}
		return true
	})
	if r.Message != "" {
		fields = append(fields, slog.String(messageField, r.Message))
	}
	line := slog.NewRecord(r.Time, r.Level, name, r.PC)
	line.AddAttrs(fields...)
	return h.json.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return eventHandler{h.json.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h eventHandler) WithGroup(name string) slog.Handler {
	return eventHandler{h.json.WithGroup(name)}
}

// eventLog is where a command tells of its beginning and its end, nil if not as events.
func eventLog(cmd *cobra.Command, env environment) *slog.Logger {
	if f := cmd.Flags().Lookup("log"); f == nil || f.Value.String() != "json" {
		return nil
	}
	level := slog.LevelInfo
	if f := cmd.Flags().Lookup("quiet"); f != nil && f.Value.String() == "true" {
		level = slog.LevelWarn
	}
	return slog.New(newEventHandler(env.stderr, level))
}

// eventTable is the table of docs/formats/events.md.
func eventTable() string {
	var b strings.Builder
	b.WriteString("| event | fields | |\n|---|---|---|\n")
	for _, e := range events {
		fields := ""
		if e.fields != "" {
			fields = "`" + strings.ReplaceAll(e.fields, ", ", "`, `") + "`"
		}
		b.WriteString("| `" + e.name + "` | " + fields + " | " + e.what + " |\n")
	}
	return b.String()
}
