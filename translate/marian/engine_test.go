package marian

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func openTiny(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Open(tinyModel(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// tinyTexts are the sources of golden.json and what its beam 4 makes of them.
func tinyTexts(t testing.TB) (sources, targets []string) {
	for _, g := range goldens(t) {
		if len(g.Kw) == 1 && g.Kw["num_beams"] == 4.0 {
			sources, targets = append(sources, g.Src), append(targets, g.Text[0])
		}
	}
	return sources, targets
}

// Texts come back in their order, from any number of goroutines and workers.
func TestTranslate(t *testing.T) {
	sources, targets := tinyTexts(t)
	for _, workers := range []int{1, 3} {
		e := openTiny(t, Options{Beams: 4, Workers: workers})
		var wg sync.WaitGroup
		for from := range sources {
			wg.Go(func() {
				list := slices.Concat(sources[from:], sources)
				out, err := e.Translate(context.Background(), list, false)
				if err != nil {
					t.Error(err)
					return
				}
				for i, o := range out {
					if want := slices.Concat(targets[from:], targets)[i]; o.Text != want {
						t.Errorf("%q: %q, want %q", list[i], o.Text, want)
					}
					if o.Cut || o.TargetTokens == 0 || o.SourceTokens == 0 || !(o.LogProb < 0) {
						t.Errorf("%+v", o)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestTranslateNothing(t *testing.T) {
	e := openTiny(t, Options{Workers: 2})
	if out, err := e.Translate(context.Background(), nil, true); len(out) != 0 || err != nil {
		t.Error(out, err)
	}
}

// A text of more tokens than the model has positions is cut, and others with it are translated.
func TestCut(t *testing.T) {
	e := openTiny(t, Options{})
	long := strings.Repeat("Moves one sheet to the left. ", 40)
	out, err := e.Translate(context.Background(), []string{long, "Moves one sheet to the left."}, false)
	if err != nil {
		t.Fatal(err)
	}
	if !out[0].Cut || out[0].Text != "" || out[1].Cut || out[1].Text == "" {
		t.Errorf("%+v", out)
	}
}

// Every target piece has its bytes and a source piece; together the pieces are the text but for white space.
func TestAlignment(t *testing.T) {
	sources, _ := tinyTexts(t)
	e := openTiny(t, Options{Beams: 4})
	out, err := e.Translate(context.Background(), sources, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		var source, target strings.Builder
		for _, p := range o.Source {
			source.WriteString(sources[i][p.From:p.To])
		}
		for _, p := range o.Target {
			target.WriteString(o.Text[p.From:p.To])
			if p.Source < 0 || p.Source >= len(o.Source) {
				t.Errorf("%q: piece %+v of %d", o.Text, p, len(o.Source))
			}
		}
		bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if bare(source.String()) != bare(sources[i]) || bare(target.String()) != bare(o.Text) {
			t.Errorf("pieces %q and %q of %q and %q", source.String(), target.String(), sources[i], o.Text)
		}
	}
}

var errStop = errors.New("stop")

// A cancelled call gives its cause, and the engine goes on with others.
func TestCancel(t *testing.T) {
	sources, targets := tinyTexts(t)
	e := openTiny(t, Options{Beams: 4, Workers: 1})
	ctx, cancel := context.WithCancelCause(context.Background())
	var many []string
	for range 200 {
		many = append(many, sources...)
	}
	done := make(chan error)
	go func() {
		_, err := e.Translate(ctx, many, false)
		done <- err
	}()
	cancel(errStop)
	if err := <-done; !errors.Is(err, errStop) {
		t.Errorf("error %v", err)
	}
	out, err := e.Translate(context.Background(), sources, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Text != targets[i] {
			t.Errorf("%q, want %q", o.Text, targets[i])
		}
	}
}

// A quantised folder is the model quantised while it is read; it has a digest of its own, and takes about a quarter.
func TestQuantize(t *testing.T) {
	from, to := tinyModel(t), filepath.Join(t.TempDir(), "int8")
	if err := Quantize(context.Background(), from, to); err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, dir := range []string{from, to} {
		info, err := os.Stat(filepath.Join(dir, safeName))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if float64(sizes[1]) > 0.3*float64(sizes[0]) {
		t.Errorf("%d bytes of %d", sizes[1], sizes[0])
	}
	sources, _ := tinyTexts(t)
	var texts [][]Translation
	var digests []string
	for _, o := range []struct{ dir, precision string }{{from, "int8"}, {to, ""}, {to, "int8"}, {from, ""}} {
		e, err := Open(o.dir, Options{Beams: 4, Precision: o.precision})
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Translate(context.Background(), sources, false)
		if err != nil {
			t.Fatal(err)
		}
		texts, digests = append(texts, out), append(digests, e.Digest())
		e.Close()
	}
	for i := range sources {
		for k := 1; k < 3; k++ {
			if texts[k][i].Text != texts[0][i].Text || texts[k][i].LogProb != texts[0][i].LogProb {
				t.Errorf("%q: %+v and %+v", sources[i], texts[k][i], texts[0][i])
			}
		}
		if math.Abs(texts[3][i].LogProb-texts[0][i].LogProb) > 0.2 {
			t.Errorf("%q: %v in f32, %v in 8 bits", sources[i], texts[3][i].LogProb, texts[0][i].LogProb)
		}
	}
	if digests[1] != digests[2] || digests[0] == digests[1] || digests[3] == digests[0] {
		t.Error(digests)
	}
	if _, err := Open(to, Options{Precision: "f32"}); err == nil || !strings.Contains(err.Error(), "8 bits") {
		t.Errorf("f32 of 8 bits: %v", err)
	}
}

// What a digest stands for: beams, and any of the files.
func TestDigest(t *testing.T) {
	dir := tinyModel(t)
	of := func(beams int) string {
		t.Helper()
		e, err := Open(dir, Options{Beams: beams, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		return e.Digest()
	}
	one := of(1)
	if one != of(1) || one == of(2) {
		t.Error("beams")
	}
	name := filepath.Join(dir, "generation_config.json")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(b, ' '), 0o666); err != nil {
		t.Fatal(err)
	}
	if one == of(1) {
		t.Error("the configuration does not count")
	}
}

// What is wrong with a folder is said with the file's name.
func TestOpenErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(dir string) error
		o      Options
		want   string
	}{
		{"no folder", os.RemoveAll, Options{}, "config.json"},
		{"no weights", func(d string) error { return os.Remove(filepath.Join(d, safeName)) }, Options{}, "neither model.safetensors nor pytorch_model.bin"},
		{"cut weights", func(d string) error { return os.Truncate(filepath.Join(d, safeName), 1<<20) }, Options{}, safeName},
		{"no weights in the file", func(d string) error { return os.WriteFile(filepath.Join(d, safeName), nil, 0o666) }, Options{}, safeName},
		{"another shape", func(d string) error {
			name := filepath.Join(d, "config.json")
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, []byte(strings.Replace(string(b), `"encoder_ffn_dim": 192`, `"encoder_ffn_dim": 384`, 1)), 0o666)
		}, Options{}, `config.json asks for [384`},
		{"kernels", nil, Options{Kernels: "none"}, `no kernels "none"`},
		{"precision", nil, Options{Precision: "bf16"}, `precision "bf16"`},
		{"beams", nil, Options{Beams: 1000}, "1000 beams"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tinyModel(t)
			if tt.change != nil {
				if err := tt.change(dir); err != nil {
					t.Fatal(err)
				}
			}
			e, err := Open(dir, tt.o)
			if err == nil {
				e.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}
