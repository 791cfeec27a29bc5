package main

import (
	"context"
	"slices"

	"curate/dedup"
	"curate/pipeline/recipe"
	"curate/record"
	"curate/stage"
)

// Keys of the methods that keep one of several documents.
var (
	priorityKey    = recipe.Key{Name: "priority", Type: recipe.Texts, Help: "sources for source-order, the one that stays first"}
	sourceFieldKey = recipe.Key{Name: "source_field", Type: recipe.Text, Default: dedup.DefaultSourceField, Help: "dotted path of a record's source, in place of its input"}
	alarmKey       = recipe.Key{Name: "alarm", Type: recipe.Share, Default: dedup.DefaultAlarm, Help: "share of a source's documents: when more go, that is a warning"}
	idFieldKey     = recipe.Key{Name: "id_field", Type: recipe.Text, Default: "id", Help: "dotted path of a record's own id, for the evidence and the report"}
)

// indexKey is of the methods that may have an index.
var indexKey = recipe.Key{Name: "index", Type: recipe.Boolean, Default: false, Help: "keep an index of what the step keeps, so that files which come later are the only ones read; they are compared with it, and go where they are like something that was there. The method is then alone in its step, but for stages that decide about each document by itself (docs/incremental.md)"}

// dedupOrder is the order in which the methods of one step run: documents that are the same go before parts of texts are
// counted, so that a part is not boilerplate because its page was fetched often; near-duplicates are compared without
// boilerplate; and what costs least to find goes first.
var dedupOrder = []string{"url", "exact", dedup.Lines, dedup.Paragraphs, dedup.Sentences, "minhash"}

// formKey is how texts are compared.
func formKey(form string, names []string) recipe.Key {
	return recipe.Key{Name: "normalize", Type: recipe.Text, Default: form, Choices: names, Help: "form in which texts are compared"}
}

// unitKey is the key of a method that cuts parts out of texts.
func unitKey(unit, form, help string, more ...recipe.Key) recipe.Key {
	forms := slices.DeleteFunc(dedup.Forms(), func(name string) bool { return name == "url" })
	return recipe.Key{Name: unit, Type: recipe.Object, Keys: append([]recipe.Key{
		{Name: "keep", Type: recipe.Text, Default: "first", Choices: []string{"first", "none"}, Help: "which occurrence stays: the first, in the order of the inputs and the text, or none"},
		{Name: "min_count", Type: recipe.Integer, Default: int64(2), Min: 2, Max: dedup.MaxMinCount, Help: "occurrences in all texts from which on one is cut"},
		{Name: "min_chars", Type: recipe.Integer, Min: 1, Max: 1 << 30, Help: "characters that it must have; default 31, and 1 of sentences"},
		{Name: "min_words", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 1 << 30, Help: "a document of which fewer words are left is dropped"},
		formKey(form, forms),
	}, more...), Help: help}
}

var dedupKind = recipe.Kind{
	Name:    "dedup",
	Summary: "keeps one of the documents that are the same, or nearly so, and cuts recurring parts out of texts; several methods of one step run in the order of these keys, and minhash without any",
	Keys: []recipe.Key{
		{Name: "url", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "field", Type: recipe.Text, Default: "url", Help: "dotted path of the URL"},
			{Name: "keep", Type: recipe.Text, Default: dedup.KeepFirst, Help: "which of the duplicates stays: first, best:FIELD or source-order"},
			priorityKey, sourceFieldKey, alarmKey, idFieldKey,
			formKey("url", dedup.Forms()),
		}, Help: "duplicates have the same URL; a document without one is kept"},
		{Name: "exact", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "field", Type: recipe.Text, Help: "dotted path of what is compared; default the text"},
			{Name: "keep", Type: recipe.Text, Default: dedup.KeepFirst, Help: "which of the duplicates stays: first, best:FIELD or source-order"},
			priorityKey, sourceFieldKey, alarmKey, idFieldKey,
			formKey("none", dedup.Forms()),
			indexKey,
		}, Help: "duplicates have the same value of a field"},
		unitKey(dedup.Lines, "ccnet", "lines that recur are cut out of texts"),
		unitKey(dedup.Paragraphs, "ccnet", "paragraphs, up to a blank line, that recur are cut out of texts"),
		unitKey(dedup.Sentences, "simplified", "sentences that recur in a row are cut out of texts",
			recipe.Key{Name: "span", Type: recipe.Integer, Default: int64(dedup.DefaultSpan), Min: 1, Max: dedup.MaxSpan, Help: "sentences in a row that are compared"},
			recipe.Key{Name: "language", Type: recipe.Text, Default: "en", Choices: []string{"ca", "de", "en", "es", "eu", "it", "pt", "xx"}, Help: "by whose rules sentences end; xx is any other"}),
		{Name: "minhash", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "threshold", Type: recipe.Number, Default: dedup.DefaultThreshold, Min: 1e-6, Max: 1, Help: "similarity from which on documents are duplicates"},
			{Name: "verify", Type: recipe.Text, Default: dedup.VerifyExact, Choices: []string{dedup.VerifyExact, dedup.VerifySketch, dedup.VerifyNone}, Help: "how a pair is compared; with none a document may go for one that it is not like"},
			{Name: "keep", Type: recipe.Text, Default: dedup.KeepFirst, Help: "which of the duplicates stays: first, longest, best:FIELD or source-order"},
			priorityKey, sourceFieldKey, alarmKey, idFieldKey,
			{Name: "scheme", Type: recipe.Text, Default: dedup.DefaultScheme, Choices: schemeNames(), Help: "how shingles and signatures are made"},
			{Name: "bands", Type: recipe.Integer, Min: 1, Max: 255, Help: "bands of a signature, with rows; default the scheme's"},
			{Name: "rows", Type: recipe.Integer, Min: 1, Max: 64, Help: "values a band"},
			{Name: "permutations", Type: recipe.Integer, Min: 1, Max: dedup.MaxValues, Help: "values of a signature; without bands, bands and rows are chosen for the threshold; default the scheme's"},
			{Name: "short", Type: recipe.Text, Choices: dedup.ShortPolicies(), Help: "what becomes of a text of fewer words than a shingle has; default the scheme's"},
			indexKey,
		}, Otherwise: true, Help: "duplicates are similar texts"},
	},
	Check: func(v *recipe.Values) error {
		if _, err := dedupStages(v, recipe.Setting{}); err != nil {
			return err
		}
		return checkStepIndex(v)
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		return dedupStages(v, s)
	},
	Cost: func(v *recipe.Values) int64 {
		var cost int64
		for _, name := range []string{dedup.Lines, dedup.Paragraphs, dedup.Sentences} {
			if m := v.Object(name); m != nil {
				cost = max(cost, dedup.UnitsRecordCost(name, int(m.Integer("min_chars"))))
			}
		}
		return cost
	},
	Index: &recipe.IndexKind{
		Asked: func(v *recipe.Values) bool { return stepIndexMethod(v) != "" },
		Open:  openStepIndex,
		Cut:   cutStepIndex,
		Lock:  lockStepIndex,
		Most:  dedup.MaxGenerations,
	},
	Speed: 17, Factor: 2,
}

