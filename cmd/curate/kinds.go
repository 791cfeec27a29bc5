package main

import "curate/pipeline/recipe"

// recipeKinds are what a step of a recipe may name, sorted by name. Each is a file kind_NAME.go, which makes the same
// stages as the command of that name.
var recipeKinds = []recipe.Kind{
	auditKind,
	decontaminateKind,
	dedupKind,
	evalKind,
	execKind,
	exportKind,
	filterKind,
	generateKind,
	langidKind,
	sampleKind,
	shardsKind,
	splitKind,
	tokenizeKind,
	tokenizerKind,
	tokenizerEvalKind,
	trainKind,
	translateKind,
	translateEvalKind,
}
