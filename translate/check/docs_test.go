package check

import (
	"os"
	"strings"
	"testing"
)

func TestDocs(t *testing.T) {
	const file = "../../docs/translate-checks.md"
	want := Markdown()
	if *update && *lohelp == "" {
		if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the tables say: go test ./translate/check -run TestDocs -update", file)
	}
	// Each threshold is of some use, and each that a signal names is there.
	for _, th := range thresholds {
		named := false
		for _, s := range signals {
			named = named || strings.Contains(s.Hard+s.Soft+s.Measure, "`"+th.key+"`")
		}
		if !named && th.key != "language_sure_bits" {
			t.Errorf("no signal names %s", th.key)
		}
	}
}
