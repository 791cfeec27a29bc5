package model

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// referenceEnv names more files like those in testdata, whose README says how they are made.
const referenceEnv = "CURATE_MODEL_REFERENCE"

type reference struct {
	Model     string `json:"model"`
	ByteLevel bool   `json:"byte_level"`
	Error     string `json:"error"`
	Cases     []struct {
		Piece string   `json:"piece"` // in hex, if ByteLevel
		IDs   []uint32 `json:"ids"`
		Off   []int32  `json:"off"`
		Error string   `json:"error"`
	} `json:"cases"`
}

func references(t testing.TB) (list []reference) {
	t.Helper()
	files := []string{filepath.Join("testdata", "reference.jsonl.zst"), filepath.Join("testdata", "trained.jsonl.zst")}
	if more := os.Getenv(referenceEnv); more != "" {
		files = append(files, strings.Split(more, string(os.PathListSeparator))...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var in io.Reader = bytes.NewReader(data)
		if strings.HasSuffix(file, ".zst") {
			z, err := zstd.NewReader(in)
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			in = z
		}
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, 1<<27)
		for lines.Scan() {
			var r reference
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(file, err)
			}
			list = append(list, r)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(file, err)
		}
	}
	return list
}

// letters decodes the alphabet of byte-level tokenizers (bytes_to_unicode in encoder.py@openai/gpt-2).
func letters() func(dst, name []byte) ([]byte, bool) {
	byteOf := map[rune]byte{}
	next := rune(256)
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			byteOf[rune(b)] = byte(b)
		} else {
			byteOf[next] = byte(b)
			next++
		}
	}
	return func(dst, name []byte) ([]byte, bool) {
		for len(name) > 0 {
			r, n := utf8.DecodeRune(name)
			b, ok := byteOf[r]
			if !ok {
				return dst, false
			}
			dst = append(dst, b)
			name = name[n:]
		}
		return dst, true
	}
}

// TestReference compares with HF tokenizers 0.23.3 on random models of all types, odd ones among them, and on trained
// ones.
func TestReference(t *testing.T) {
	wrong := 0
	for i, r := range references(t) {
		var decode func(dst, name []byte) ([]byte, bool)
		if r.ByteLevel {
			decode = letters()
		}
		m, err := Read("model", []byte(r.Model), decode)
		if (err != nil) != (r.Error != "") {
			t.Errorf("model %d: error %v, want %q", i, err, r.Error)
			continue
		}
		if err != nil {
			continue
		}
		e := m.NewEncoder()
		for _, c := range r.Cases {
			piece := []byte(c.Piece)
			if r.ByteLevel {
				if piece, err = hex.DecodeString(c.Piece); err != nil {
					t.Fatal(err)
				}
			}
			for _, how := range []string{"first", "remembered"} {
				ids, err := e.AppendPiece(nil, piece)
				if (err != nil) != (c.Error != "") || err == nil && !slices.Equal(ids, c.IDs) {
					t.Errorf("model %d, %s, %s: %q: %v %v, want %v %s", i, m.Type(), how, piece, ids, err, c.IDs, c.Error)
					wrong++
				}
			}
			tokens, err := e.AppendTokens(nil, piece)
			var ids []uint32
			var off []int32
			for _, tok := range tokens {
				ids = append(ids, tok.ID)
				off = append(off, tok.From, tok.To)
			}
			if (err != nil) != (c.Error != "") || err == nil && (!slices.Equal(ids, c.IDs) || !slices.Equal(off, c.Off)) {
				t.Errorf("model %d, %s: %q: %v %v, want %v %v", i, m.Type(), piece, tokens, err, c.IDs, c.Off)
				wrong++
			}
			if wrong > 10 {
				t.Fatalf("and more; model %d is %s", i, r.Model)
			}
		}
	}
}
