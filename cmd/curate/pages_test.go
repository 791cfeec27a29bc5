package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra/doc"
)

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
