package dedup

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestFormsSorted(t *testing.T) {
	if names := Forms(); !slices.IsSorted(names) {
		t.Errorf("forms %v are not sorted", names)
	}
	if !slices.IsSorted(ccnetMarks[:]) {
		t.Error("the marks are not sorted")
	}
	if _, err := formNamed("lowr"); err == nil || !strings.Contains(err.Error(), `did you mean "lower"?`) {
		t.Errorf("lowr: %v", err)
	}
}

// TestCCNet holds what normalize_for_dedup of cc_net/text_normalizer.py (commit 1341eec) answers under Python 3.11.
func TestCCNet(t *testing.T) {
	for _, c := range [][2]string{
		{"  Kaixo, MUNDUA!  ", "kaixo, mundua!"},
		{"2024ko 12/31", "0000ko 00/00"},
		{"“Aipua” – eta… «hori»", "aipua  eta hori"},
		{"ÀÉÎ õ ñ", "àéî õ ñ"},
		{"a\tb\x01c", "abc"},
		{"１２３ ４", "000 0"},
		{"٣٫١٤ Ｏ", "0٫00 ｏ"},
		{"ΟΔΟΣ ΟΔΟΣ.", "οδος οδος."},
		{"İstanbul", "i̇stanbul"},
		{"　全角　", "全角"},
		{"（A）：B；C？D！E、F。G", "abcdefg"},
		{"—", ""},
		{"", ""},
		{"\u00a0x\u00a0", "x"},
		{"x\u0085y", "xy"},
		{"don’t ´s", "dont s"},
		{"５％ ►a━b", "0 ab"},
		{"e\u0301É", "e\u0301é"},
		{"—x ", "x"},
	} {
		if got := appendCCNet([]byte("kept"), []byte(c[0])); string(got) != "kept"+c[1] {
			t.Errorf("%q: %q, want %q", c[0], got[4:], c[1])
		}
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct{ form, text, want string }{
		{"none", " E\u0301 ", " E\u0301 "},
		{"nfc", " E\u0301 ", " É "},
		{"lower", "E\u0301", "e\u0301"},
		{"simplified", "Kaixo,  3.14 mundu!", "kaixo 0 mundu"},
		{"simplified", "?!", "?!"}, // nothing is left, so as it is written
		{"url", "HTTP://A.eu", "http://a.eu/"},
	} {
		f, err := formNamed(c.form)
		if err != nil {
			t.Fatal(err)
		}
		var scratch []byte
		if got := f.of([]byte(c.text), &scratch); string(got) != c.want {
			t.Errorf("%s of %q: %q, want %q", c.form, c.text, got, c.want)
		}
	}
}

// urlTable has URLs with the form that they are compared in.
var urlTable = [][2]string{
	{"http://example.com", "http://example.com/"},
	{"HTTPS://Example.COM/Path", "http://example.com/Path"},
	{"https://example.com:443/", "http://example.com/"},
	{"http://example.com:80/", "http://example.com/"},
	{"http://example.com:443/", "http://example.com/"},
	{"https://example.com:80", "http://example.com/"},
	{"https://example.com:8080/a", "http://example.com:8080/a"},
	{"http://example.com:/a", "http://example.com/a"},
	{"ftp://example.com:80/a", "ftp://example.com:80/a"},
	{"http://www.example.com/", "http://example.com/"},
	{"http://www.com/", "http://www.com/"},
	{"http://www.eu", "http://www.eu/"},
	{"http://www2.example.com/", "http://www2.example.com/"},
	{"http://example.com/#top", "http://example.com/"},
	{"http://example.com/?b=2&a=1#x", "http://example.com/?b=2&a=1"}, // parameters keep their order
	{"http://example.com?a", "http://example.com/?a"},
	{"http://example.com/a/", "http://example.com/a/"}, // another than /a
	{"http://example.com/a/./b/../c", "http://example.com/a/c"},
	{"http://example.com/a/..", "http://example.com/"},
	{"http://example.com/../../a", "http://example.com/a"},
	{"http://example.com/a//b", "http://example.com/a//b"},
	{"http://example.com//../a", "http://example.com/a"},
	{"http://example.com/.", "http://example.com/"},
	{"http://example.com/%7euser/%e4%bd", "http://example.com/~user/%E4%BD"},
	{"http://example.com/%2e%2E/a%2fb", "http://example.com/a%2Fb"},
	{"http://example.com/100%/%zz", "http://example.com/100%/%zz"},
	{"http://example.com/ñ b", "http://example.com/%C3%B1%20b"},
	{"http://User:Pass@Example.com/", "http://User:Pass@example.com/"},
	{"http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"},
	{"http://[2001:DB8::1]/", "http://[2001:db8::1]/"},
	{" http://example.com/ \n", "http://example.com/"},
	{"example.com/a", "example.com/a"},
	{"urn:isbn:1", "urn:isbn:1"},
	{"1http://a.eu", "1http://a.eu"},
	{"http://", "http://"},
	{"http:///a", "http:///a"},
	{"A://0::", "A://0::"},
	{"http://www.www.example.com/", "http://example.com/"},
	{"", ""},
}

func TestURL(t *testing.T) {
	for _, c := range urlTable {
		if got := AppendURL([]byte("kept"), []byte(c[0])); string(got) != "kept"+c[1] {
			t.Errorf("%q: %q, want %q", c[0], got[4:], c[1])
		}
	}
}

// FuzzURL: the form of a form is the form, and is no longer than it may be.
func FuzzURL(f *testing.F) {
	for _, c := range urlTable {
		f.Add(c[0])
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := AppendURL(nil, []byte(s))
		if twice := AppendURL(nil, once); !bytes.Equal(once, twice) {
			t.Errorf("%q: %q, and of that %q", s, once, twice)
		}
		if len(once) > 3*len(s)+8 {
			t.Errorf("%q: %d bytes", s, len(once))
		}
	})
}

func TestFormsAllocateNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	doc := []byte(strings.Repeat("Hau da etxea – “bat”, 12 É É. ", 20))
	for _, name := range Forms() {
		form, err := formNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		scratch := make([]byte, 0, 4*len(doc))
		if n := testing.AllocsPerRun(20, func() { form.of(doc, &scratch) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
