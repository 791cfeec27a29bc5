package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"curate/corpus/compress"
	"curate/record"
)

// prepareTask copies the data into files that sort in order, until there are t.MB of JSONL. Files that are
// zstd stay the bytes they are; others are compressed as curate does it.
func prepareTask(t task) (res result, err error) {
	var names []string
	for _, arg := range t.Files {
		err := filepath.WalkDir(arg, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if lower := strings.ToLower(name); !d.IsDir() && (name == arg || strings.HasSuffix(lower, ".jsonl") || strings.Contains(lower, ".jsonl.")) {
				names = append(names, name)
			}
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	if len(names) == 0 {
		return res, errors.New("there is no .jsonl file in the data")
	}
	if err := os.Mkdir(t.Out, 0o755); err != nil {
		return res, err
	}
	sum := sha256.New()
	for pass := 0; pass == 0 || res.Bytes < int64(t.MB)*1e6; pass++ {
		for _, name := range names {
			if pass > 0 && res.Bytes >= int64(t.MB)*1e6 {
				break
			}
			packed, err := os.ReadFile(name)
			if err != nil {
				return res, err
			}
			text, err := decoded(packed)
			if err != nil {
				return res, fmt.Errorf("%s: %w", name, err)
			}
			if len(text) > 0 && text[len(text)-1] != '\n' {
				return res, fmt.Errorf("%s: the last line does not end, so a copy of it could not be equal", name)
			}
			if compress.Sniff(packed) != compress.Zstd {
				if packed, err = encoded(text); err != nil {
					return res, err
				}
			}
			out := filepath.Join(t.Out, fmt.Sprintf("%05d.jsonl.zst", len(res.Files)+1))
			if err := os.WriteFile(out, packed, 0o644); err != nil {
				return res, err
			}
			sum.Write(text)
			res.Files = append(res.Files, out)
			res.Packed += int64(len(packed))
			res.Bytes += int64(len(text))
			res.Docs += int64(bytes.Count(text, []byte("\n")))
		}
		if pass == 0 {
			if res.Unique = res.Bytes; res.Bytes == 0 {
				return res, errors.New("the data is empty")
			}
		}
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}

// sampleTask writes t.N readable documents, spread evenly over the first t.MB bytes of the files, as one file.
func sampleTask(t task) (res result, err error) {
	var lines [][]byte
	size := 0
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		err = eachRecord(1, text, func(r *record.Record) error {
			lines = append(lines, append(bytes.TrimRight(r.Line, "\r"), '\n'))
			return nil
		})
		if err != nil {
			return res, err
		}
		if size += len(text); size >= t.MB {
			break
		}
	}
	n := min(t.N, len(lines))
	var text []byte
	for i := range n {
		text = append(text, lines[i*len(lines)/n]...)
	}
	packed, err := encoded(text)
	if err != nil {
		return res, err
	}
	res.Bytes, res.Docs, res.Files = int64(len(text)), int64(n), []string{t.Out}
	if err := os.MkdirAll(filepath.Dir(t.Out), 0o755); err != nil {
		return res, err
	}
	return res, os.WriteFile(t.Out, packed, 0o644)
}

// digestTask reads the parts of an output directory in order: the digest is of their text.
func digestTask(t task) (res result, err error) {
	parts, err := filepath.Glob(filepath.Join(t.Out, "part-*"))
	if err != nil {
		return res, err
	}
	slices.Sort(parts)
	sum := sha256.New()
	for _, name := range parts {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		sum.Write(text)
		res.Bytes += int64(len(text))
		res.Docs += int64(bytes.Count(text, []byte("\n")))
	}
	res.Files = parts
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}

func decodedFile(name string) ([]byte, error) {
	packed, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return decoded(packed)
}

func decoded(packed []byte) ([]byte, error) {
	r, err := compress.NewReader(bytes.NewReader(packed), compress.Sniff(packed), compress.Options{})
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	return text, errors.Join(err, r.Close())
}

// frameSize is how much text a frame of the engine's output holds (pipeline/budget.go).
const frameSize = 4 << 20

// frames cuts text as the engine does: at the first line end after frameSize bytes.
func frames(text []byte) (cut [][]byte) {
	for len(text) > frameSize {
		n := frameSize + bytes.IndexByte(text[frameSize-1:], '\n')
		cut, text = append(cut, text[:n]), text[n:]
	}
	return append(cut, text)
}

func encoded(text []byte) (packed []byte, err error) {
	e, err := compress.NewEncoder(compress.Zstd)
	if err != nil {
		return nil, err
	}
	for _, f := range frames(text) {
		packed = e.AppendFrame(packed, f)
	}
	return packed, nil
}

// batchBytes is how many bytes of lines the engine gives a batch (pipeline/worker.go).
const batchBytes = 256 << 10

// eachBatch fills b with the lines of text, batch by batch.
func eachBatch(b *record.Batch, text []byte, f func(*record.Batch) error) error {
	for no := int64(1); len(text) > 0; {
		b.Reset()
		for size := 0; len(text) > 0 && size < batchBytes; no++ {
			line := text
			if i := bytes.IndexByte(text, '\n'); i >= 0 {
				line, text = text[:i], text[i+1:]
			} else {
				text = nil
			}
			if len(line) > 0 {
				b.Append(0, no, line)
				size += len(line)
			}
		}
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}
