package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// BenchmarkReal encodes the pieces in the folder of that name: NAME.json is a tokenizer.json, NAME.pieces its pieces of
// a text, each behind its length in 4 bytes.
func BenchmarkReal(b *testing.B) {
	dir := os.Getenv("CURATE_MODEL_PIECES")
	if dir == "" {
		b.Skip("CURATE_MODEL_PIECES names no folder")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pieces"))
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		name := file[:len(file)-len(".pieces")]
		data, err := os.ReadFile(name + ".json")
		if err != nil {
			b.Fatal(err)
		}
		var f struct {
			Model jsontext.Value `json:"model"`
		}
		if err := json.Unmarshal(data, &f); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		m, err := Read("model", f.Model, nil)
		if err != nil {
			b.Fatal(err)
		}
		load := time.Since(start)
		b.Log(cpu())
		raw, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		var pieces [][]byte
		size := int64(0)
		for len(raw) > 0 {
			n := binary.LittleEndian.Uint32(raw)
			pieces = append(pieces, raw[4:4+n])
			raw = raw[4+n:]
			size += int64(n)
		}
		ids := make([]uint32, 0, size)
		encode := func(b *testing.B, e PieceEncoder) {
			ids = ids[:0]
			var err error
			for _, p := range pieces {
				if ids, err = e.AppendPiece(ids, p); err != nil {
					b.Fatal(err)
				}
			}
		}
		base := filepath.Base(name)
		b.Run(base+"/cold", func(b *testing.B) {
			b.SetBytes(size)
			c := cpu()
			for b.Loop() {
				encode(b, m.NewEncoder())
			}
			perCPU(b, size, c)
			h := sha256.New()
			h.Write(bytes.Join([][]byte{}, nil))
			binary.Write(h, binary.LittleEndian, ids)
			b.Logf("%d pieces, %d ids, sha256 %x; %v to read, %d bytes", len(pieces), len(ids), h.Sum(nil)[:8], load, m.Memory())
		})
		b.Run(base+"/warm", func(b *testing.B) {
			e := m.NewEncoder()
			encode(b, e)
			b.SetBytes(size)
			c := cpu()
			for b.Loop() {
				encode(b, e)
			}
			perCPU(b, size, c)
		})
		b.Run(base+"/tokens", func(b *testing.B) {
			e := m.NewEncoder()
			b.SetBytes(size)
			var tokens []Token
			c := cpu()
			defer func() { perCPU(b, size, c) }()
			for b.Loop() {
				for _, p := range pieces {
					if tokens, err = e.AppendTokens(tokens[:0], p); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		_ = fmt.Sprint
	}
}
