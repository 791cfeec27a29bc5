package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/record"
	"curate/shards"
	"curate/shards/format"
	"curate/tokenize"
)

func newShardsVerify(environment) *cobra.Command {
	var tokenizer, field, built string
	var sample int64
	cmd := &cobra.Command{
		Use:   "verify [--tokenizer PATH] DIR",
		Short: "Read every byte of shard sets and name the first fault",
		Long: `Read every byte of the shard sets in DIR and below it, and compare: the manifest with the done file, files
with their sizes and digests, indices with the tokens they lead to, every id with the size of the
vocabulary, documents with their end-of-document token and with their pieces in other rows, masks, padding,
bounds with rows, the schedule with its sets, and all counts.

With --tokenizer, up to --sample documents of each set, which lie whole in a row, are decoded and compared with the text of
the records that they were made of. These are looked for where the manifest of the run that built the shards
says that its inputs were: in DIR/_curate or, for shards that "curate shards convert" wrote, in --built.

The first fault is named with its file and byte, and ends with exit code 1; so does a DIR without any
shard set, and a set that is not finished.`,
		Example: `  curate shards verify shards/
  curate shards verify --tokenizer tokenizer.json --sample 1000 shards/
  curate shards verify shards/length-2048
  curate shards verify --tokenizer tokenizer.json --built shards/ nanotron/`,
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case sample < 1:
				return usage("--sample %d: at least 1", sample)
			case tokenizer == "" && (cmd.Flags().Changed("sample") || cmd.Flags().Changed("text-field") || built != ""):
				return usage("--sample, --text-field and --built are of use only with --tokenizer PATH, which decodes documents")
			}
			text, err := record.ParsePath(field)
			if err != nil {
				return usage("--text-field: %v", err)
			}
			if err := storedDir("shards verify", args[0]); err != nil {
				return err
			}
			v, err := shards.Verify(cmd.Context(), storage(), args[0])
			if err != nil {
				return err
			}
			compared := ""
			if tokenizer != "" {
				n := int64(0)
				for _, s := range v.Sets {
					t, err := tokenizerOf(tokenizer, s.Manifest)
					if err != nil {
						return err
					}
					k, err := compareTexts(cmd.Context(), s, built, t, text, sample)
					if err != nil {
						return err
					}
					n += k
				}
				compared = fmt.Sprintf("; %s compared with the source", count(n, "document"))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "verified %s: %s, %s, %s, %s, %s%s\n", args[0],
				plural(len(v.Sets), "shard set", "shard sets"), plural(v.Files, "file", "files"),
				count(v.Documents, "document"), count(v.Tokens, "token"), count(v.Bytes, "byte"), compared)
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer that the shards were made with: documents are decoded and compared with their source")
	fs.Int64Var(&sample, "sample", 100, "`N` documents of each set, at most, that are compared")
	fs.StringVar(&built, "built", "", "`DIR` in which the shards were built, if these were converted")
	fs.StringVar(&field, "text-field", "text", "dotted `PATH` of the text in a record")
	return cmd
}

// sampledDocument is one that lies whole in a sequence.
type sampledDocument struct {
	sequence int64
	ids      []uint32
	isText   bool // all of it is learnt
}

