package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/train/eval/ifeval"
)

// TestPromptSets: the example's prompts are twins, and each can be followed: somebody has written an answer that does. An answer
// to another prompt mostly does not.
func TestPromptSets(t *testing.T) {
	identify, err := identifyLanguage()
	if err != nil {
		t.Fatal(err)
	}
	checker := &ifeval.Checker{Identify: identify}
	var ids [2][]string
	for k, lang := range []string{"en", "eu"} {
		prompts := fileLines(t, "../../examples/basque/prompts."+lang+".jsonl")
		answers := fileLines(t, "testdata/answers/"+lang+".jsonl")
		if len(prompts) != 40 || len(answers) != 40 {
			t.Fatalf("%s: %d prompts and %d answers", lang, len(prompts), len(answers))
		}
		others := 0
		for i, line := range prompts {
			p, err := ifeval.Read(line)
			if err != nil {
				t.Fatalf("%s, line %d: %v", lang, i+1, err)
			}
			if p.Lang != lang {
				t.Errorf("%s, line %d: lang %q", lang, i+1, p.Lang)
			}
			for j, a := range answers {
				var text string
				if err := json.Unmarshal(a, &text); err != nil {
					t.Fatal(err)
				}
				all := true
				for n, follows := range checker.Strict(p, text) {
					if i == j && !follows {
						t.Errorf("%s, line %d: %s is not followed by %q", lang, i+1, p.Instructions[n].ID, text)
					}
					all = all && follows
				}
				if all && i != j {
					others++
				}
			}
			for _, in := range p.Instructions {
				id := strings.NewReplacer("english_capital", "all_capital", "english_lowercase", "all_lowercase").Replace(in.ID)
				ids[k] = append(ids[k], id)
			}
		}
		if others > 40*39/3 {
			t.Errorf("%s: %d answers follow another prompt", lang, others)
		}
	}
	if en, eu := strings.Join(ids[0], " "), strings.Join(ids[1], " "); en != eu {
		t.Errorf("the languages have different instructions:\n%s\n%s", en, eu)
	}
	for _, id := range ifeval.IDs() {
		id = strings.NewReplacer("english_capital", "all_capital", "english_lowercase", "all_lowercase").Replace(id)
		if !strings.Contains(strings.Join(ids[0], " "), id) {
			t.Errorf("no prompt has %s", id)
		}
	}
}

func fileLines(t *testing.T, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}
