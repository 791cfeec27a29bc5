//go:build nolingua

package langid

import (
	"strings"
	"testing"
)

func TestWithoutLingua(t *testing.T) {
	for _, engine := range []string{"", "cascade", "lingua"} {
		if _, err := New(Config{Engine: engine}); err == nil || !strings.Contains(err.Error(), "built without lingua") || !strings.Contains(err.Error(), `"fasttext" is in it`) {
			t.Errorf("%q: error %v", engine, err)
		}
	}
	if _, err := New(Config{Engine: "lingua", Keep: []string{"gl"}}); err == nil || !strings.Contains(err.Error(), "Galician") {
		t.Errorf("error %v", err)
	}
	s, err := New(Config{Engine: "fasttext", Keep: []string{"gl"}})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.engine.NewIdentifier().Identify([]byte("O neno come unha mazá na casa.")); a.Language != "gl" {
		t.Errorf("%+v", a)
	}
}