// compareTexts decodes n documents of a set, evenly spread over it, and compares them with their records. It says how many
// there were. built is where the run's manifest is, "" for beside the set.
func compareTexts(ctx context.Context, s *shards.Set, built string, t *tokenize.Tokenizer, field record.Path, n int64) (int64, error) {
	docs, err := sampleOf(ctx, s, n)
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	root := filepath.FromSlash(built)
	if built == "" {
		root = filepath.Join(filepath.FromSlash(s.Dir), "..")
	}
	files, err := inputsOfRun(root)
	if err != nil {
		return 0, err
	}
	byFile := map[int][]record.ID{}
	for id := range docs {
		byFile[id.File()] = append(byFile[id.File()], id)
	}
	for number, ids := range byFile {
		slices.Sort(ids)
		i := slices.IndexFunc(files, func(f corpus.File) bool { return f.Number == number })
		if i < 0 {
			return 0, fmt.Errorf("%s: documents of file %d, which %s does not know", s.Dir, number, runManifest(root))
		}
		err := recordsAt(ctx, files[i], ids, func(r *record.Record) error {
			if problem := differs(t, s.Manifest, docs[r.ID], r, field); problem != "" {
				return format.NewFault(path.Join(s.Dir, shards.ManifestFile), -1, "sequence %d holds the document of %s (offset %d), and %s", docs[r.ID].sequence, files[i].Name(), r.ID.Offset(), problem)
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("%s: there is no such file, and %s says that documents come from it; go to the directory that the shards were built from, or leave --tokenizer out", files[i].Name(), runManifest(root))
		}
		if err != nil {
			return 0, err
		}
	}
	return int64(len(docs)), nil
}

// sampleOf gives n whole documents, or all, of sequences that are evenly spread over the set: of each as many as its
// share of n, and of up to seven rounds more, a sequence further on each, what is still missing.
func sampleOf(ctx context.Context, s *shards.Set, n int64) (map[record.ID]*sampledDocument, error) {
	docs := map[record.ID]*sampledDocument{}
	every := max(1, s.Manifest.Sequences/n)
	of := max(1, (n+s.Manifest.Sequences-1)/max(1, s.Manifest.Sequences)) // a sequence
	for round := range min(8, every) {
		for at := round; at < s.Manifest.Sequences && int64(len(docs)) < n; at += every {
			err := s.Rows(ctx, at, 1, func(r *shards.Row) error {
				left := of
				for k, p := range r.Pieces {
					if p.Padding || p.Continues || !p.Last || docs[record.ID(p.ID)] != nil || left == 0 || int64(len(docs)) == n {
						continue
					}
					end := len(r.IDs)
					if k+1 < len(r.Pieces) {
						end = r.Pieces[k+1].Start
					}
					docs[record.ID(p.ID)] = &sampledDocument{r.I, slices.Clone(r.IDs[p.Start:end]), bytes.IndexByte(r.Mask[p.Start:end], 0) < 0 && !r.IsPair}
					left--
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return docs, nil
}

// runManifest is the name of the manifest of the run that has written into root.
func runManifest(root string) string { return filepath.Join(root, corpus.Dir, "manifest.json") }

// inputsOfRun are the files that the run has read which built shards in root.
func inputsOfRun(root string) ([]corpus.File, error) {
	name := runManifest(root)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such file, which says where the documents came from; name the directory that the shards were built in with --built, or leave --tokenizer out", name)
	}
	if err != nil {
		return nil, err
	}
	var m corpus.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range m.Files {
		f := &m.Files[i]
		if f.Stream {
			return nil, fmt.Errorf("%s: the documents came from standard input, and cannot be read again", name)
		}
		if f.Source != "" { // an earlier step's, below the run directory
			f.Path = store.Join(filepath.ToSlash(root), "..", f.Path)
		}
	}
	return m.Files, nil
}

// recordsAt calls f for the records of a file that have those IDs, which rise. One that is not there is an error.
func recordsAt(ctx context.Context, file corpus.File, ids []record.ID, f func(r *record.Record) error) error {
	st := storage()
	info, err := st.Stat(ctx, file.Path)
	if err != nil {
		return err
	}
	now := file // the comparison itself finds what has changed
	now.Size, now.MTime, now.Version, now.Source = info.Size, info.ModTime.UnixNano(), info.Version, ""
	src, err := corpus.Open(ctx, st, now, corpus.OpenOptions{Options: split.Options{
		File: file.Number, SplitSize: 1 << 40, ChunkSize: lookChunk, MaxRecord: lookRecord,
	}, MaxWindow: 128 << 20})
	if err != nil {
		return err
	}
	defer src.Close()
	codec := src.Codec()
	var b record.Batch
	for len(ids) > 0 {
		c := split.Chunk{Buf: make([]byte, 0, lookChunk)}
		if err := src.Next(ctx, &c); err != nil {
			return fmt.Errorf("%s: no record begins at %d, which the shards have a document of (%w)", file.Name(), ids[0].Offset(), err)
		}
		for at := (split.Cursor{}); !c.Done(at) && len(ids) > 0; {
			b.Reset()
			at = codec.Decode(&c, at, &b, lookBatch, lookChunk, "text")
			b.Parse()
			for i := range b.Records {
				if r := &b.Records[i]; len(ids) > 0 && r.ID == ids[0] {
					if r.Outcome == record.Quarantine {
						return fmt.Errorf("%s:%d: %w", file.Name(), r.LineNo, r.Err)
					}
					if err := f(r); err != nil {
						return err
					}
					ids = ids[1:]
				}
			}
		}
	}
	return nil
}

// differs says how a document is not what its record says, or "". A text is compared as a whole: decoded or, where the
// tokenizer does not give back what it was given (SentencePiece), encoded once more. Of a chat or pair, which a template
// has rendered, every content must be found.
func differs(t *tokenize.Tokenizer, m *shards.Manifest, d *sampledDocument, r *record.Record, field record.Path) string {
	ids := d.ids
	if n := len(ids); m.EOD != nil && n > 0 {
		switch eod := uint32(*m.EOD); {
		case m.EODFirst && ids[0] == eod:
			ids = ids[1:]
		case !m.EODFirst && ids[n-1] == eod:
			ids = ids[:n-1]
		}
	}
	decoded := string(t.AppendDecoded(nil, ids))
	var scratch []byte
	if text, err := r.Text(field, &scratch); err == nil && d.isText {
		if decoded == string(text) {
			return ""
		}
		for _, o := range []tokenize.Options{{}, {AddSpecialTokens: true}, {SpecialsAsText: true}, {AddSpecialTokens: true, SpecialsAsText: true}} {
			if again, err := t.NewEncoder(o).Append(nil, text); err == nil && slices.Equal(again, ids) {
				return ""
			}
		}
		at := 0
		for at < min(len(decoded), len(text)) && decoded[at] == text[at] {
			at++
		}
		return fmt.Sprintf("decoded it differs from the text from byte %d on", at)
	}
	for _, content := range contentsOf(r) {
		if !strings.Contains(decoded, strings.TrimSpace(content)) {
			return fmt.Sprintf("decoded it does not hold %q", clipped(content))
		}
	}
	return ""
}

func clipped(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// contentsOf are the texts of a chat or pair: strings called content or value, and those of prompt, completion, chosen
// and rejected.
func contentsOf(r *record.Record) (list []string) {
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case string:
			if slices.Contains([]string{"content", "value", "prompt", "completion", "chosen", "rejected"}, name) {
				list = append(list, v)
			}
		case []any:
			for _, e := range v {
				walk("", e)
			}
		case map[string]any:
			for k, e := range v {
				walk(k, e)
			}
		}
	}
	for _, key := range []string{"messages", "conversations", "prompt", "completion", "chosen", "rejected"} {
		if raw, ok := r.Value(record.MustPath(key)); ok {
			var v any
			if json.Unmarshal(jsontext.Value(raw), &v) == nil {
				walk(key, v)
			}
		}
	}
	return list
}
