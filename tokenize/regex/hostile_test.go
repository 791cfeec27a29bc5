package regex

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestHostileTmp(t *testing.T) {
	for _, c := range []struct{ p, s string }{
		{`(a*)*b`, strings.Repeat("a", 1<<20)},
		{`(a|aa)+$`, strings.Repeat("a", 1<<20) + "b"},
		{`(a|a)*b`, strings.Repeat("a", 1<<20)},
		{`(?:a?){30}a{30}b`, strings.Repeat("a", 1<<20)},
		{`((a*)*)*b`, strings.Repeat("a", 1<<20)},
		{`a*a*a*a*a*b`, strings.Repeat("a", 1<<20)},
		{`\s+$`, strings.Repeat(" ", 1<<20) + "x"},
		{`(?=(a|aa)+$)a`, strings.Repeat("a", 1<<20)},
		{`(?=.*b)a`, strings.Repeat("a", 1<<20)},
		{`(?!.*b)a`, strings.Repeat("a", 1<<20)},
		{`(?>a*)b`, strings.Repeat("a", 1<<20)},
		{`a++b`, strings.Repeat("a", 1<<20)},
		{`(?>(?:a|c)*)b`, strings.Repeat("a", 1<<20)},
		{`(?<=a{1,200})b|c`, strings.Repeat("a", 1<<20)},
		{`(?:a|b|c|d|e|f|g|h)*x`, strings.Repeat("h", 1<<20)},
		{`.*.*.*x`, strings.Repeat("h", 1<<20)},
		{`(?:\w+\s*)+:`, strings.Repeat("hello ", 1<<17)},
		{`(?:a{1,100}){1,100}b`, strings.Repeat("a", 1<<20)},
		{`[^x]*+x`, strings.Repeat("a", 1<<20)},
		{`a{1,1000}b`, strings.Repeat("a", 1<<20)},
	} {
		r, err := Compile(c.p)
		if err != nil {
			t.Log(c.p, err)
			continue
		}
		m := r.NewMatcher()
		start := time.Now()
		n := 0
		text := []byte(c.s)
		from := 0
		var ferr error
		for from <= len(text) {
			s, e, ok, err := m.Next(text, from)
			if err != nil {
				ferr = err
				break
			}
			if !ok {
				break
			}
			n++
			from = e
			if s == e {
				from++
			}
		}
		t.Logf("%-24s %8d matches %v steps %d states %d: %v", c.p, n, time.Since(start), m.steps, r.program.states, ferr)
	}
	_ = bytes.Equal
}

func BenchmarkTmp(b *testing.B) {
	text := []byte(strings.Repeat("Hello world, it's 2024 and the quick brown fox jumps over 12345 lazy dogs.\n  Ünïcödé тоже есть 漢字 too! ", 2000))
	for _, p := range []string{`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
		`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
		` `, `\d`, `[一-龥]+`, `\p{N}{1,3}`} {
		b.Run(p[:min(len(p), 12)], func(b *testing.B) {
			r, _ := Compile(p)
			m := r.NewMatcher()
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				for from := 0; ; {
					_, e, ok, err := m.Next(text, from)
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
					from = e
				}
			}
		})
	}
}
