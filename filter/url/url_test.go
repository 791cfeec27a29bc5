package url

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// lists are those that the answers in testdata were made with.
func lists() *Lists {
	l := &Lists{}
	for to, lines := range map[List][]string{
		Domains: {"bad.com\n", "bad.co.uk\n", "# comment\n", "blog.good.org\n", "münchen-bad.de\n", "xn--mnchen-bad-9db.de\n", "BAD.net\n", "1.2.3.4\n", "bad.рф\n",
			"bad.xn--p1ai\n", "foo.github.io\n", "bad.kawasaki.jp\n", "city.kawasaki.jp\n", "bad.b.kawasaki.jp\n", "localhost\n", "evil.museum\n"},
		URLs:      {"http://good.org/bad\n", "https://good.org/a?b=c#d\n", " http://spaces.org/x \n"},
		Words:     {"porn", "Sexy!", "2 girls"},
		SoftWords: {"hot", "adult", "teen", "free", "gay"},
		Subwords:  {"badword", "very bad", "xxx"},
	} {
		for _, line := range lines {
			l.Add(to, []byte(line))
		}
	}
	l.Ready()
	return l
}

// reason asks in the reference's order.
func reason(l *Lists, s *Scratch, url []byte) string {
	switch {
	case l.Domain(s, url, false):
		return "domain"
	case l.Host(s, url, false):
		return "subdomain"
	case l.URL(url):
		return "url"
	case l.Words(s, url, false) > 0:
		return "hard_blacklisted"
	case l.SoftWords(s, url, false) >= 2:
		return "soft_blacklisted"
	case l.Subword(url):
		return "blacklisted_subword"
	}
	return ""
}

func TestDatatrove(t *testing.T) {
	in, err := os.Open("testdata/datatrove.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	l, s := lists(), &Scratch{}
	reasons := map[string]int{}
	for dec := json.NewDecoder(z); ; {
		var a struct{ URL, Reason, Domain, Host string }
		if err := dec.Decode(&a); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		reasons[a.Reason]++
		if got := reason(l, s, []byte(a.URL)); got != a.Reason {
			t.Errorf("%q: %q, datatrove %q", a.URL, got, a.Reason)
		}
		host, at := s.hostOf([]byte(a.URL), false)
		domain := ""
		if at < 0 {
			host = nil
		} else {
			domain = string(host[at:])
		}
		if string(host) != a.Host || domain != a.Domain {
			t.Errorf("%q: host %q, domain %q; tldextract %q, %q", a.URL, host, domain, a.Host, a.Domain)
		}
	}
	t.Log(reasons)
	if len(reasons) < 7 {
		t.Errorf("reasons %v only", reasons)
	}
}

func TestRead(t *testing.T) {
	text := "# a comment\nbad.com\r\n\n" + strings.Repeat("x", 200_000) + "\nlast.org"
	var gz, zs bytes.Buffer
	w := gzip.NewWriter(&gz)
	fmt.Fprint(w, text)
	w.Close()
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(z, text)
	z.Close()
	for name, file := range map[string]string{"plain": text, "gzip": gz.String(), "zstd": zs.String()} {
		l := &Lists{}
		if err := l.Read(Domains, strings.NewReader(file)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		l.Ready()
		if len(l.domains) != 3 || !l.Domain(&Scratch{}, []byte("http://bad.com"), false) || !l.Domain(&Scratch{}, []byte("http://www.last.org/"), false) {
			t.Errorf("%s: %d lines", name, len(l.domains))
		}
	}
	l := &Lists{}
	if err := l.Read(Domains, strings.NewReader("a\n"+strings.Repeat("x", maxLine+100_000))); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line above a MiB: %v", err)
	}
	if err := l.Read(Domains, bytes.NewReader(gz.Bytes()[:gz.Len()/2])); err == nil {
		t.Error("half a gzip file is no error")
	}
}

func TestSize(t *testing.T) {
	l := &Lists{}
	const n = 200_000
	for i := range n {
		l.Add(Domains, fmt.Appendf(nil, "a-rather-long-name-%d.example", i))
	}
	l.Ready()
	if size := l.Size(); size != 8*n {
		t.Errorf("%d bytes for %d lines", size, n)
	}
}

// TestSubwords compares the trie with a search for each word.
func TestSubwords(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abB-1"[rng.IntN(5)]
		}
		return b
	}
	hits := 0
	for range 500 {
		l := &Lists{}
		var words [][]byte
		for range 1 + rng.IntN(5) {
			w := random(1 + rng.IntN(7))
			l.Add(Subwords, w)
			if w = appendNormal(nil, w); len(w) > 0 {
				words = append(words, w)
			}
		}
		l.Ready()
		for range 20 {
			url := random(rng.IntN(15))
			want := false
			for _, w := range words {
				want = want || bytes.Contains(appendNormal(nil, url), w)
			}
			if l.Subword(url) != want {
				t.Fatalf("%q in %q: %v", words, url, !want)
			}
			if want {
				hits++
			}
		}
	}
	if hits == 0 {
		t.Error("no hit")
	}
}

func FuzzLists(f *testing.F) {
	l := lists()
	for _, s := range []string{"http://www.bad.com/x?porn", "//user@münchen-bad.de:80", "[::1]", "http://..//\xff。com", "x://。.рф"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, url []byte) {
		s := &Scratch{}
		reason(l, s, url)
		if host, at := s.hostOf(url, true); at > len(host) {
			t.Errorf("%q: %q, %d", url, host, at)
		}
		m := &Lists{}
		_ = m.Read(Subwords, bytes.NewReader(url))
		m.Ready()
		m.Subword(url)
	})
}

func TestAllocs(t *testing.T) {
	l, s := lists(), &Scratch{}
	url := []byte("https://user@www.Good.co.uk:8080/some/path/to/hot-things?with=words#and-more")
	if n := testing.AllocsPerRun(100, func() { reason(l, s, url) }); n != 0 {
		t.Errorf("%v allocations a URL", n)
	}
}

func BenchmarkLists(b *testing.B) {
	l, s := lists(), &Scratch{}
	for i := range 1_000_000 {
		l.Add(Domains, fmt.Appendf(nil, "domain-%d.example", i))
	}
	l.Ready()
	url := []byte("https://www.good.co.uk/some/path/to/things?with=words#and-more")
	for b.Loop() {
		reason(l, s, url)
	}
}
