// Package translate translates the texts of instruction, preference and other rows, and lets nothing through that is
// not whole.
//
// A row goes: rows finds the texts of a record by its schema; segment cuts a text into units around a skeleton that
// stays as it is; protect takes out of a unit what must survive (code, URLs, formulas), so that a template with numbered
// holes is left; memory knows the templates that are translated already; backends translate the others; check says
// what is wrong with an answer, and the ladder of this package what is tried next. When all units of a row have passed,
// the row is put together again; otherwise it is quarantined, whole.
//
// Read stage.go first, then row.go (a row's way), translator.go (what is asked, once), ladder.go (what happens to bad
// answers), local.go (a backend over a model in this process) with align.go (where its masks go). segments.go and fetch.go
// are the same work in steps that many processes share.
package translate
