package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"curate/corpus/store"
)

// TestKeptLines: whatever a kill has cut the file to, the rest is written behind its last whole line.
func TestKeptLines(t *testing.T) {
	const whole = "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n"
	ctx, name := context.Background(), filepath.Join(t.TempDir(), "new", "lines.jsonl")
	for size := -1; size <= len(whole); size++ {
		if size >= 0 { // without a file first
			if err := os.WriteFile(name, []byte(whole[:size]), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		k, err := openKept(ctx, store.NewLocal(nil), name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; ; n++ {
			line, err := k.next()
			if err != nil {
				t.Fatal(err)
			}
			if line == nil {
				break
			}
			if want := whole[8*n : 8*n+7]; string(line) != want || k.line != int64(n+1) {
				t.Fatalf("cut to %d: line %d is %q", size, k.line, line)
			}
		}
		if n != max(0, size)/8 {
			t.Fatalf("cut to %d: %d lines", size, n)
		}
		for ; n < 3; n++ {
			if err := k.add(ctx, map[string]int{"n": n}); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.close(); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(name); err != nil || string(b) != whole {
			t.Fatalf("cut to %d: %q, %v", size, b, err)
		}
	}
}
