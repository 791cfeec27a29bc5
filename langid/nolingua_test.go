//go:build nolingua

package langid

import (
	"strings"
	"testing"
)

func TestWithoutLingua(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "built without lingua") {
		t.Errorf("error %v", err)
	}
	if _, err := New(Config{Keep: []string{"gl"}}); err == nil || !strings.Contains(err.Error(), "Galician") {
		t.Errorf("error %v", err)
	}
}
