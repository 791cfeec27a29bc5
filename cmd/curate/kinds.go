package main

import "curate/pipeline/recipe"

// recipeKinds are what a step of a recipe may name, sorted by name. Each is a variable beside its command, which gives
// it the same stages.
var recipeKinds = []recipe.Kind{
	dedupKind,
	filterKind,
	langidKind,
}
