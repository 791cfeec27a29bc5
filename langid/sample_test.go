package langid

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func take(doc string, limit int) []string {
	var s Sample
	s.Take([]byte(doc), limit)
	var out []string
	for i := range s.Pieces() {
		out = append(out, string(s.Piece(i)))
	}
	return out
}

func TestSample(t *testing.T) {
	word := func(c byte, n int) string { return strings.Repeat(string(rune(c)), n) }
	long := strings.Repeat(word('a', 9)+", ", 50) + strings.Repeat(word('b', 9)+"\n\n", 50) + strings.Repeat("1 "+word('c', 9), 50)
	for _, c := range []struct {
		name, doc string
		limit     int
		want      []string
	}{
		{"nothing", "", 300, nil},
		{"no letters", " 12,5 % — 🙂\n", 300, nil},
		{"a word", "a", 300, []string{"a"}},
		{"marks and digits part words", "Kaixo, mundua! x2y 3", 300, []string{"Kaixo mundua x y"}},
		{"letters beyond ASCII", "Ça, où? Ñandú.", 300, []string{"Ça où Ñandú"}},
		{"equal pieces", word('a', 60) + " " + word('b', 60), 300, []string{word('a', 60), word('b', 60)}},
		{"exactly a piece", word('a', 99) + " b", 300, []string{word('a', 99) + " b"}},
		{"a word longer than a piece", word('a', 250), 300, []string{word('a', 84), word('a', 84), word('a', 82)}},
		{"characters stay whole", strings.Repeat("é", 60), 300, []string{strings.Repeat("é", 30), strings.Repeat("é", 30)}},
		{"spread", long, 60, []string{strings.TrimSpace(strings.Repeat(word('a', 9)+" ", 6))}},
		{"spread over three", long, 300, []string{
			strings.TrimSpace(strings.Repeat(word('a', 9)+" ", 11)),
			strings.TrimSpace(strings.Repeat(word('b', 9)+" ", 11)),
			strings.TrimSpace(strings.Repeat(word('c', 9)+" ", 11)),
		}},
		{"no piece where no letters are", strings.Repeat("abc ", 70) + strings.Repeat("1", 300) + strings.Repeat(" xyz", 70), 300, []string{
			strings.TrimSpace(strings.Repeat("abc ", 33)), strings.TrimSpace(strings.Repeat("xyz ", 33)),
		}},
		{"the script with the most letters", "мир hello это привет", 300, []string{"мир это привет"}},
		{"scripts are counted by the piece", strings.Repeat("a", 80) + strings.Repeat(" ж", 81), 300, []string{"ж" + strings.Repeat(" ж", 39), "ж" + strings.Repeat(" ж", 39), "ж"}},
		{"the first of two", "мир abc", 300, []string{"abc"}},
		{"Japanese is written in three", "東京はトウキョウ Tokyo", 300, []string{"東京はトウキョウ"}},
		{"a letter of no script alone", "ʼ", 300, nil},
		{"a script that no engine knows stays", "ລາວ ab", 300, []string{"ລາວ"}},
		{"a word is in the script of its first letter", "ʼмir иii aaa", 300, []string{"ʼмir иii"}},
	} {
		if got := take(c.doc, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%s: %d bytes of %.80q\n%q, want\n%q", c.name, c.limit, c.doc, got, c.want)
		}
	}
}

// checkSample holds for every text.
func checkSample(t *testing.T, doc string, limit int) {
	t.Helper()
	pieces := take(doc, limit)
	letters := 0
	for _, p := range pieces {
		if p == "" || !utf8.ValidString(p) || strings.HasPrefix(p, " ") || strings.HasSuffix(p, " ") || strings.Contains(p, "  ") {
			t.Fatalf("piece %q of %q", p, doc)
		}
		n := 0
		script := -1
		for word := range strings.FieldsSeq(p) {
			n += len(word)
			if strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }) || !strings.Contains(doc, word) {
				t.Fatalf("%q in the sample of %q", word, doc)
			}
			if k := scriptOf([]byte(word)); script < 0 {
				script = k
			} else if k != script {
				t.Fatalf("%q holds words of two scripts", p)
			}
		}
		if n > pieceBytes || utf8.RuneCountInString(strings.ReplaceAll(p, " ", "")) >= 120 {
			t.Fatalf("a piece of %d bytes: %q", n, p)
		}
		letters += n
	}
	if letters > limit {
		t.Fatalf("%d bytes of letters, at most %d were asked for, of %q", letters, limit, doc)
	}
	if !slices.Equal(pieces, take(doc, limit)) {
		t.Fatalf("two samples of %q differ", doc)
	}
	// A text of one script that fits is taken whole.
	total, ascii := 0, true
	for _, r := range doc {
		ascii = ascii && r < utf8.RuneSelf
		if unicode.IsLetter(r) {
			total += utf8.RuneLen(r)
		}
	}
	if ascii && total <= limit && letters != total {
		t.Fatalf("%d of %d bytes of letters of %q: %q", letters, total, doc, pieces)
	}
	if ascii && total > 0 && len(pieces) == 0 {
		t.Fatalf("no sample of %q", doc)
	}
}

func TestSampleAny(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	alphabet := []rune("abcdefgh ab  \n.,1éñжя漢かʼ\u0301ลກ")
	for range 3000 {
		doc := make([]rune, rng.IntN(800))
		only := 1 + rng.IntN(len(alphabet))
		for i := range doc {
			doc[i] = alphabet[rng.IntN(only)]
		}
		checkSample(t, string(doc), MinSample+rng.IntN(500))
	}
}

func FuzzSample(f *testing.F) {
	for _, doc := range []string{"", "Kaixo, mundua!", strings.Repeat("ab ", 300), strings.Repeat("漢", 300), "мир hello", "\u0301a", strings.Repeat("x", 999), strings.Repeat("1", 400) + "é"} {
		f.Add(doc, uint16(300))
	}
	f.Fuzz(func(t *testing.T, doc string, limit uint16) {
		if !utf8.ValidString(doc) {
			return
		}
		checkSample(t, doc, MinSample+int(limit)%(MaxSample-MinSample+1))
	})
}

func TestSampleAllocatesNothing(t *testing.T) {
	doc := []byte(strings.Repeat("Euskal Herriko Unibertsitateak corpus handi bat argitaratu du, ñ. ", 50))
	var s Sample
	s.Take(doc, DefaultSample)
	if n := testing.AllocsPerRun(100, func() { s.Take(doc, DefaultSample) }); n > 0 {
		t.Errorf("%v allocations a text", n)
	}
}
