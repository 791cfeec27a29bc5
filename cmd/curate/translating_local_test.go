package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/translate"
	"curate/translate/backends"
	"curate/translate/marian"
	"curate/translate/protect"
	"curate/translate/translatetest"
)

// pseudoEngine is an environment variable: in a process that has it no model is opened, but translatetest.Engine; its value is how
// long that takes for a text. With the others it loses what begins so, and has an empty translation of what holds it.
const (
	pseudoEngine = "CURATE_TEST_ENGINE"
	pseudoLoses  = "CURATE_TEST_ENGINE_LOSES"
	pseudoEmpty  = "CURATE_TEST_ENGINE_EMPTY"
)

func usePseudoEngine() {
	pause, err := time.ParseDuration(os.Getenv(pseudoEngine))
	if err != nil {
		return
	}
	localEngines[0].open = func(string, marian.Options) (translate.Engine, error) {
		return &translatetest.Engine{Pause: pause, Loses: os.Getenv(pseudoLoses), Empty: os.Getenv(pseudoEmpty)}, nil
	}
	localEngines[0].quantize = halved
}

// halved writes half of each file, which is as good as a quantised model to who does not look inside.
func halved(ctx context.Context, from, to string) error {
	if err := os.Mkdir(to, 0o777); err != nil {
		return err
	}
	list, err := os.ReadDir(from)
	for _, e := range list {
		var b []byte
		if b, err = os.ReadFile(filepath.Join(from, e.Name())); err != nil {
			return err
		}
		if err = os.WriteFile(filepath.Join(to, e.Name()), b[:len(b)/2], 0o666); err != nil {
			return err
		}
	}
	return err
}

// TestQuantizeIsWhole: a folder that could not be written whole is not there, and nothing is left beside it.
func TestQuantizeIsWhole(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "model")
	if err := os.Mkdir(from, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "config.json"), []byte("{  }"), 0o666); err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	ctx, cancel := context.WithCancel(t.Context())
	for _, c := range []struct {
		name  string
		make  func(ctx context.Context, from, to string) error
		want  error
		there bool
	}{
		{"fails", func(ctx context.Context, from, to string) error { return errors.Join(halved(ctx, from, to), full) }, full, false},
		{"whole", halved, nil, true},
		{"stopped", func(ctx context.Context, from, to string) error { cancel(); return halved(ctx, from, to) }, context.Canceled, false},
	} {
		out := filepath.Join(dir, "new", c.name)
		before, after, err := quantized(ctx, &localEngine{quantize: c.make}, from, out)
		if !errors.Is(err, c.want) || c.there && (before != 4 || after != 2) {
			t.Errorf("%s: %d, %d, %v", c.name, before, after, err)
		}
		if _, err := os.Stat(filepath.Join(out, "config.json")); (err == nil) != c.there {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if list, _ := os.ReadDir(filepath.Join(dir, "new")); len(list) != 1 {
		t.Errorf("left: %v", list)
	}
}

// TestSurvivalsOfComputed: a model in this process is tried in the forms that it knows, and in the one that is no placeholder, which
// comes behind a placeholder that is good enough.
func TestSurvivalsOfComputed(t *testing.T) {
	var templates []protect.Template
	for i := range 50 {
		p, ok := probeOf(fmt.Sprintf("The old house number %s stands near the quiet river of the town.", strings.Repeat("x", 1+i)))
		if !ok {
			t.Fatal("no probe")
		}
		templates = append(templates, p)
	}
	for _, c := range []struct {
		loses, strange string
		want           string
	}{
		{"", "[]{}<>⟦⟧〘〙§@_", "XQ0 1.00, X0 1.00, aligned 1.00"},
		{"XQ", "[]{}<>⟦⟧〘〙§@_", "X0 1.00, aligned 1.00, XQ0 0.00"},
		{"X", "[]{}<>⟦⟧〘〙§@_", "aligned 1.00, XQ0 0.00, X0 0.00"},
		{"", "0", "aligned 1.00"},
	} {
		local := translate.NewLocal(&translatetest.Engine{Loses: c.loses, Strange: c.strange}, translate.LocalOptions{Family: "pseudo"})
		list, err := survivals(t.Context(), local, "en", "eu", templates)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			got = append(got, fmt.Sprintf("%s %.2f", s.Form, s.Share))
			if s.Of != len(templates) {
				t.Errorf("%s: %d probes", s.Form, s.Of)
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("loses %q, without %q: %s, want %s", c.loses, c.strange, s, c.want)
		}
	}
	// One of 50 lost is good enough, two are not.
	for lost := range 4 {
		b := &losing{Local: translate.NewLocal(&translatetest.Engine{Strange: "[]{}<>⟦⟧〘〙§@_"}, translate.LocalOptions{}), left: map[string]int{"XQ0": lost, "X0": 50}}
		list, err := survivals(t.Context(), b, "en", "eu", templates)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: "XQ0", false: "aligned"}[lost < 2]; list[0].Form != want {
			t.Errorf("%d of 50 lost: first %s, want %s", lost, list[0].Form, want)
		}
	}
}

// losing loses so many answers of each form.
type losing struct {
	*translate.Local
	mu   sync.Mutex
	left map[string]int
}

func (l *losing) Translate(ctx context.Context, r *backends.Request) (*backends.Answer, error) {
	a, err := l.Local.Translate(ctx, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left[r.Placeholder] > 0 {
		l.left[r.Placeholder]--
		a.Texts[0] = "galduta"
	}
	return a, err
}
