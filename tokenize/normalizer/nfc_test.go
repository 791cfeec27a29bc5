package normalizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"curate/tokenize/aligned"
)

func nfc(text string) string {
	out, same := AppendNFC(nil, []byte(text))
	if same {
		return text
	}
	return string(out)
}

func TestNFC(t *testing.T) {
	acute := strings.Repeat("\u0301", 40)
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"plain", "plain"},
		{"e\u0301", "é"},
		{"a\u0323\u0307 a\u0307\u0323", "ạ\u0307 ạ\u0307"},
		{"\u212b\u2126", "ÅΩ"},
		{"\u1100\u1161\u11a8", "각"},
		{"가\u11a8", "각"},
		{"e" + acute, "é" + acute[2:]},                       // no U+034F
		{"e" + acute + "\u0323", "ẹ" + acute},                // ordered across 40 marks
		{"가\u11a8" + acute + "x", "각" + acute + "x"},         // in the slow path
		{acute + "\u0344", acute + "\u0308\u0301"},           // a mark of two
		{"\u0958 \u0f43" + acute, "क़ གྷ" + acute},           // never composed
		{"8\u0345\U0001193d", "8\u0345\U0001193d"},           // of Unicode 13
		{"e\U00010d24\u0301 e\u0301", "e\U00010d24\u0301 é"}, // of Unicode 11
		{"\U00011935\U00011930e\u0301", "\U00011935\U00011930é"},
		{"a\u0345\u0301", "\u00e1\u0345"},
	} {
		if got := nfc(c.text); got != c.want {
			t.Errorf("%+q: %+q, want %+q", c.text, got, c.want)
		}
	}
}

// TestSlow compares the two ways where package norm's is right.
func TestSlow(t *testing.T) {
	letters := []rune("ae Ąąoǭ가각\u1100\u1161\u11a8\u0301\u0302\u0323\u0327\u0328\u0345\u0344\u05b0\u05bcשׂ\u0958क\u093c\u212b日😀\u1e9b\u0c46\u0c56")
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 30000 {
		var b strings.Builder
		for range 1 + rnd.IntN(9) {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		if got, want := string(appendSlow(nil, []byte(b.String()))), norm.NFC.String(b.String()); got != want {
			t.Fatalf("%+q: %+q, want %+q", b.String(), got, want)
		}
	}
}

// TestForms: a text that package norm takes for normal is left as it is by the slow way too, offsets and all, and NFC is
// AppendNFC.
func TestForms(t *testing.T) {
	letters := []rune("ae Ą\u0301\u0302\u0323\u0327\u0345\u0344\u05b0\u05bc\u0f71\u0f72\u0f73\u3099가각\u1100\u1161\u11a8שׂक\u0958\u093c\u212bﬁｶﾞ\u08ca\U00011935\U00011930\U00011938\u1e9b")
	rnd := rand.New(rand.NewPCG(5, 6))
	var some aligned.Text
	normal := 0
	for range 30000 {
		var b []byte
		for range 1 + rnd.IntN(7) {
			b = utf8.AppendRune(b, letters[rnd.IntN(len(letters))])
		}
		for _, f := range []Form{NFC, NFD, NFKC, NFKD} {
			if !f.form.IsNormal(b) {
				continue
			}
			normal++
			chars := f.appendPart(nil, b)
			i := 0
			for _, r := range string(b) {
				if i >= len(chars) || chars[i].r != r || chars[i].of != 1 {
					t.Fatalf("%s: %+q: %v", f.name, b, chars)
				}
				i++
			}
			if i != len(chars) {
				t.Fatalf("%s: %+q: %v", f.name, b, chars)
			}
		}
		some.Set(b, 0, false)
		if err := NFC.Normalize(&some); err != nil {
			t.Fatal(err)
		}
		if got, want := string(some.B), nfc(string(b)); got != want {
			t.Fatalf("%+q: %+q, AppendNFC says %+q", b, got, want)
		}
	}
	if normal < 1000 {
		t.Errorf("only %d normal texts", normal)
	}
}

// TestLater fails when package norm learns of newer characters: those that it moves or joins must be entered into
// the table.
func TestLater(t *testing.T) {
	if norm.Version != "15.0.0" {
		t.Errorf("golang.org/x/text/unicode/norm is at Unicode %s: enter into later what is new since 15.0.0", norm.Version)
	}
	for i := 1; i < len(later); i++ {
		if later[i-1][1] >= later[i][0] || later[i][0] > later[i][1] {
			t.Errorf("not sorted at %x", later[i])
		}
	}
}
