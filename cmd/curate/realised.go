package main

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"strconv"

	"curate/internal/human"
	"curate/shards"
)

// realisedLine is what became of one stage or source.
type realisedLine struct{ of, line string }

// realised says what came of a schedule and a mixture, beside what was asked.
func realised(s *shards.Schedule) (stages, sources []realisedLine) {
	for _, g := range s.Stages {
		line := count(g.Tokens, "token")
		if len(s.Stages) > 1 {
			line += fmt.Sprintf(" (%s)", besides(percentOf(g.Share), "asked "+percentOf(g.ShareAsked), percentOf(g.Share) != percentOf(g.ShareAsked)))
		}
		line += ", " + count(g.Sequences, "sequence")
		if g.RowsPerStep > 0 {
			line += fmt.Sprintf(", %s of %s", count(g.Steps, "step"), count(g.RowsPerStep, "row"))
		}
		stages = append(stages, realisedLine{g.Dir, line})
	}
	if s.Preference != "" {
		stages = append(stages, realisedLine{s.Preference, count(s.Pairs, "pair")})
	}
	for _, src := range s.Sources {
		a := src.Asked
		if src.Documents == 0 && src.Pairs > 0 {
			sources = append(sources, realisedLine{src.Name, count(src.Pairs, "pair")})
			continue
		}
		line := fmt.Sprintf("%s (%s), %s",
			besides(count(src.Tokens, "token"), "wanted "+human.Thousands(src.Wanted), a.Tokens > 0 && src.Tokens != src.Wanted),
			besides(percentOf(src.Share), "wanted "+percentOf(src.ShareWanted), a.Share > 0 && percentOf(src.Share) != percentOf(src.ShareWanted)),
			besides(decimalOf(src.Epochs)+" "+epochs(src.Epochs), "asked "+decimalOf(a.Epochs), a.Epochs > 0 && decimalOf(src.Epochs) != decimalOf(a.Epochs)))
		if a.Capped {
			line += ", capped"
		}
		if src.Pairs > 0 {
			line += ", and " + count(src.Pairs, "pair")
		}
		sources = append(sources, realisedLine{src.Name, line})
	}
	if len(sources) == 1 && sources[0].of == unnamedSource {
		sources = nil // that is all there is
	}
	return stages, sources
}

// besides is what there is, with what it was to be if that is another.
func besides(is, other string, differs bool) string {
	if !differs {
		return is
	}
	return is + ", " + other
}

func epochs(n float64) string {
	if n == 1 {
		return "epoch"
	}
	return "epochs"
}

func percentOf(share float64) string {
	return strconv.FormatFloat(100*share, 'f', 2, 64) + " %"
}

// decimalOf has three digits behind the point at most.
func decimalOf(f float64) string {
	s, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', 3, 64), 64)
	if err != nil {
		return fmt.Sprint(f)
	}
	return strconv.FormatFloat(s, 'f', -1, 64)
}

// sayRealised says at the end of a run what it has made in dir. by is the field that says which source a record is of, or "".
func sayRealised(ctx context.Context, log *slog.Logger, dir, by string) {
	s, err := shards.OpenSchedule(ctx, storage(), path.Clean(dir))
	if err != nil || s == nil {
		return // whoever reads it next says so
	}
	stages, sources := realised(s)
	for _, l := range stages {
		log.Info(l.of + ": " + l.line)
	}
	for k, l := range sources {
		if k == saidGroups {
			log.Info(fmt.Sprintf("and %s; %s has all of them", plural(len(sources)-k, "more source", "more sources"), shards.ScheduleFile))
			break
		}
		log.Info("source " + l.of + ": " + l.line)
	}
	if by != "" && len(s.Sources) == 1 && s.Sources[0].Name == unnamedSource {
		log.Warn(fmt.Sprintf("--by %s: no record has that field, so that all are of source %s", by, unnamedSource))
	}
	sequences := s.Pairs
	for _, g := range s.Stages {
		sequences += g.Sequences
	}
	if sequences == 0 {
		log.Warn("no document has come into the shards: they are empty")
	}
}
