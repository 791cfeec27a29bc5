package dedup

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/text"
)

func mustUnits(t testing.TB, cfg UnitsConfig) *Units {
	t.Helper()
	u, err := NewUnits(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestFence holds which lines are code: each line of a text is followed by # where it is.
func TestFence(t *testing.T) {
	for name, doc := range map[string]string{
		"none":                   "a\n`b`\n~~\n",
		"back ticks":             "a\n```\nb#\n```\nc\n",
		"with a language":        "```go title=x\na#\n#\n```\nb\n",
		"tildes":                 "~~~ a`b\nx#\n```\ny#\n~~~\nz\n",
		"longer":                 "````\nx#\n```\ny#\n`````  \nz\n",
		"not closed":             "a\n```\nb#\n#\nc#\n",
		"info with a back tick":  "``` a`b\nc\n",
		"closing with more":      "```\na#\n``` b\nc#\n```\nd\n",
		"indented":               "   ```\na#\n      ```\nb\n",
		"indented too far":       "```\na#\n    ```\nb#\n```\nc\n",
		"in a list":              "1. a\n\n    ```sh\n    b#\n    ```\n\nc\n",
		"behind a marker":        "- ```\n  a#\n  ```\nb\n",
		"behind two":             "1) - ~~~\na#\n     ~~~\nb\n",
		"in a quote":             "> ```\n> a#\n> ```\nb\n",
		"a quote ends it":        "> ```\n> a#\nb\n> c\n",
		"a quote inside is code": "```\n> a#\n> ```\nb#\n```\nc\n",
		"tabs":                   "\t```\n\ta#\n\t```\nb\n",
		"CRLF":                   "```\r\na#\r\n```\r\nb\r\n",
		"two marks":              "``\na\n``\n",
		"rule":                   "---\na\n***\n",
	} {
		var f fence
		for line := range strings.Lines(doc) {
			want := strings.Contains(line, "#")
			plain := strings.Replace(line, "#", "", 1)
			if marks := strings.TrimLeft(plain, " \t>-1)."); strings.HasPrefix(marks, "```") && name != "info with a back tick" || strings.HasPrefix(marks, "~~~") {
				want = true // the fences themselves
			}
			if got := f.code([]byte(plain)); got != want {
				t.Errorf("%s: line %q is code: %v", name, plain, got)
			}
		}
	}
}

// TestCut holds what a text is cut into, and what is left when some of it goes.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		kind, text string
		units      string // joined by |
		cut        []uint32
		left       string
	}{
		{Lines, "a\nb\nc", "a|b|c", []uint32{1}, "a\nc"},
		{Lines, "a\nb\nc", "a|b|c", []uint32{0}, "b\nc"},
		{Lines, "a\nb\nc", "a|b|c", []uint32{2}, "a\nb"},
		{Lines, "a\nb\nc\n", "a|b|c", []uint32{2}, "a\nb"},
		{Lines, "a\nb\nc\n", "a|b|c", []uint32{0, 1, 2}, ""},
		{Lines, "\n\n", "", nil, "\n\n"},
		{Lines, "a\r\n b \r\nc", "a|b|c", []uint32{1}, "a\r\nc"},
		{Lines, "a\n\nb\n\nc", "a|b|c", []uint32{1}, "a\n\nc"}, // blank lines do not pile up
		{Lines, "a\n\n\nb\nc", "a|b|c", []uint32{1}, "a\n\n\nc"},
		{Lines, "a\nb\n\n\nc", "a|b|c", []uint32{1}, "a\n\n\nc"},
		{Lines, "a\n\n  b\n\nc", "a|b|c", []uint32{0}, "  b\n\nc"},
		{Lines, "a\n\nb\n\n", "a|b", []uint32{1}, "a"},
		{Lines, "a\n```\na\n\n```\nb", "a|b", []uint32{0}, "```\na\n\n```\nb"},
		{Lines, "a\n\n```\na\n```\n\nb", "a|b", []uint32{1}, "a\n\n```\na\n```"},
		{Lines, "a\u2028b", "a\u2028b", nil, "a\u2028b"},
		{Paragraphs, "a\nb\n\nc\n \t\nd", "a\nb|c|d", []uint32{1}, "a\nb\n\nd"},
		{Paragraphs, "a\n\nb\n\nc", "a|b|c", []uint32{0}, "b\n\nc"},
		{Paragraphs, "a\n\nb\n\nc\n", "a|b|c", []uint32{2}, "a\n\nb"},
		{Paragraphs, "a\n\n\n\nb\n\n\n\nc", "a|b|c", []uint32{1}, "a\n\n\n\nc"},
		{Paragraphs, "a\n```\na\n\nb\n```\nc", "a|c", []uint32{1}, "a\n```\na\n\nb\n```"},
		{Paragraphs, "a\u00a0\n\u00a0\nb", "a|b", nil, "a\u00a0\n\u00a0\nb"},
		{Sentences, "Aa bb. Cc dd. Ee ff.", "Aa bb.|Cc dd.|Ee ff.", []uint32{1}, "Aa bb. Ee ff."},
		{Sentences, "Aa bb. Cc dd. Ee ff.", "Aa bb.|Cc dd.|Ee ff.", []uint32{0}, "Cc dd. Ee ff."},
		{Sentences, "Aa bb. Cc dd. Ee ff.\n", "Aa bb.|Cc dd.|Ee ff.", []uint32{2}, "Aa bb. Cc dd."},
		{Sentences, "Aa bb.\n\nCc dd. Ee ff.", "Aa bb.|Cc dd.|Ee ff.", []uint32{1}, "Aa bb.\n\nEe ff."}, // the end of a paragraph stays
		{Sentences, "Aa bb. Cc dd.\n\nEe ff.", "Aa bb.|Cc dd.|Ee ff.", []uint32{1}, "Aa bb.\n\nEe ff."},
		{Sentences, "Aa bb. Cc dd.\n\nEe ff. Gg hh.", "Aa bb.|Cc dd.|Ee ff.|Gg hh.", []uint32{1, 2}, "Aa bb.\n\nGg hh."},
		{Sentences, "Aa bb.\n\n\nCc dd.\n\nEe ff.", "Aa bb.|Cc dd.|Ee ff.", []uint32{1}, "Aa bb.\n\n\nEe ff."},
		{Sentences, "Aa bb. Cc dd.\n  ```\nEe ff.\n  ```\nGg hh.", "Aa bb.|Cc dd.|Gg hh.", []uint32{0, 1}, "  ```\nEe ff.\n  ```\nGg hh."},
		{Sentences, "Aa bb.\n```\nEe ff.\n```\nGg hh.", "Aa bb.|Gg hh.", []uint32{1}, "Aa bb.\n```\nEe ff.\n```"},
		{Sentences, "Aa bb.\n\nCc dd.", "Aa bb.|Cc dd.", []uint32{0, 1}, ""},
	} {
		cfg := UnitsConfig{Unit: c.kind, MinChars: 1}
		cfg.Form = "none"
		u := mustUnits(t, cfg)
		k := u.newCutter()
		doc := []byte(c.text)
		k.cut(doc)
		var units []string
		for _, s := range k.units {
			units = append(units, string(trim(s.Of(doc))))
		}
		if got := strings.Join(units, "|"); got != c.units || k.all != len(units) {
			t.Errorf("%s of %q: %q, %d in all, want %q", c.kind, c.text, got, k.all, c.units)
			continue
		}
		if got := k.appendLeft([]byte("x"), doc, c.cut); string(got) != "x"+c.left {
			t.Errorf("%s %v of %q: %q is left, want %q", c.kind, c.cut, c.text, got[1:], c.left)
		}
	}
}

