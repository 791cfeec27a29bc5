package record

import (
	"bytes"
	"encoding/json"
	"testing"
)

func parseOne(line string, what Repairs) (*Record, int) {
	b := &Batch{Repair: what}
	b.Append(MakeID(1, 0), 1, []byte(line))
	n := b.Parse()
	return &b.Records[0], n
}

func TestRepair(t *testing.T) {
	const both = RepairNaN | RepairSurrogates
	for _, c := range []struct {
		line string
		what Repairs
		want string // empty for a quarantined record
	}{
		{`{"a":NaN}`, 0, ""},
		{`{"a":NaN}`, RepairSurrogates, ""},
		{`{"a":NaN}`, RepairNaN, `{"a":null}`},
		{`{ "a" : [Infinity ,-Infinity, NaN], "b":-1, "NaN": "NaN, -Infinity" }`, both, `{ "a" : [null ,null, null], "b":-1, "NaN": "NaN, -Infinity" }`},
		{`{"a":Nan}`, both, ""},
		{`{"a":NaNs}`, both, ""},
		{`{"a":--Infinity}`, both, ""},
		{`{"a":+Infinity}`, both, ""},
		{`NaN`, both, ""},
		{`{NaN:1}`, both, ""},
		{`{"a":"\ud800"}`, RepairNaN, ""},
		{`{"a":"\ud800"}`, RepairSurrogates, `{"a":"\ufffd"}`},
		{`{"a":"x\uD83D\uDE00y\uDE00\uD83D\uD83D\uDE00\\ud800\u00e9"}`, both, `{"a":"x\uD83D\uDE00y\ufffd\ufffd\uD83D\uDE00\\ud800\u00e9"}`},
		{`{"\udfff":"\ud8"}`, both, ""},
		{`{"\udfff":NaN}` + "\r", both, `{"\ufffd":null}` + "\r"},
		{`{"\udfff":1,"\ud800":2}`, both, ""}, // they would be one key
		{`{"a":NaN,"b":"` + "\xff" + `"}`, both, ""},
		{`{"a":NaN`, both, ""},
		{`{"a":"\`, both, ""},
	} {
		r, n := parseOne(c.line, c.what)
		switch {
		case c.want == "":
			if r.Outcome != Quarantine || n != 0 || string(r.Line) != c.line || string(r.Raw()) != c.line {
				t.Errorf("%s, %s: %s, %q", c.line, c.what, r.Outcome, r.Line)
			}
		case r.Outcome != Keep || n != 1 || string(r.Line) != c.want || string(r.Raw()) != c.line || string(r.AppendLine(nil)) != c.want+"\n":
			t.Errorf("%s, %s: %s (%v), %q", c.line, c.what, r.Outcome, r.Err, r.Line)
		}
	}
	if r, n := parseOne(`{"a":"\ud83d\ude00","b":1e400}`, both); n != 0 || r.Outcome != Keep {
		t.Errorf("a strict line is repaired: %q", r.Line)
	}
}

// TestRepairBatch: many lines of a batch are repaired and stay as they are until Reset.
func TestRepairBatch(t *testing.T) {
	b := &Batch{Repair: RepairNaN}
	for range 2 {
		b.Reset()
		for i := range 1000 {
			line := []byte(`{"text":"a","v":NaN}`)
			if i%3 == 0 {
				line = []byte(`{"text":"a","v":1}`)
			}
			b.Append(MakeID(1, int64(100*i)), int64(i+1), line)
		}
		if n := b.Parse(); n != 666 {
			t.Fatalf("%d are repaired", n)
		}
		var buf []byte
		for i := range b.Records {
			want := `{"text":"a","v":null}`
			if i%3 == 0 {
				want = `{"text":"a","v":1}`
			}
			text, err := b.Records[i].Text(MustPath("text"), &buf)
			if string(b.Records[i].Line) != want || err != nil || string(text) != "a" {
				t.Fatalf("record %d: %q, %q, %v", i, b.Records[i].Line, text, err)
			}
		}
	}
}

func TestParseRepairs(t *testing.T) {
	if what, err := ParseRepairs([]string{"surrogates", "nan"}); err != nil || what != RepairNaN|RepairSurrogates || what.String() != "nan,surrogates" {
		t.Errorf("%s, %v", what, err)
	}
	if _, err := ParseRepairs([]string{"nans"}); err == nil {
		t.Error("an unknown name is no error")
	}
}

// FuzzRepairLine: a line that parses is never touched, and a repaired one parses, by itself and for encoding/json.
func FuzzRepairLine(f *testing.F) {
	for _, s := range []string{`{"a":NaN}`, `{"a":"\ud800\udc00\udc00"}`, `{"a":[-Infinity,Infinity],"b":"\\\ud800"}`, `{"a":"\ud800`, `{"a":-`, "{\"\\uD8", `{"a":1}`} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, line []byte, bits uint8) {
		what := Repairs(bits & 3)
		strict, _ := parseOne(string(line), 0)
		r, n := parseOne(string(line), what)
		switch {
		case !bytes.Equal(r.Raw(), line):
			t.Fatalf("%q: read as %q", line, r.Raw())
		case strict.Outcome == Keep:
			if n != 0 || r.Outcome != Keep || !bytes.Equal(r.Line, line) {
				t.Fatalf("%q is strict and is repaired to %q", line, r.Line)
			}
		case r.Outcome == Keep:
			if again, _ := parseOne(string(r.Line), 0); n != 1 || again.Outcome != Keep || !json.Valid(r.Line) {
				t.Fatalf("%q: repaired to %q, which is not strict: %v", line, r.Line, again.Err)
			}
		case n != 0 || !bytes.Equal(r.Line, line):
			t.Fatalf("%q: quarantined as %q", line, r.Line)
		}
	})
}
