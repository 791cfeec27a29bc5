package filter

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestFileReadOnce: a file that a parameter names is opened once, so that what the identity says of it is what the rule has read,
// though another has taken its place meanwhile.
func TestFileReadOnce(t *testing.T) {
	opened := 0
	open := func(string) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(fmt.Sprintf("number%d.org\n", opened))), nil
	}
	p := Profile{Name: "p", Version: 1, Words: "whitespace", Rules: []RuleUse{{"url", []Setting{{Param: "domains_file", Value: "list.txt"}}}}}
	f, err := build(p, Config{Open: open})
	if err != nil {
		t.Fatal(err)
	}
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
	v := f.NewView()
	v.Reset([]byte("text"))
	v.SetField("url", []byte("https://number1.org/a"))
	if rule, _ := f.decide(v, false); rule != "url" {
		t.Error("the rule knows another list")
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("number1.org\n"))); !strings.Contains(fmt.Sprintf("%s", f.Spec().Config), want) {
		t.Errorf("%s is missing in %s", want, f.Spec().Config)
	}
}
