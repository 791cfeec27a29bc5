package aligned

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// spell is a text with what its characters stand for, as "a0-1 é1-3".
func spell(t *Text) string {
	var parts []string
	for i := 0; i < len(t.B); {
		_, n := utf8.DecodeRune(t.B[i:])
		parts = append(parts, fmt.Sprintf("%s%d-%d", t.B[i:i+n], t.Of[i].From, t.Of[i].To))
		i += n
	}
	return strings.Join(parts, " ")
}

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name, text string
		base       int
		edit       func(t *Text)
		want       string
	}{
		{"set", "aé日", 0, func(t *Text) {}, "a0-1 é1-3 日3-6"},
		{"base", "aé", 7, func(t *Text) {}, "a7-8 é8-10"},
		{"empty", "", 7, func(t *Text) { t.Begin(); t.Insert("x"); t.End() }, "x7-7"},
		{"nothing", "ab", 0, func(t *Text) { t.Begin(); t.End() }, "a0-1 b1-2"},
		{"keep all", "ab", 0, func(t *Text) { t.Begin(); t.Keep(2); t.End() }, "a0-1 b1-2"},
		{"skip first", "éb", 0, func(t *Text) { t.Begin(); t.Skip(2); t.End() }, "b2-3"},
		{"skip last", "ab", 0, func(t *Text) { t.Begin(); t.Keep(1); t.Skip(1); t.End() }, "a0-1"},
		{"skip all", "ab", 0, func(t *Text) { t.Begin(); t.Skip(2); t.End() }, ""},
		{"replace by more", "aé", 0, func(t *Text) { t.Begin(); t.Keep(1); t.Replace(2, "xyz"); t.End() },
			"a0-1 x1-3 y1-3 z1-3"},
		{"replace more", "aéb", 0, func(t *Text) { t.Begin(); t.Replace(3, "日"); t.End() }, "日0-1 b3-4"},
		{"replace by nothing", "ab", 0, func(t *Text) { t.Begin(); t.Replace(1, ""); t.End() }, "b1-2"},
		{"insert first", "ab", 3, func(t *Text) { t.Begin(); t.Insert("é"); t.End() }, "é3-3 a3-4 b4-5"},
		{"insert behind kept", "éb", 0, func(t *Text) { t.Begin(); t.Keep(2); t.Insert("xy"); t.End() },
			"é0-2 x0-2 y0-2 b2-3"},
		{"insert behind skipped", "éb", 0, func(t *Text) { t.Begin(); t.Skip(2); t.Insert("x"); t.End() }, "x0-2 b2-3"},
		{"insert last", "ab", 0, func(t *Text) { t.Begin(); t.Keep(2); t.Insert("x"); t.End() }, "a0-1 b1-2 x1-2"},
		{"twice", "ab", 0, func(t *Text) {
			t.Begin()
			t.Replace(1, "xy")
			t.End()
			t.Begin()
			t.Keep(1)
			t.Skip(1)
			t.Insert("z")
			t.End()
		}, "x0-1 z0-1 b1-2"},
		{"thrice", "ab", 0, func(t *Text) {
			for range 3 {
				t.Begin()
				t.Insert("-")
				t.Keep(1)
				t.End()
			}
		}, "-0-0 -0-0 -0-0 a0-1 b1-2"},
		{"not UTF-8", "\xc3\xff", 0, func(t *Text) { t.Begin(); t.Keep(1); t.Insert("x"); t.End() }, "\xc30-1 x0-1 \xff1-2"},
	} {
		var some Text
		some.Set([]byte(c.text), c.base, true)
		c.edit(&some)
		if got := spell(&some); got != c.want || len(some.Of) != len(some.B) || !some.Aligned() {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		aligned := string(some.B)
		some.Set([]byte(c.text), c.base, false)
		c.edit(&some)
		if string(some.B) != aligned || some.Of != nil || some.Aligned() {
			t.Errorf("%s, without offsets: %q, %v, want %q", c.name, some.B, some.Of, aligned)
		}
	}
}

