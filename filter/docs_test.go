package filter

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/filter.md")

func TestDocs(t *testing.T) {
	const file = "../docs/filter.md"
	want := Markdown() + readDistribution(t, "basque").markdown()
	if *update {
		if err := os.MkdirAll("../docs", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the tables say: go test ./filter -run TestDocs -update", file)
	}
}

// TestProfileSchema compares docs/profile.schema.json with the rules' tables.
func TestProfileSchema(t *testing.T) {
	const file = "../docs/profile.schema.json"
	want, err := ProfileSchema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("%s is not what the tables say: go test ./filter -run Schema -update (%v)", file, err)
	}
}

func TestHelp(t *testing.T) {
	for _, p := range Profiles() {
		if h := p.Help(); !strings.Contains(h, p.Language) || !strings.Contains(ProfilesHelp(), p.Name) {
			t.Errorf("help of profile %s does not say for which language it is:\n%s", p.Name, h)
		}
	}
	for _, r := range Rules() {
		h := r.Help()
		for _, c := range r.Tests {
			if !strings.Contains(h, c.Reason) || !strings.Contains(h, c.Measure) {
				t.Errorf("help of rule %s does not explain %s:\n%s", r.Name, c.Reason, h)
			}
		}
	}
}
