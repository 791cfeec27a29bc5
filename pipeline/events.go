package pipeline

import (
	"context"
	"log/slog"
)

// EventKey is the attribute of a log record that says which event it is, for who reads them as JSON. cmd/curate has the table of all, and
// docs/formats/events.md is its page. A record without a message is an event that text does not tell; one without an event is a message.
const EventKey = "event"

// Event is that attribute.
func Event(name string) slog.Attr { return slog.String(EventKey, name) }

// tell logs an event of which text has nothing.
func tell(log *slog.Logger, event string, attrs ...slog.Attr) {
	log.LogAttrs(context.Background(), slog.LevelInfo, "", append([]slog.Attr{Event(event)}, attrs...)...)
}

// Attrs are the sums as fields of an event.
func (c *Counts) Attrs() []slog.Attr {
	dropped := int64(0)
	for _, n := range c.Dropped {
		dropped += n
	}
	return []slog.Attr{
		slog.Int64("read", c.Read), slog.Int64("kept", c.Kept), slog.Int64("dropped", dropped), slog.Int64("quarantined", c.Quarantined),
		slog.Int64("bytes_in", c.BytesIn), slog.Int64("bytes_out", c.BytesOut),
	}
}

// TellCounts logs the sums under an event, with the message that text has of them.
func TellCounts(log *slog.Logger, event, message string, c *Counts) {
	log.LogAttrs(context.Background(), slog.LevelInfo, message, append([]slog.Attr{Event(event)}, c.Attrs()...)...)
}

// phaseBegins tells that a pass over the records begins, behind so many splits of an earlier attempt.
func (r *run) phaseBegins(done int) {
	size := int64(0)
	for _, f := range r.job.Manifest.Files {
		if f.Size < 0 && r.in.source() == nil {
			size = -1
			break
		}
		size += r.size(f)
	}
	tell(r.job.Log, "phase.started", slog.Int("phase", r.phase), slog.Int64("phases", r.job.Progress.Phases.Load()),
		slog.Int("files", len(r.job.Manifest.Files)), slog.Int64("bytes", size), slog.Int("splits_done", done))
}

func (r *run) phaseEnds() {
	tell(r.job.Log, "phase.finished", append([]slog.Attr{slog.Int("phase", r.phase)}, r.total.Attrs()...)...)
}

// of are the fields that say where in the run the lane is.
func (l *lane) of(more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{slog.Int("phase", l.run.phase), slog.Int("file", l.file.Number)}, more...)
}

// splitEnds tells of a split that is committed, or written to the streams.
func (l *lane) splitEnds(e *Entry) {
	log := l.run.job.Log
	if e.Counts.Quarantined > 0 {
		tell(log, "quarantine", l.of(slog.Int("split", e.Split), slog.Int64("records", e.Counts.Quarantined))...)
	}
	tell(log, "split.finished", append(l.of(slog.Int("split", e.Split)), e.Counts.Attrs()...)...)
}
