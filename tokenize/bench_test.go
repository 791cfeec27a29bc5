package tokenize

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// benchTexts are up to size bytes of the pages in CURATE_DATA, or else of the conformance strings.
func benchTexts(b *testing.B, size int) (texts [][]byte, n int) {
	files := []string{filepath.Join(conformanceDir(), "strings.jsonl.zst")}
	if dir := os.Getenv("CURATE_DATA"); dir != "" {
		var err error
		if files, err = filepath.Glob(filepath.Join(dir, "lohelp", "*.jsonl.zst")); err != nil {
			b.Fatal(err)
		}
	}
	for i, file := range files {
		data, err := readFile(file)
		if err != nil {
			b.Fatal(err)
		}
		share := size * (i + 1) / len(files)
		for len(data) > 0 && n < share {
			end := 0
			for data[end] != '\n' {
				end++
			}
			var r struct{ Text string }
			if err := json.Unmarshal(data[:end], &r); err != nil {
				b.Fatal(err)
			}
			texts = append(texts, []byte(r.Text))
			n += len(r.Text)
			data = data[end+1:]
		}
	}
	return texts, n
}

// BenchmarkEncode encodes 4 MB of pages: cold with a new encoder for all of them, warm with one that has seen them.
func BenchmarkEncode(b *testing.B) {
	texts, n := benchTexts(b, 4<<20)
	for _, name := range []string{"cl100k", "deepseekv3", "ggml-command-r", "gpt2", "gpt4o", "llama31", "qwen3"} {
		t := findTokenizer(b, name)
		if t == nil {
			continue
		}
		for _, warm := range []bool{false, true} {
			state := "cold"
			if warm {
				state = "warm"
			}
			b.Run(name+"/"+state, func(b *testing.B) {
				b.SetBytes(int64(n))
				e := t.NewEncoder(Options{})
				var ids []uint32
				run := func() {
					for _, text := range texts {
						ids = must(e.Append(ids[:0], text))
					}
				}
				if warm {
					run()
				}
				for b.Loop() {
					if !warm {
						e = t.NewEncoder(Options{})
					}
					run()
				}
			})
		}
	}
}

// BenchmarkScan cuts the same pages into pieces.
func BenchmarkScan(b *testing.B) {
	texts, n := benchTexts(b, 4<<20)
	for _, name := range []string{"cl100k", "deepseekv3", "ggml-command-r", "gpt2", "gpt4o", "llama31", "qwen3"} {
		t := findTokenizer(b, name)
		if t == nil {
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				for _, text := range texts {
					for i := 0; i < len(text); {
						i = t.scanner.Next(text, i)
					}
				}
			}
		})
	}
}