// TestMinChars counts characters, without white space around them.
func TestMinChars(t *testing.T) {
	k := mustUnits(t, UnitsConfig{Unit: Lines, MinChars: 3}).newCutter()
	doc := []byte("éé\n ab \nééé\nabcd\n")
	k.cut(doc)
	if len(k.units) != 2 || k.all != 4 || string(trim(k.units[0].Of(doc))) != "ééé" {
		t.Errorf("%d of %d lines: %v", len(k.units), k.all, k.units)
	}
}

// TestSpans: sentences are compared three in a row, and not across code.
func TestSpans(t *testing.T) {
	k := mustUnits(t, UnitsConfig{Unit: Sentences}).newCutter()
	keys := func(s string) (keys [][]byte) {
		k.cut([]byte(s))
		return slices.Collect(slices.Chunk(k.appendKeys(nil, []byte(s)), unitKey))
	}
	a := keys("One two. Three, four! Five six. Seven.")
	b := keys("Nine. ONE two?  Three four. Five six.")
	if len(a) != 2 || len(b) != 2 || !bytes.Equal(a[0][:16], b[1][:16]) || bytes.Equal(a[1][:16], b[0][:16]) {
		t.Errorf("%x and %x", a, b)
	}
	if n := keys("A. B.\n```\n```\nC. D."); len(n) != 0 {
		t.Errorf("%d spans across code", len(n))
	}
	if n := keys("Aa bb. Cc dd.\n```\n```\nEe ff. Gg hh. Ii jj. Kk ll."); len(n) != 2 || n[0][19] != 2 || n[1][19] != 3 {
		t.Errorf("spans behind code: %x", n)
	}
	whole, ok := k.whole(nil, []uint32{0, 1, 3})
	if want := []uint32{0, 1, 2, 3, 4, 5}; !ok || !slices.Equal(whole, want) {
		t.Errorf("whole %v", whole)
	}
	if _, ok := k.whole(nil, []uint32{4}); ok {
		t.Error("a span beyond the end")
	}
}

