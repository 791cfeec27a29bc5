package rows

import (
	"fmt"
	"strings"
	"testing"

	"curate/record"
)

func TestSkipString(t *testing.T) {
	for s, want := range map[string]int{
		`""`: 2, `"a"b`: 3, `"\""x`: 4, `"\\"x`: 4, `"\\\""x"`: 6, `"a\"b\"c"x"`: 9, `"\\\\"x"`: 6,
		`"`: 1, `"a`: 2, `"\"`: 3, `"\`: 2, `"a\\\"`: 6,
	} {
		if got := skipString([]byte(s), 0); got != want {
			t.Errorf("%s ends at %d, want %d", s, got, want)
		}
		if got := skipString([]byte(`\\`+s), 2) - 2; got != want {
			t.Errorf("%s behind backslashes ends at %d, want %d", s, got, want)
		}
	}
}

// TestManyEscapes: a text of millions of lines is read in a time that grows with it. What is quadratic takes minutes here.
func TestManyEscapes(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, escape := range []string{`line of a book\n`, `\\`, `\"`, `\\\"`} {
		line := fmt.Sprintf(`{"messages":[{"role":"user","content":"%s"},{"role":"assistant","content":"Yes."}]}`, strings.Repeat(escape, 16<<20/len(escape)))
		b := &record.Batch{}
		b.Append(record.MakeID(1, 0), 1, []byte(line))
		b.Parse()
		var row Row
		if err := r.Read(&b.Records[0], &row); err != nil || len(row.Nodes) != 2 {
			t.Errorf("%s: %d texts, %v", escape, len(row.Nodes), err)
		}
	}
}