// dedupStages are those of all methods of a step.
func dedupStages(v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
	var names []string
	for _, name := range dedupOrder {
		if v.Object(name) != nil {
			names = append(names, name)
		}
	}
	var all []stage.Stage
	for _, name := range names {
		var wrong error // a key
		list, err := dedupOf(name, v.Object(name), s, len(names) > 1, &wrong)
		if wrong != nil {
			return nil, wrong
		} else if err != nil {
			return nil, v.Errorf(name, "%v", err)
		}
		all = append(all, list...)
	}
	if len(names) > 0 {
		return all, nil
	}
	d, err := dedup.NewMinHash(dedup.MinHashConfig{Field: s.TextField, Verdicts: true, Findings: dedup.Findings{Evidence: true, Clusters: true}})
	if err != nil {
		return nil, v.Errorf("minhash", "%v", err)
	}
	return d.Stages(), nil
}

// dedupOf makes the stages of one method. wrong is of a key that is no path.
func dedupOf(name string, m *recipe.Values, s recipe.Setting, several bool, wrong *error) ([]stage.Stage, error) {
	switch name {
	case "url", "exact":
		return stages(exactOf(name, m, s, several, wrong))
	case "minhash":
		d, err := minhashOf(name, m, s, several, wrong)
		if err != nil {
			return nil, err
		}
		return d.Stages(), nil
	}
	cfg := dedup.UnitsConfig{
		Field: s.TextField, Unit: name, Keep: m.Text("keep"), MinCount: int(m.Integer("min_count")), MinChars: int(m.Integer("min_chars")), MinWords: int(m.Integer("min_words")),
		Form: m.Text("normalize"), Verdicts: true,
	}
	if name == dedup.Sentences {
		cfg.Span, cfg.Language = int(m.Integer("span")), m.Text("language")
	}
	return stages(dedup.NewUnits(cfg))
}

// dedupPath is the path that a key of a method has.
func dedupPath(m *recipe.Values, key string, wrong *error) record.Path {
	p, err := record.ParsePath(m.Text(key))
	if err != nil && *wrong == nil {
		*wrong = m.Errorf(key, "%v", err)
	}
	return p
}

// dedupFindings are those of a method that keeps one of several documents.
func dedupFindings(name string, m *recipe.Values, several bool) dedup.Findings {
	return dedup.Findings{Name: findingsName(name, several), Evidence: true, Clusters: true, Alarm: m.Number("alarm")}
}

func exactOf(name string, m *recipe.Values, s recipe.Setting, several bool, wrong *error) (*dedup.Exact, error) {
	field := s.TextField
	if name == "url" || m.Given("field") {
		field = dedupPath(m, "field", wrong)
	}
	cfg := dedup.ExactConfig{
		URL: name == "url", Field: field, Keep: m.Text("keep"), Form: m.Text("normalize"), Priority: m.Texts("priority"), SourceField: dedupPath(m, "source_field", wrong),
		IDField: dedupPath(m, "id_field", wrong), Findings: dedupFindings(name, m, several), Verdicts: true,
	}
	if several && name == "exact" {
		cfg.Name = "dedup_exact"
	}
	return dedup.NewExact(cfg)
}

func minhashOf(name string, m *recipe.Values, s recipe.Setting, several bool, wrong *error) (*dedup.MinHash, error) {
	return dedup.NewMinHash(dedup.MinHashConfig{
		Field: s.TextField, Threshold: m.Number("threshold"), Verify: m.Text("verify"), Keep: m.Text("keep"), Priority: m.Texts("priority"),
		SourceField: dedupPath(m, "source_field", wrong), IDField: dedupPath(m, "id_field", wrong), Scheme: m.Text("scheme"), Bands: int(m.Integer("bands")), Rows: int(m.Integer("rows")),
		Values: int(m.Integer("permutations")), Short: m.Text("short"), Findings: dedupFindings(name, m, several), Verdicts: true,
	})
}
