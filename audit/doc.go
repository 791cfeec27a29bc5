// Package audit says what is wrong with a corpus before anybody filters it: lines that come again, boilerplate,
// what is left of HTML, text that was decoded wrongly, control characters, documents that are like no others, and
// the languages of its lines, each with examples.
//
// [Auditor.Look] looks at one document. [New] makes the stage, a reducer whose Map side looks at each document where
// it was read; what it learns of a split is a list of counts and a sorted list of distinct lines, and its result is
// the file stage.ResultFile with a [Result] as JSON. [Result.Table] shows that to people.
//
// Words: a finding is something that a document has or has not (findings.go); a signal is a number that every
// document has, and a document is an outlier where it lies far from those of the others (signals.go); a line is what
// lies between line feeds, without the white space around it, and blank ones do not count (lines.go).
//
// Read look.go first, then its scanners (html.go, mojibake.go, characters.go), stage.go, partial.go, and sealed.go,
// the format between its halves; result.go is what comes of it.
package audit
