package report

import "context"

// A section tells one thing about every step. Adding one is a file with its data, how they are gathered and its piece
// of the page, a member of Step, and a line in the table.
type section struct {
	id, title string
	about     string // what a reader must know to read it
	// tasks: it has something to tell of a step that reads no records, such as training, and so has no funnel.
	tasks bool
	// read gathers from the step's files; drops returns what looks at each dropped record. Either may be nil.
	read  func(ctx context.Context, in files, s *Step) error
	drops func(s *Step) func(*dropped)
	// has says whether there is something to tell of a finished step; page is a template over it.
	has  func(s *Step) bool
	page string
}

// sections, in the order of the page. The first reads what the others rest upon.
var sections = []section{
	{"funnel", "Funnel", funnelAbout, true, readFunnel, nil, hasFunnel, funnelPage},
	{"results", "Results", resultsAbout, true, readResults, nil, hasResults, resultsPage},
	{"reasons", "Reasons", reasonsAbout, false, nil, nil, hasReasons, reasonsPage},
	{"signals", "Signals", signalsAbout, false, readSignals, nil, hasSignals, signalsPage},
	{"overlap", "Rule overlap", overlapAbout, false, readOverlap, nil, hasOverlap, overlapPage},
	{"nearest", "Nearest to the thresholds", nearestAbout, false, readNearest, takeNearest, hasNearest, nearestPage},
	{"audit", "Audit", auditAbout, false, readAudit, nil, hasAudit, auditPage},
	{"translation", "Translation", translationAbout, false, readTranslation, nil, hasTranslation, translationPage},
	{"translation-scores", "Translation scores", translationScoresAbout, true, readTranslationScores, nil, hasTranslationScores, translationScoresPage},
	{"tokenizers", "Tokenizers", tokenizersAbout, false, readTokenizers, nil, hasTokenizers, tokenizersPage},
	{"shards", "Shards", shardsAbout, false, readShards, nil, hasShards, shardsPage},
	{"training", "Training", trainingAbout, true, readTraining, nil, hasTraining, trainingPage},
	{"evaluation", "Evaluation", evaluationAbout, true, readEvaluation, nil, hasEvaluation, evaluationPage},
	{"duplicates", "Duplicates", duplicatesAbout, false, readDedup, takeDuplicates, hasDuplicates, duplicatesPage},
	{"contamination", "Benchmarks in the corpus", contaminationAbout, false, readContamination, takeContamination, hasContamination, contaminationPage},
	{"examples", "Examples of what was dropped", examplesAbout, false, readExamples, takeExamples, hasExamples, examplesPage},
	{"quarantine", "Quarantine", quarantineAbout, true, readQuarantine, nil, hasQuarantine, quarantinePage},
	{"configuration", "Configuration", configurationAbout, true, readConfiguration, nil, hasConfiguration, configurationPage},
}