func TestOriginal(t *testing.T) {
	var some Text
	some.Set([]byte("aéb"), 5, true)
	some.Begin()
	some.Keep(1)
	some.Skip(2)
	some.End() // a5-6 b8-9
	for _, c := range []struct {
		from, to int
		want     Span
	}{
		{0, 2, Span{5, 9}}, {0, 1, Span{5, 6}}, {1, 2, Span{8, 9}}, {0, 0, Span{5, 5}}, {1, 1, Span{6, 6}}, {2, 2, Span{9, 9}},
	} {
		if got := some.Original(c.from, c.to); got != c.want {
			t.Errorf("%d:%d: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

// TestRest: the text stays as it is until the edit's end, and the reader sees how far the edit is.
func TestRest(t *testing.T) {
	var some Text
	text := []byte("abc")
	some.Set(text, 0, true)
	some.Begin()
	some.Replace(1, "xy")
	if string(some.Rest()) != "bc" || some.Written() != 2 || string(some.B) != "abc" {
		t.Errorf("%q, %d, %q", some.Rest(), some.Written(), some.B)
	}
	some.End()
	if string(some.B) != "xybc" || string(text) != "abc" {
		t.Errorf("%q, %q", some.B, text)
	}
}

// TestRandom compares chains of edits with the same done on single characters.
func TestRandom(t *testing.T) {
	type char struct {
		s  string
		of Span
	}
	const seed = 11
	rnd := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"a", "é", "日", "😀", "xy", ""}
	var some Text // one for all: it keeps its memory
	for round := range 3000 {
		var text string
		for range rnd.IntN(8) {
			text += pieces[rnd.IntN(4)]
		}
		base := rnd.IntN(5)
		some.Set([]byte(text), base, true)
		var chars []char
		for i, r := range text {
			chars = append(chars, char{string(r), Span{int32(base + i), int32(base + i + utf8.RuneLen(r))}})
		}
		put := func(to []char, s string, of Span) []char {
			for _, r := range s {
				to = append(to, char{string(r), of})
			}
			return to
		}
		for range rnd.IntN(4) {
			some.Begin()
			var changed []char
			last := Span{int32(base), int32(base)}
			for i := 0; i < len(chars); {
				c := chars[i]
				switch s := pieces[rnd.IntN(len(pieces))]; rnd.IntN(5) {
				case 0:
					some.Keep(len(c.s))
					changed = append(changed, c)
				case 1:
					some.Skip(len(c.s))
				case 2:
					some.Replace(len(c.s), s)
					changed = put(changed, s, c.of)
				case 3:
					some.Insert(s)
					changed = put(changed, s, last)
					continue
				case 4:
					n := len(c.s)
					if i+1 < len(chars) {
						i++
						n += len(chars[i].s)
					}
					some.Replace(n, s)
					changed = put(changed, s, c.of)
				}
				last = chars[i].of
				i++
			}
			some.End()
			chars = changed
		}
		var want []string
		for _, c := range chars {
			want = append(want, fmt.Sprintf("%s%d-%d", c.s, c.of.From, c.of.To))
		}
		if got := spell(&some); got != strings.Join(want, " ") {
			t.Fatalf("seed %d, round %d: %s, want %s", seed, round, got, want)
		}
		for i, of := range some.Of {
			if some.AtStart(i) != (of.From == 0) {
				t.Fatalf("seed %d, round %d: %s: AtStart(%d) is %v", seed, round, spell(&some), i, some.AtStart(i))
			}
		}
	}
}

func TestShrink(t *testing.T) {
	var some Text
	text := []byte(strings.Repeat("x", 100))
	edit := func() {
		some.Set(text, 0, true)
		some.Begin()
		some.Insert("y")
		some.End()
	}
	edit()
	some.Shrink(1 << 10)
	if len(some.B) != 101 {
		t.Error("let go of little memory")
	}
	if a := testing.AllocsPerRun(20, edit); a > 0 {
		t.Errorf("%v allocations", a)
	}
	some.Shrink(50)
	if some.B != nil || some.Of != nil {
		t.Error("kept what is too much")
	}
	edit()
	if len(some.B) != 101 || len(some.Of) != 101 {
		t.Error("of no use after Shrink")
	}
}