// randomDoc is a text of few different lines, blank ones, code and white space.
func randomDoc(rng *rand.Rand) []byte {
	var b []byte
	for range rng.IntN(12) {
		b = append(b, []string{"aa bb. Cc dd. ", "\n", "\n\n", "  x\n", "```\n", "~~~ y\n", "> q\n", "- ", "One. Two! Three? ", "\t\n", "\r\n", "long line of text\n", "\u00a0", "é", "   ", "\u2003\n"}[rng.IntN(16)]...)
	}
	return b
}

// TestLeft: what is left of a text are the bytes of the units that stay and all between, but for white space.
func TestLeft(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 4000 {
		doc := randomDoc(rng)
		for _, kind := range []string{Lines, Paragraphs, Sentences} {
			checkLeft(t, seed, kind, doc, rng)
		}
	}
}

func checkLeft(t *testing.T, seed uint64, kind string, doc []byte, rng *rand.Rand) {
	t.Helper()
	k := mustUnits(t, UnitsConfig{Unit: kind, MinChars: 1}).newCutter()
	k.cut(doc)
	at := int32(0)
	var cuts []uint32
	var want []byte
	for i, u := range k.units {
		if u.Lo < at || u.Hi <= u.Lo {
			t.Fatalf("seed %d: %s of %q: %v", seed, kind, doc, k.units)
		}
		want = append(want, doc[at:u.Lo]...)
		if rng.IntN(2) == 0 {
			cuts = append(cuts, uint32(i))
		} else {
			want = append(want, u.Of(doc)...)
		}
		at = u.Hi
	}
	want = append(want, doc[at:]...)
	left := k.appendLeft(nil, doc, cuts)
	if len(cuts) == 0 && !bytes.Equal(left, doc) {
		t.Fatalf("seed %d: %s: nothing is cut of %q, and %q is left", seed, kind, doc, left)
	}
	if got, want := withoutSpace(left), withoutSpace(want); !bytes.Equal(got, want) || len(left) > len(doc) {
		t.Fatalf("seed %d: %s %v of %q: %q is left, want %q", seed, kind, cuts, doc, left, want)
	}
	if want := leftPlainly(k, doc, cuts); !bytes.Equal(left, want) {
		t.Fatalf("seed %d: %s %v of %q: %q is left, want %q", seed, kind, cuts, doc, left, want)
	}
}

