package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/pipeline/recipe"
)

// TestRecipes reads the recipes of the papers, each alone and with its overlay, and those of the example: every key is one that there is, and what is printed is
// a recipe again.
func TestRecipes(t *testing.T) {
	t.Chdir(filepath.Join("..", "..")) // paths of a recipe are relative to the working directory
	root := "recipes"
	files, err := filepath.Glob(filepath.Join(root, "*.yaml"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	toys, err := filepath.Glob(filepath.Join(root, "toy", "*.yaml"))
	if err != nil || len(toys) != len(files)+1 { // and base.yaml, which is a recipe
		t.Fatal(toys, err)
	}
	print := func(t *testing.T, file string, with ...string) string {
		t.Helper()
		r, err := readRecipe(t.Context(), file, with, nil)
		if err != nil {
			t.Fatal(err)
		}
		var b, again bytes.Buffer
		if err := r.WriteConfig(&b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "{inputs}") {
			t.Error("a value still says {inputs}")
		}
		twice, err := recipe.Parse(file, b.Bytes(), nil, nil, recipeKinds)
		if err != nil {
			t.Fatalf("what is printed is no recipe: %v", err)
		}
		if err := twice.WriteConfig(&again); err != nil || b.String() != again.String() {
			t.Errorf("%v: it is another one when it is read again", err)
		}
		return b.String()
	}
	print(t, filepath.Join(root, "toy", "base.yaml"))
	print(t, filepath.Join("examples", "basque", "recipe.yaml"))
	print(t, filepath.Join("examples", "basque", "recipe.train.yaml"))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			full, toy := print(t, file), print(t, file, filepath.Join(root, "toy", filepath.Base(file)))
			if full == toy || !strings.Contains(toy, "run: runs/toy/") {
				t.Error("the overlay changes nothing")
			}
		})
	}
}

// TestRecipesPlan: what the toys read is there, and what there is to do can be said.
func TestRecipesPlan(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, with := range [][]string{{"recipes/toy/base.yaml"}, {"recipes/slimpajama.yaml", "recipes/toy/slimpajama.yaml"}} {
		r, err := readRecipe(t.Context(), with[0], with[1:], []string{"run=" + filepath.ToSlash(t.TempDir())})
		if err != nil {
			t.Fatal(err)
		}
		runner := &recipe.Runner{Recipe: r, Store: store.NewLocal(nil), Workers: 2, Memory: 2 << 30, Log: slog.New(slog.DiscardHandler), Now: time.Now}
		p, err := runner.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Write(&b); err != nil || strings.Count(b.String(), "\n") < len(r.Steps) {
			t.Error(err, b.String())
		}
	}
}

// TestRecipeSources: the recipes name every kind of source that their heads speak of, guesses among them.
func TestRecipeSources(t *testing.T) {
	for file, want := range map[string][]string{
		"llama-eus.yaml":  {"(paper)", "(card)", "(DIPLomA)", "(guess"},
		"slimpajama.yaml": {"(card)", "(main.py)", "(README.md", "(guess"},
		"btlm.yaml":       {"(card)", "(8k.yaml)", "(2k.yaml", "(guess"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "recipes", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !bytes.Contains(text, []byte(w)) {
				t.Errorf("%s names no source %s", file, w)
			}
		}
	}
}
