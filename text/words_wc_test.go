package text

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// The slow twin of WordsWC goes by code points.
func slowWordsWC(s string) (n int) {
	inside := false
	for _, r := range s {
		set := wcSets[wcRows[wcTop[r>>12]][r>>6&0x3F]]
		switch bit := uint64(1) << (r & 0x3F); {
		case set.space&bit != 0:
			inside = false
		case set.word&bit != 0:
			if !inside {
				n++
			}
			inside = true
		}
	}
	return n
}

// checkWordsWC puts a text at several places of the 64 bytes that WordsWC looks at at once.
func checkWordsWC(t *testing.T, s string) {
	t.Helper()
	for _, before := range []string{"", " ", strings.Repeat("x", 61) + " ", strings.Repeat("x ", 31) + "x", strings.Repeat("\x00", 63)} {
		for _, after := range []string{"", " z", strings.Repeat("z", 64)} {
			text := before + s + after
			if got, want := WordsWC([]byte(text)), slowWordsWC(text); got != want {
				t.Errorf("WordsWC(%q) = %d, want %d", text, got, want)
			}
		}
	}
}

// wcAnswers is testdata/wc/answers.jsonl.gz: what wc said.
type wcAnswers struct {
	alone, between []int // see blockAnswers in testdata/wc/main.go
	texts          []wcAnswer
}

type wcAnswer struct {
	Text  string
	Words int
}

func readWCAnswers(t *testing.T) (a wcAnswers) {
	f, err := os.Open("testdata/wc/answers.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 1<<20)
	for n := 0; sc.Scan(); n++ {
		var row struct {
			Source         string
			Alone, Between []int
			wcAnswer
		}
		if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		switch n {
		case 0:
			t.Log(row.Source)
		case 1:
			a.alone, a.between = row.Alone, row.Between
		default:
			a.texts = append(a.texts, row.wcAnswer)
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	if len(a.alone) != 0x110000/64 || len(a.between) != len(a.alone) || len(a.texts) < 2000 {
		t.Fatalf("%d, %d blocks, %d texts: the file is not whole", len(a.alone), len(a.between), len(a.texts))
	}
	return a
}

func TestWordsWC(t *testing.T) {
	answers := readWCAnswers(t)
	for _, a := range answers.texts {
		if got := WordsWC([]byte(a.Text)); got != a.Words {
			t.Errorf("WordsWC(%q) = %d, wc says %d", a.Text, got, a.Words)
		}
		checkWordsWC(t, a.Text)
	}
	// Every code point: 64 of them alone, and 64 between two letters.
	for i := range answers.alone {
		var alone, between strings.Builder
		for r := rune(i * 64); r < rune(i*64+64) && utf8.ValidRune(r); r++ {
			alone.WriteString(string(r) + " ")
			between.WriteString("a" + string(r) + "b ")
		}
		if got := WordsWC([]byte(alone.String())); got != answers.alone[i] {
			t.Errorf("WordsWC(%q) = %d, wc says %d", alone.String(), got, answers.alone[i])
		}
		if got := WordsWC([]byte(between.String())); got != answers.between[i] {
			t.Errorf("WordsWC(%q) = %d, wc says %d", between.String(), got, answers.between[i])
		}
	}
}

func TestWCPlain(t *testing.T) {
	plain := [256]bool{}
	for c := 0xC2; c < 0xF5; c++ {
		plain[c] = true
	}
	for r := rune(0x80); r <= utf8.MaxRune; r++ {
		if b := []byte(string(r)); utf8.ValidRune(r) && slowWordsWC(string(r)) == 0 {
			plain[b[0]] = false
		}
	}
	for c := range plain {
		if wcPlain[c] != plain[c] {
			t.Errorf("every character that begins with %#x belongs to a word: %v, and wcPlain says %v", c, plain[c], wcPlain[c])
		}
	}
}

func FuzzWordsWC(f *testing.F) {
	for _, s := range []string{
		"", "Kaixo, mundua!\r\n", "eta etxe\u00a0berria\u3000da", "a\u2028b \u2028 \x00\x7f", "a \u0378b\u0378 \U0001F600 \U0010FFFF",
		strings.Repeat("ñandú ", 20), strings.Repeat("мир\u2060труд ", 9), "\x85\xe2\x80 \xf7\xbf\xbf\xbf \xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			WordsWC([]byte(s)) // not text, but nothing may be read outside of it
			s = strings.ToValidUTF8(s, "\u0085")
		}
		checkWordsWC(t, s)
	})
}

// BenchmarkWordsWC runs on made-up text of the shape of each script, 64 KiB long.
func BenchmarkWordsWC(b *testing.B) {
	for _, c := range []struct{ name, sentence string }{
		{"ascii", "The committee met on Tuesday to discuss the new budget.\n"},
		{"spanish", "El año pasado la comisión aprobó, después de una larga sesión, el presupuesto.\n"},
		{"russian", "В прошлом году комиссия после долгого заседания утвердила бюджет.\n"},
		{"greek", "Πέρυσι η επιτροπή ενέκρινε τον προϋπολογισμό.\n"},
		{"hindi", "पिछले साल समिति ने बजट को मंज़ूरी दी।\n"},
		{"chinese", "去年委员会在长时间会议后批准了预算。\n"},
	} {
		text := []byte(strings.Repeat(c.sentence, 65536/len(c.sentence)))
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				WordsWC(text)
			}
		})
	}
}
