package protect

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/translate-masks.md")

func TestDocs(t *testing.T) {
	const file = "../../docs/translate-masks.md"
	want := Markdown()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the tables say: go test ./translate/protect -run TestDocs -update", file)
	}
}
