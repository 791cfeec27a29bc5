package report

import "context"

// A section tells one thing about every step. Adding one is a file with its data, how they are gathered and its piece
// of the page, a member of Step, and a line in the table.
type section struct {
	id, title string
	about     string // what a reader must know to read it
	// read gathers from the step's files; drops returns what looks at each dropped record. Either may be nil.
	read  func(ctx context.Context, in files, s *Step) error
	drops func(s *Step) func(*dropped)
	// has says whether there is something to tell of a finished step; page is a template over it.
	has  func(s *Step) bool
	page string
}

// sections, in the order of the page. The first reads what the others rest upon.
var sections = []section{
	{"funnel", "Funnel", funnelAbout, readFunnel, nil, hasFunnel, funnelPage},
	{"results", "Results", resultsAbout, readResults, nil, hasResults, resultsPage},
	{"reasons", "Reasons", reasonsAbout, nil, nil, hasReasons, reasonsPage},
	{"signals", "Signals", signalsAbout, readSignals, nil, hasSignals, signalsPage},
	{"translation", "Translation", translationAbout, readTranslation, nil, hasTranslation, translationPage},
	{"tokenizers", "Tokenizers", tokenizersAbout, readTokenizers, nil, hasTokenizers, tokenizersPage},
	{"shards", "Shards", shardsAbout, readShards, nil, hasShards, shardsPage},
	{"duplicates", "Duplicates", duplicatesAbout, nil, takeDuplicates, hasDuplicates, duplicatesPage},
	{"examples", "Examples of what was dropped", examplesAbout, readExamples, takeExamples, hasExamples, examplesPage},
	{"quarantine", "Quarantine", quarantineAbout, readQuarantine, nil, hasQuarantine, quarantinePage},
	{"configuration", "Configuration", configurationAbout, readConfiguration, nil, hasConfiguration, configurationPage},
}
