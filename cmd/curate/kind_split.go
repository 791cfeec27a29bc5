package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"curate/corpus"
	"curate/dedup"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/stage"
)

var splitKind = recipe.Kind{
	Name:    "split",
	Summary: "keeps the documents of one part of a corpus, such as train, or drops those that are held out; a step a part",
	Keys: []recipe.Key{
		{Name: "part", Type: recipe.Text, Default: dedup.TrainPart, Help: "that is kept: train, which is what the others leave, validation, test, held_out, or one of shares"},
		{Name: "validation", Type: recipe.Share, Default: 0.0, Help: "share of the documents for validation"},
		{Name: "test", Type: recipe.Share, Default: 0.0, Help: "share of the documents for test"},
		{Name: "shares", Type: recipe.Objects, Keys: []recipe.Key{
			{Name: "part", Type: recipe.Text, Required: true, Help: "name of the part"},
			{Name: "share", Type: recipe.Share, Required: true, Help: "of the documents"},
		}, Help: "of further parts"},
		{Name: "seed", Type: recipe.Integer, Default: int64(1), Min: 0, Max: math.MaxInt64, Help: "that the parts follow; steps that part the same corpus have the same"},
		{Name: "by", Type: recipe.Text, Help: "dotted path of the field that decides in place of the text"},
		{Name: "held_out", Type: recipe.RecordsOf, Help: "earlier steps, files, globs and directories of documents whose texts are in no other part than held_out"},
		{Name: "held_out_memory", Type: recipe.Text, Default: "64MiB", Help: "for the digests of these documents, 32 bytes each, and with near 40 bytes for each of their words"},
		{Name: "near", Type: recipe.Boolean, Help: "holds out what is similar to one of these documents, too"},
		{Name: "by_cluster", Type: recipe.Boolean, Help: "near-duplicates are in one part: that of their first document"},
		{Name: "threshold", Type: recipe.Number, Default: dedup.DefaultThreshold, Min: 1e-6, Max: 1, Help: "similarity from which on documents are near-duplicates, for near and by_cluster"},
		{Name: "scheme", Type: recipe.Text, Default: dedup.DefaultScheme, Choices: schemeNames(), Help: "how their shingles are made"},
	},
	Check: func(v *recipe.Values) error {
		if _, err := heldOutMemory(v); err != nil {
			return err
		}
		var held *dedup.HeldOut
		if v.Given("held_out") {
			held = dedup.NewHeldOutBuilder(nil, 0).Set() // the step may not be there yet
		}
		if v.Boolean("near") && !v.Given("held_out") {
			return v.Errorf("near", "holds out what is similar to documents of held_out, and there are none")
		}
		_, err := splitStages(v, recipe.Setting{}, held, nil)
		return err
	},
	Reserve: func(v *recipe.Values, _ int) int64 {
		if !v.Given("held_out") {
			return 0
		}
		n, err := heldOutMemory(v)
		if err != nil { // Check has said so
			return 0
		}
		return n
	},
	Build: func(ctx context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		var held *dedup.HeldOut
		var near *dedup.NearHeldOut
		if v.Given("held_out") {
			memory, err := heldOutMemory(v)
			if err != nil {
				return nil, err
			}
			set := splitValues(v)
			h, err := set.readHeldOut(ctx, v.Paths("held_out"), s.TextField, pipeline.DefaultMaxRecord(s.Memory, 0), memory, "held_out_memory")
			switch {
			case errors.As(err, new(*corpus.InputError)):
				return nil, v.Errorf("held_out", "%v", err)
			case err != nil:
				return nil, fmt.Errorf("held_out: %w", err)
			}
			held, near = h.exact, h.near
			s.Log.Info(heldOutNote(held))
		}
		return splitStages(v, s, held, near)
	},
	Speed: 50,
}

func heldOutMemory(v *recipe.Values) (int64, error) {
	n, err := parseSize("held_out_memory", v.Text("held_out_memory"))
	if err != nil {
		return 0, v.Errorf("held_out_memory", "%v", err)
	}
	return n, nil
}

func splitValues(v *recipe.Values) splitSettings {
	set := splitSettings{
		validation: v.Number("validation"), test: v.Number("test"), seed: uint64(v.Integer("seed")), by: v.Text("by"), part: v.Text("part"),
		byCluster: v.Boolean("by_cluster"), near: v.Boolean("near"), threshold: v.Number("threshold"), scheme: v.Text("scheme"),
	}
	for _, o := range v.Objects("shares") {
		set.more = append(set.more, dedup.Part{Name: o.Text("part"), Share: o.Number("share")})
	}
	return set
}

func splitStages(v *recipe.Values, s recipe.Setting, held *dedup.HeldOut, near *dedup.NearHeldOut) ([]stage.Stage, error) {
	set := splitValues(v)
	if set.byCluster && set.by != "" {
		return nil, v.Errorf("by_cluster", "the part goes by clusters of texts, or by a field; leave one of them out")
	}
	cfg, err := set.config(s.TextField, held)
	if err != nil {
		return nil, v.Errorf("by", "%v", err)
	}
	cfg.Verdicts, cfg.Near = true, near
	stages, err := set.stages(cfg)
	if err != nil {
		return nil, v.Errorf("part", "%v", err)
	}
	return stages, nil
}
