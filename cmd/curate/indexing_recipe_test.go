//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"curate/pipeline/recipe"
)

// TestStepIndexFollows: whatever happens to inputs, settings, directories and index of a step between two runs, and wherever these are
// stopped, the step keeps each text of its inputs once; and when nothing has happened there is nothing to do.
func TestStepIndexFollows(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 15))
	base := filepath.ToSlash(t.TempDir())
	in, step := base+"/in", base+"/run/unique"
	inputs := map[string][]string{} // texts by file
	write := func() string {
		name := fmt.Sprintf("%s/%03d.jsonl", in, rng.IntN(1000))
		var b strings.Builder
		inputs[name] = nil
		for range 1 + rng.IntN(6) {
			text := fmt.Sprintf("text %d", rng.IntN(40))
			inputs[name] = append(inputs[name], text)
			fmt.Fprintf(&b, "{\"text\":%q,\"n\":1}\n", text)
		}
		if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return "writes " + filepath.Base(name)
	}
	if err := os.MkdirAll(in, 0o777); err != nil {
		t.Fatal(err)
	}
	remove := func(name string) string {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
		return "removes " + filepath.Base(name)
	}
	one := func(list []string) string { return list[rng.IntN(len(list))] }
	below := func(pattern string) []string {
		list, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	setting := `exact: {index: true}`
	run := func(restart bool, stop time.Duration) error {
		text := fmt.Sprintf("version: 1\nrun: %s/run\nsteps:\n  - {name: unique, read: '%s', dedup: {%s}}\n  - {name: again, from: unique, filter: {profile: slimpajama}}\n", base, in, setting)
		r, err := recipe.Parse("recipe.yaml", []byte(text), nil, nil, recipeKinds)
		if err != nil {
			t.Fatal(err)
		}
		runner := &recipe.Runner{
			Recipe: r, Program: "curate test", Store: storage(), Workers: 1 + rng.IntN(3), Memory: 1 << 30, Restart: restart, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		}
		ctx, cancel := context.WithTimeout(t.Context(), stop)
		defer cancel()
		done, err := runner.Run(ctx)
		if err == nil && (len(done) != 2 || !done[0].Before && stop == unstopped) {
			return errors.New("something was done")
		}
		return err
	}
	kept := func(dir string) (list []string) {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() && e.Name() == "_curate" {
				return fs.SkipDir
			}
			if strings.HasPrefix(e.Name(), "part-") {
				for _, line := range recordsOf(t, name) {
					var r struct{ Text string }
					if err := json.Unmarshal([]byte(line), &r, json.MatchCaseInsensitiveNames(true), json.RejectUnknownMembers(false)); err != nil {
						t.Fatal(err)
					}
					list = append(list, r.Text)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return list
	}
	var happened []string
	grew := 0
	for range 12 {
		for range 1 + rng.IntN(2) {
			switch files, parts := below(in+"/*.jsonl"), below(step+"/parts-*"); {
			case len(files) == 0 || rng.IntN(5) > 1:
				happened = append(happened, write())
			case rng.IntN(3) == 0 && len(files) > 1:
				name := one(files)
				happened = append(happened, remove(name))
				delete(inputs, name)
			case rng.IntN(3) == 0 && len(parts) > 0:
				happened = append(happened, remove(one(parts)))
			case rng.IntN(3) == 0 && len(parts) > 0:
				happened = append(happened, remove(one(below(one(parts)+"/_curate/*"))))
			case rng.IntN(4) == 0:
				happened = append(happened, remove(base+"/run/_curate/index/unique/index.json"))
			case rng.IntN(4) == 0:
				happened = append(happened, remove(step))
			case rng.IntN(3) == 0:
				setting = one([]string{`exact: {index: true}`, `exact: {index: true, normalize: lower}`, `exact: {}`})
				happened = append(happened, setting)
			}
		}
		for rng.IntN(3) == 0 {
			happened = append(happened, "stopped")
			_ = run(true, time.Duration(rng.IntN(150))*time.Millisecond)
		}
		if err := run(true, time.Minute); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, happened, err)
		}
		var want []string
		for _, texts := range inputs {
			want = append(want, texts...)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if got := kept(step); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %s: kept are\n%q, and should be\n%q", seed, happened, got, want)
		}
		if err := run(false, unstopped); err != nil {
			t.Fatalf("seed %d: %s: repeated: %v", seed, happened, err)
		}
		grew += len(below(step + "/parts-*"))
		happened = append(happened, "|")
	}
	if grew < 2 {
		t.Errorf("seed %d: %d additions: this shows little", seed, grew)
	}
}

// unstopped is for a run that has nothing to do.
const unstopped = time.Hour
