package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"

	"curate/pipeline/recipe"
)

// TestRecipeSchema compares docs/recipe.schema.json with the kinds' own keys; -update rewrites it.
func TestRecipeSchema(t *testing.T) {
	var fresh bytes.Buffer
	if err := recipe.WriteSchema(&fresh, recipeKinds); err != nil {
		t.Fatal(err)
	}
	const name = "../../docs/recipe.schema.json"
	if *update {
		if err := os.WriteFile(name, fresh.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.ReadFile(name); err != nil || !bytes.Equal(is, fresh.Bytes()) {
		t.Errorf("%s is not what the kinds say (go test ./cmd/curate -update makes it): %v", name, err)
	}
	if !slices.IsSortedFunc(recipeKinds, func(a, b recipe.Kind) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the kinds are not sorted by name")
	}
}

// TestCommandPages compares docs/commands with the commands' own help; -update rewrites the pages.
func TestCommandPages(t *testing.T) {
	fresh := t.TempDir()
	root := newRoot(environment{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr})
	root.DisableAutoGenTag = true
	if err := doc.GenMarkdownTree(root, fresh); err != nil {
		t.Fatal(err)
	}
	const dir = "../../docs/commands"
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(fresh)); err != nil {
			t.Fatal(err)
		}
	}
	sameTree(t, "docs/commands (go test ./cmd/curate -update makes it)", tree(t, dir), tree(t, fresh))
	for _, c := range root.Commands() {
		scripts, err := filepath.Glob("testdata/script/" + c.Name() + "_*.txtar")
		if err != nil || len(scripts) == 0 {
			t.Errorf("command %s has no script testdata/script/%s_*.txtar", c.Name(), c.Name())
		}
	}
}
