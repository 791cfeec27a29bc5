//go:build unix

package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// piecesEnv names a folder of tokenizers and of pieces of a text for them: testdata/pieces.py writes it.
const piecesEnv = "CURATE_MODEL_PIECES"

// cpuSeconds is the processor's time that the process has taken.
func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// BenchmarkReal encodes what real pre-tokenizers cut from real text, after checking the ids.
func BenchmarkReal(b *testing.B) {
	dir := os.Getenv(piecesEnv)
	if dir == "" {
		b.Skip(piecesEnv + " names no folder")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pieces"))
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".pieces")
		var data [3][]byte
		for i, ext := range []string{".json", ".pieces", ".sha256"} {
			if data[i], err = os.ReadFile(base + ext); err != nil {
				b.Fatal(err)
			}
		}
		var f struct {
			Model jsontext.Value `json:"model"`
		}
		if err := json.Unmarshal(data[0], &f); err != nil {
			b.Fatal(err)
		}
		m, err := Read("model", f.Model, nil)
		if err != nil {
			b.Fatal(err)
		}
		var pieces [][]byte
		size := int64(0)
		for raw := data[1]; len(raw) > 0; {
			n := binary.LittleEndian.Uint32(raw)
			pieces = append(pieces, raw[4:4+n])
			raw = raw[4+n:]
			size += int64(n)
		}
		ids := make([]uint32, 0, size)
		encode := func(e PieceEncoder) {
			ids = ids[:0]
			for _, p := range pieces {
				if ids, err = e.AppendPiece(ids, p); err != nil {
					b.Fatal(err)
				}
			}
		}
		encode(m.NewEncoder())
		var words []byte
		for _, id := range ids {
			words = binary.LittleEndian.AppendUint32(words, id)
		}
		if sum := sha256.Sum256(words); hex.EncodeToString(sum[:]) != string(bytes.TrimSpace(data[2])) {
			b.Fatalf("%s: %d ids, and they are not the reference's", base, len(ids))
		}

		warm := m.NewEncoder()
		encode(warm)
		var tokens []Token
		for _, c := range []struct {
			name string
			run  func()
		}{
			{"read", func() {
				if _, err := Read("model", f.Model, nil); err != nil {
					b.Fatal(err)
				}
			}},
			{"cold", func() { encode(m.NewEncoder()) }},
			{"warm", func() { encode(warm) }},
			{"offsets", func() {
				for _, p := range pieces {
					if tokens, err = warm.AppendTokens(tokens[:0], p); err != nil {
						b.Fatal(err)
					}
				}
			}},
		} {
			b.Run(filepath.Base(base)+"/"+c.name, func(b *testing.B) {
				start := cpuSeconds()
				for b.Loop() {
					c.run()
				}
				took := (cpuSeconds() - start) / float64(b.N)
				b.ReportMetric(took, "cpu-s/op")
				if c.name != "read" {
					b.SetBytes(size)
					b.ReportMetric(float64(size)/1e6/took, "MB/cpu-s")
				}
			})
		}
	}
}
