package main

import (
	"context"
	"errors"
	"fmt"

	"curate/corpus"
	"curate/dedup"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/stage"
)

var decontaminateKind = recipe.Kind{
	Name:    "decontaminate",
	Summary: "removes documents that contain items of benchmarks, or what of them does",
	Keys: []recipe.Key{
		{Name: "against", Type: recipe.RecordsOf, Required: true, Help: "earlier steps, files, globs and directories of benchmarks, each called by its name"},
		{Name: "names", Type: recipe.Texts, Help: "of the benchmarks, one each, in the place of their files'"},
		{Name: "mode", Type: recipe.Text, Default: dedup.DropMode, Choices: []string{dedup.AnnotateMode, dedup.CutMode, dedup.DropMode}, Help: "what becomes of a document with an item: drop it, cut the item out, or annotate"},
		{Name: "match", Type: recipe.Texts, Help: "methods: exact, ngram, near; default exact and ngram"},
		{Name: "convention", Type: recipe.Text, Default: dedup.GPT3Convention, Choices: []string{dedup.DatatroveConvention, dedup.GPT3Convention}, Help: "ngram: how n-grams are made"},
		{Name: "ngram", Type: recipe.Integer, Min: 2, Max: dedup.MaxNgram, Help: "ngram: words; default 12 of datatrove, and of gpt3 8 to 13 by the benchmark's items"},
		{Name: "min_share", Type: recipe.Share, Default: 0.0, Help: "ngram: share of an item's n-grams that a document must have; one at least"},
		{Name: "ignore_common", Type: recipe.Integer, Min: 1, Max: 1 << 30, Help: "ngram, gpt3: n-grams in more than so many documents find nothing, as in GPT-3's paper with 10; the inputs are read twice"},
		{Name: "query_ngrams", Type: recipe.Boolean, Help: "ngram, datatrove: looks also for n-grams of the question alone"},
		{Name: "least_words", Type: recipe.Integer, Default: int64(8), Min: 1, Max: dedup.MaxNgram, Help: "exact, near: words that what is looked for within documents must have"},
		{Name: "threshold", Type: recipe.Number, Default: dedup.DefaultThreshold, Min: 1e-6, Max: 1, Help: "near: similarity from which on an item is in a document"},
		{Name: "measure", Type: recipe.Text, Default: dedup.Containment, Choices: []string{dedup.Containment, dedup.Jaccard}, Help: "near: of the item's shingles in the document, or of both sets"},
		{Name: "window", Type: recipe.Integer, Default: int64(200), Min: 0, Max: 1 << 30, Help: "cut: characters on each side that go too"},
		{Name: "least_piece", Type: recipe.Integer, Default: int64(200), Min: 0, Max: 1 << 30, Help: "cut: characters that a piece must have to stay"},
		{Name: "most_pieces", Type: recipe.Integer, Default: int64(10), Min: 1, Max: 1 << 30, Help: "cut: pieces into which a document may fall"},
		{Name: "benchmark_memory", Type: recipe.Text, Default: "64MiB", Help: "for the benchmarks' items, 96 bytes for each of their words, twice with datatrove's convention"},
	},
	Check: func(v *recipe.Values) error {
		if _, err := benchmarkMemory(v); err != nil {
			return err
		}
		if n := len(v.Texts("names")); n > 0 && n != len(v.Paths("against")) {
			return v.Errorf("names", "has %d names, and against %d benchmarks; give one each", n, len(v.Paths("against")))
		}
		given := func(flag string) bool { return false }
		cfg, cut := benchmarkValues(v)
		if err := checkContamination(given, &cfg, v.Text("mode"), &cut); err != nil {
			return v.Errorf("match", "%v", err)
		}
		b, err := dedup.NewBenchmarksBuilder(cfg, 0)
		if err != nil {
			return v.Errorf("match", "%v", err)
		}
		if err := b.Begin("b"); err != nil {
			return err
		}
		_, _, err = decontaminator(dedup.DecontaminatorConfig{Benchmarks: b.Set(), Mode: v.Text("mode"), Cut: cut, MostDocuments: int(v.Integer("ignore_common"))})
		if err != nil {
			return v.Errorf("mode", "%v", err)
		}
		return nil
	},
	Reserve: func(v *recipe.Values, _ int) int64 {
		n, err := benchmarkMemory(v)
		if err != nil { // Check has said so
			return 0
		}
		return n
	},
	Build: func(ctx context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		memory, err := benchmarkMemory(v)
		if err != nil {
			return nil, err
		}
		names := v.Texts("names")
		var list []against
		for i, p := range v.Paths("against") {
			a := against{benchmarkName(p), p}
			if len(names) > 0 {
				a.name = names[i]
			}
			list = append(list, a)
		}
		cfg, cut := benchmarkValues(v)
		set, size, err := readBenchmarks(ctx, cfg, list, s.TextField, pipeline.DefaultMaxRecord(s.Memory, 0), memory, "benchmark_memory")
		switch {
		case errors.As(err, new(*corpus.InputError)):
			return nil, v.Errorf("against", "%v", err)
		case err != nil:
			return nil, fmt.Errorf("against: %w", err)
		}
		s.Log.Info(contaminationNote(set, size))
		if cut.Window == 0 {
			cut.Window = -1
		}
		if cut.LeastPiece == 0 {
			cut.LeastPiece = -1
		}
		st, _, err := decontaminator(dedup.DecontaminatorConfig{
			TextField: s.TextField, Benchmarks: set, Mode: v.Text("mode"), Cut: cut, MostDocuments: int(v.Integer("ignore_common")), Verdicts: true,
		})
		if err != nil {
			return nil, v.Errorf("mode", "%v", err)
		}
		return []stage.Stage{st}, nil
	},
	RecordCost: contaminationRecordCost,
	Speed:      60,
}

func benchmarkMemory(v *recipe.Values) (int64, error) {
	n, err := parseSize("benchmark_memory", v.Text("benchmark_memory"))
	if err != nil {
		return 0, v.Errorf("benchmark_memory", "%v", err)
	}
	return n, nil
}

func benchmarkValues(v *recipe.Values) (dedup.BenchmarksConfig, dedup.CutConfig) {
	match := v.Texts("match")
	if len(match) == 0 {
		match = []string{dedup.MatchExact, dedup.MatchNgram}
	}
	return dedup.BenchmarksConfig{
			Match: match, Convention: v.Text("convention"), Ngram: int(v.Integer("ngram")), MinShare: v.Number("min_share"), QueryNgrams: v.Boolean("query_ngrams"),
			LeastWords: int(v.Integer("least_words")), Threshold: v.Number("threshold"), Measure: v.Text("measure"),
		}, dedup.CutConfig{
			Window: int(v.Integer("window")), LeastPiece: int(v.Integer("least_piece")), MostPieces: int(v.Integer("most_pieces")),
		}
}
