package corpus

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"curate/corpus/compress"
	"curate/corpus/jsonl"
	"curate/corpus/parquet"
	"curate/corpus/plain"
	"curate/corpus/split"
)

// Codecs are the formats that can be read, sorted by name.
var Codecs = []split.Codec{
	jsonl.Codec,
	parquet.Codec,
	plain.Codec,
}

// CodecNamed finds a format by its name in --format.
func CodecNamed(name string) (split.Codec, bool) {
	for _, c := range Codecs {
		if c.Name == name {
			return c, true
		}
	}
	return split.Codec{}, false
}

// codecByName finds a format by a file name without its compression suffix.
func codecByName(stem string) (split.Codec, bool) {
	ext := strings.ToLower(path.Ext(stem))
	for _, c := range Codecs {
		for _, e := range c.Extensions {
			if e == ext {
				return c, true
			}
		}
	}
	return split.Codec{}, false
}

// ByRows says whether a file's name is that of a format which is read by rows, and holds whole pages of them.
func (f File) ByRows() bool {
	_, stem := compress.ByName(path.Base(f.Path))
	c, _ := codecByName(stem)
	return c.OpenAt != nil
}

// NamedFormat is the format that a file's name says, as in --format: what its first bytes do not show.
func (f File) NamedFormat() string {
	_, stem := compress.ByName(path.Base(f.Path))
	if c, ok := codecByName(stem); ok {
		return c.Name
	}
	return jsonl.Codec.Name // as codecFor
}

// Format is how an output is written: JSON Lines in some compression, or Parquet.
type Format struct {
	Compression compress.Kind // of JSON Lines
	Parquet     bool          // its pages are compressed, and the whole is not
}

// DefaultFormat is that of the parts of a directory.
var DefaultFormat = Format{Compression: compress.Zstd}

// Extension of a file in this format: ".jsonl.zst".
func (f Format) Extension() string {
	switch {
	case f.Parquet:
		return ".parquet"
	case f.Compression == compress.Zstd, f.Compression == compress.ZstdFast:
		return ".jsonl.zst"
	case f.Compression == compress.Gzip:
		return ".jsonl.gz"
	}
	return ".jsonl"
}

// String is the format's name in --format and in configurations.
func (f Format) String() string { return f.Extension()[1:] }

// Formats are the output formats by name.
func Formats() []string { return []string{"jsonl", "jsonl.gz", "jsonl.zst", "parquet"} }

// FormatNamed finds an output format by its name.
func FormatNamed(name string) (Format, error) {
	for _, f := range []Format{{}, {Compression: compress.Gzip}, {Compression: compress.Zstd}, {Parquet: true}} {
		if f.String() == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("output format %q is none of %s", name, strings.Join(Formats(), ", "))
}

// otherData are extensions of data files that nobody means as the name of a directory.
var otherData = []string{".arrow", ".avro", ".csv", ".feather", ".orc", ".tsv"}

// OutputFormat says how a path given to -o and the like is written. A path whose name has a data extension
// is a file in that format; any other is a directory.
func OutputFormat(name string) (f Format, isFile bool, err error) {
	kind, stem := compress.ByName(name)
	if kind == compress.Bzip2 || kind == compress.Xz {
		return f, true, fmt.Errorf("%s: %s is read, but not written; name the file .zst or .gz", name, kind)
	}
	c, known := codecByName(path.Base(stem))
	switch {
	case !known && kind != compress.None:
		return f, true, fmt.Errorf("%s: %q is no output format; name the file .jsonl, .jsonl.gz, .jsonl.zst or .parquet", name, path.Ext(stem))
	case !known && slices.Contains(otherData, strings.ToLower(path.Ext(stem))):
		return f, true, fmt.Errorf("%s: %q is no output format; name the file .jsonl, .jsonl.gz, .jsonl.zst or .parquet", name, path.Ext(stem))
	case !known:
		return f, false, nil
	case c.Name == plain.Codec.Name:
		return f, true, fmt.Errorf("%s: %s is read, but not written: a document may have line feeds; name the file .jsonl", name, c.Name)
	case c.Name == parquet.Codec.Name && kind != compress.None:
		return f, true, fmt.Errorf("%s: Parquet compresses its own pages; name the file .parquet", name)
	case c.Name == parquet.Codec.Name:
		return Format{Parquet: true}, true, nil
	}
	return Format{Compression: kind}, true, nil
}
