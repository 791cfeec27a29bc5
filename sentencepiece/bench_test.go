package sentencepiece

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// benchTexts are size bytes of pages, in equal parts of the languages in CURATE_DATA/lohelp, or else the texts of
// TestReference.
func benchTexts(b *testing.B, size int) (texts [][]byte, n int) {
	dir := os.Getenv("CURATE_DATA")
	if dir == "" {
		for _, c := range referenceTexts(b) {
			texts = append(texts, c)
			n += len(c)
		}
		return texts, n
	}
	files, err := filepath.Glob(filepath.Join(dir, "lohelp", "??.jsonl.zst"))
	if err != nil || len(files) == 0 {
		b.Fatal("no texts in ", dir, err)
	}
	for i, file := range files {
		data, err := readFile(file)
		if err != nil {
			b.Fatal(err)
		}
		share := size * (i + 1) / len(files)
		for line := range bytes.Lines(data) {
			if n >= share {
				break
			}
			var r struct{ Text string }
			if err := json.Unmarshal(line, &r); err != nil {
				b.Fatal(err)
			}
			texts = append(texts, []byte(r.Text))
			n += len(r.Text)
		}
	}
	return texts, n
}

// BenchmarkEncode encodes 4 MB of pages: cold with a new encoder for all of them, warm with one that has seen them.
// bench/sentencepiece_speed.py does the same with sentencepiece.
func BenchmarkEncode(b *testing.B) {
	texts, n := benchTexts(b, 4<<20)
	for _, name := range []string{
		"mistral/tokenizer.model.v1", "llama2_real/tokenizer.model",
		"test_model.model", "test_ja_model.model", "xlmr/sentencepiece.model",
	} {
		m := findModel(b, name)
		if m == nil {
			continue
		}
		for _, warm := range []bool{false, true} {
			state := "cold"
			if warm {
				state = "warm"
			}
			b.Run(name+"/"+state, func(b *testing.B) {
				b.SetBytes(int64(n))
				e := m.NewEncoder()
				var ids []uint32
				tokens := 0
				run := func() {
					tokens = 0
					for _, text := range texts {
						ids = e.Append(ids[:0], text)
						tokens += len(ids)
					}
				}
				run()
				used, runs := processorSeconds(), 0
				for b.Loop() {
					if !warm {
						e = m.NewEncoder()
					}
					run()
					runs++
				}
				if used = processorSeconds() - used; used > 0 {
					b.ReportMetric(float64(runs*n)/1e6/used, "MB/cpu-s")
				}
				b.ReportMetric(float64(tokens), "tokens")
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"mistral/tokenizer.model.v1", "xlmr/sentencepiece.model"} {
		for _, dir := range []string{os.Getenv(conformanceEnv) + "/tokenize/models", os.Getenv(tokenizersEnv)} {
			for _, end := range []string{"", ".zst"} {
				if data, err := readFile(filepath.Join(dir, name+end)); err == nil {
					b.Run(name, func(b *testing.B) {
						b.SetBytes(int64(len(data)))
						for b.Loop() {
							m, err := Read(data)
							if err != nil {
								b.Fatal(err)
							}
							b.ReportMetric(float64(m.Memory()), "memory")
						}
					})
				}
			}
		}
	}
}
