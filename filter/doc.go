// Package filter decides about documents by rules, and says which rule and why.
//
// A [Rule] computes named signals from the [View] of a document and compares each with a threshold, in a
// fixed order. A [Profile] is a list of rules with their thresholds. Both are data in sorted tables
// (registry.go), from which help, docs/filter.md and the stage's identity are made. The first
// test that fails gives rule and reason.
//
// [Filter.Check] is the plain function; [Filter] is also the stage "filter", a thin adapter around it. A rule
// is one file: read rule.go, then gopher_repetition.go, then filter.go; c4_quality.go is a rule that also edits
// the text.
//
// A user's profile is a YAML file: profile_file.go reads it and profile_print.go writes it, expression.go evaluates its
// conditions. build.go makes a Filter of one profile or several ([Compose]), and explain.go says all that it has to
// say of one record.
package filter