// leftPlainly is appendLeft as it reads, which looks at all that is left each time something is cut.
func leftPlainly(c cutter, b []byte, numbers []uint32) []byte {
	var left []byte
	behind := func(gap []byte) {
		if c.kind != Sentences {
			last := bytes.TrimSuffix(left, lineFeed)
			if len(text.TrimLeft(last[bytes.LastIndexByte(last, '\n')+1:])) == 0 {
				gap = cutBlankLines(gap)
			}
			left = append(left, gap...)
			return
		}
		kept := text.TrimRight(left)
		white := gap[:len(gap)-len(text.TrimLeft(gap))]
		if feeds := bytes.Count(white, lineFeed); len(kept) > 0 && feeds > bytes.Count(left[len(kept):], lineFeed) {
			left = append(kept, gap...)
			return
		}
		if i := bytes.LastIndexByte(white, '\n'); i >= 0 {
			white = white[:i+1]
		}
		if len(kept) == 0 {
			left = nil
		}
		left = append(left, gap[len(white):]...)
	}
	at := int32(0)
	for i, k := range numbers {
		if gap := b[at:c.units[k].Lo]; i == 0 {
			left = append(left, gap...)
		} else {
			behind(gap)
		}
		at = c.units[k].Hi
	}
	if len(numbers) > 0 && len(text.TrimLeft(b[at:])) == 0 {
		return text.TrimRight(left)
	}
	if len(numbers) == 0 {
		return b
	}
	behind(b[at:])
	return left
}

// TestLeftBehindWhiteSpace cuts a million units behind 16 MiB of white space, of which each byte is to be looked at a few times. To
// look at it for each unit takes hours.
func TestLeftBehindWhiteSpace(t *testing.T) {
	const white, cuts = 16 << 20, 1 << 20
	for _, c := range []struct{ kind, unit, gap string }{
		{Sentences, "B.", " "},
		{Paragraphs, "b\n", "\n"},
		{Lines, "b\n", "\n"},
	} {
		k := cutter{kind: c.kind}
		doc := append([]byte("A. \n"), bytes.Repeat([]byte(" "), white)...)
		if c.kind != Sentences {
			doc = append(doc, '\n')
		}
		var numbers []uint32
		for i := range cuts {
			k.units = append(k.units, text.Span{Lo: int32(len(doc)), Hi: int32(len(doc) + len(c.unit))})
			doc = append(append(doc, c.unit...), c.gap...)
			numbers = append(numbers, uint32(i))
		}
		doc = append(doc, "Z."...)
		want := len("A. \n") + white + len("Z.")
		if c.kind != Sentences {
			want++
		}
		if left := k.appendLeft(nil, doc, numbers); len(left) != want || string(left[len(left)-2:]) != "Z." {
			t.Errorf("%s: %d bytes are left, want %d", c.kind, len(left), want)
		}
	}
}

func withoutSpace(b []byte) []byte {
	var out []byte
	for i := 0; i < len(b); {
		if n := text.SpaceAt(b, i); n > 0 {
			i += n
			continue
		}
		out = append(out, b[i])
		i++
	}
	return out
}

func FuzzCut(f *testing.F) {
	for _, s := range []string{"a\n\nb\n", "```\na\n```\nb", "Aa bb. Cc dd.\n\nEe ff.", "> ~~~\n> a\nb", "1. - ```x\n"} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, doc []byte, seed uint64) {
		doc = bytes.ToValidUTF8(doc, nil)
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, kind := range []string{Lines, Paragraphs, Sentences} {
			checkLeft(t, seed, kind, doc, rng)
		}
	})
}
