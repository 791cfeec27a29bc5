package main

import (
	"context"

	"curate/dedup"
	"curate/pipeline/recipe"
	"curate/record"
	"curate/stage"
)

// Keys that both methods have.
var (
	priorityKey    = recipe.Key{Name: "priority", Type: recipe.Texts, Help: "sources for source-order, the one that stays first"}
	sourceFieldKey = recipe.Key{Name: "source_field", Type: recipe.Text, Default: dedup.DefaultSourceField, Help: "dotted path of a record's source, in place of its input"}
	alarmKey       = recipe.Key{Name: "alarm", Type: recipe.Share, Default: dedup.DefaultAlarm, Help: "share of a source's documents: when more go, that is a warning"}
)

// minHashConfig is what the keys say; m may be nil.
func minHashConfig(m *recipe.Values) (cfg dedup.MinHashConfig, err error) {
	cfg.Findings = dedup.Findings{Evidence: true, Clusters: true}
	if m == nil {
		return cfg, nil
	}
	cfg.Threshold, cfg.Verify, cfg.Scheme = m.Number("threshold"), m.Text("verify"), m.Text("scheme")
	cfg.Bands, cfg.Rows, cfg.Values, cfg.Short = int(m.Integer("bands")), int(m.Integer("rows")), int(m.Integer("permutations")), m.Text("short")
	cfg.Keep, cfg.Priority, cfg.Findings.Alarm = m.Text("keep"), m.Texts("priority"), m.Number("alarm")
	if cfg.SourceField, err = record.ParsePath(m.Text("source_field")); err != nil {
		return cfg, m.Errorf("source_field", "%v", err)
	}
	if cfg.IDField, err = record.ParsePath(m.Text("id_field")); err != nil {
		return cfg, m.Errorf("id_field", "%v", err)
	}
	return cfg, nil
}

// exactConfig is what the keys say, but for the field.
func exactConfig(e *recipe.Values) (cfg dedup.ExactConfig, err error) {
	cfg.Keep, cfg.Priority = e.Text("keep"), e.Texts("priority")
	cfg.Findings = dedup.Findings{Evidence: true, Clusters: true, Alarm: e.Number("alarm")}
	if cfg.SourceField, err = record.ParsePath(e.Text("source_field")); err != nil {
		return cfg, e.Errorf("source_field", "%v", err)
	}
	return cfg, nil
}

var dedupKind = recipe.Kind{
	Name:    "dedup",
	Summary: "keeps one of the documents that are the same, or nearly so; exact or minhash, and minhash without either",
	Keys: []recipe.Key{
		{Name: "exact", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "field", Type: recipe.Text, Help: "dotted path of what is compared; default the text"},
			{Name: "keep", Type: recipe.Text, Default: dedup.KeepFirst, Help: "which of the duplicates stays: first, best:FIELD or source-order"},
			priorityKey, sourceFieldKey, alarmKey,
		}, Help: "duplicates have the same value of a field"},
		{Name: "minhash", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "threshold", Type: recipe.Number, Default: dedup.DefaultThreshold, Min: 1e-6, Max: 1, Help: "similarity from which on documents are duplicates"},
			{Name: "verify", Type: recipe.Text, Default: dedup.VerifyExact, Choices: []string{dedup.VerifyExact, dedup.VerifySketch, dedup.VerifyNone}, Help: "how a pair is compared; with none a document may go for one that it is not like"},
			{Name: "keep", Type: recipe.Text, Default: dedup.KeepFirst, Help: "which of the duplicates stays: first, longest, best:FIELD or source-order"},
			priorityKey, sourceFieldKey, alarmKey,
			{Name: "id_field", Type: recipe.Text, Default: "id", Help: "dotted path of a record's own id, for the evidence"},
			{Name: "scheme", Type: recipe.Text, Default: dedup.DefaultScheme, Choices: schemeNames(), Help: "how shingles and signatures are made"},
			{Name: "bands", Type: recipe.Integer, Min: 1, Max: 255, Help: "bands of a signature, with rows; default the scheme's"},
			{Name: "rows", Type: recipe.Integer, Min: 1, Max: 64, Help: "values a band"},
			{Name: "permutations", Type: recipe.Integer, Min: 1, Max: dedup.MaxValues, Help: "values of a signature; without bands, bands and rows are chosen for the threshold; default the scheme's"},
			{Name: "short", Type: recipe.Text, Choices: dedup.ShortPolicies(), Help: "what becomes of a text of fewer words than a shingle has; default the scheme's"},
		}, Otherwise: true, Help: "duplicates are similar texts"},
	},
	Check: func(v *recipe.Values) error {
		e := v.Object("exact")
		if e != nil && v.Given("minhash") {
			return v.Errorf("minhash", "one step of dedup is exact or minhash; write two steps")
		}
		if e != nil && e.Given("field") {
			if _, err := record.ParsePath(e.Text("field")); err != nil {
				return e.Errorf("field", "%v", err)
			}
		}
		if e != nil {
			cfg, err := exactConfig(e)
			if err != nil {
				return err
			}
			if _, err := dedup.NewExact(cfg); err != nil {
				return v.Errorf("exact", "%v", err)
			}
			return nil
		}
		cfg, err := minHashConfig(v.Object("minhash"))
		if err != nil {
			return err
		}
		if _, err := dedup.NewMinHash(cfg); err != nil {
			return v.Errorf("minhash", "%v", err)
		}
		return nil
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		if e := v.Object("exact"); e != nil {
			field := s.TextField
			if e.Given("field") {
				field = record.MustPath(e.Text("field"))
			}
			cfg, err := exactConfig(e)
			if err != nil {
				return nil, err
			}
			cfg.Field, cfg.Verdicts = field, true
			d, err := dedup.NewExact(cfg)
			if err != nil {
				return nil, v.Errorf("exact", "%v", err)
			}
			return []stage.Stage{d}, nil
		}
		cfg, err := minHashConfig(v.Object("minhash"))
		if err != nil {
			return nil, err
		}
		cfg.Field, cfg.Verdicts = s.TextField, true
		d, err := dedup.NewMinHash(cfg)
		if err != nil {
			return nil, v.Errorf("minhash", "%v", err)
		}
		return d.Stages(), nil
	},
	Speed: 17, Factor: 2,
}
