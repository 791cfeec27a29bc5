package shards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Names of a shard set's files beside the shards.
const (
	ManifestFile = "manifest.json"
	// DoneFile is made last. It holds the line that sha256sum writes about the manifest: "SHA256  manifest.json".
	DoneFile = "done"
)

const manifestVersion = 1

// Manifest says all about a shard set. docs/formats/shard-set.md explains it.
type Manifest struct {
	Version      int           `json:"version"`
	Format       string        `json:"format"`
	Dtype        string        `json:"dtype"`
	Length       int           `json:"length"`          // tokens
	Vocabulary   int           `json:"vocabulary_size"` // ids are below it
	EOD          *int          `json:"eod"`             // null: none is appended
	EODInside    int64         `json:"eod_inside"`      // EOD tokens that do not end a document
	Tokenizer    string        `json:"tokenizer"`       // its fingerprint
	Seed         uint64        `json:"seed"`
	Documents    int64         `json:"documents"`
	Sequences    int64         `json:"sequences"`
	Tokens       int64         `json:"tokens"`
	Packing      *Packing      `json:"packing"` // null: a sequence is a document
	ConfigSHA256 string        `json:"config_sha256"`
	Shards       []ShardRecord `json:"shards"`
}

// Packing is what came of packing.
type Packing struct {
	Pieces int64 `json:"pieces"`
	// Cuts is how often a document was cut: pieces less documents.
	Cuts int64 `json:"cuts"`
	// Full is how many rows have Length tokens.
	Full int64 `json:"full_rows"`
	// Fill is tokens / (sequences × length), 6 digits; 1 if there are no rows.
	Fill float64 `json:"fill"`
}

// ShardRecord is what the manifest says of a shard.
type ShardRecord struct {
	Name      string       `json:"name"`      // "shard-00000"
	Documents int64        `json:"documents"` // that begin in it
	Sequences int64        `json:"sequences"`
	Tokens    int64        `json:"tokens"`
	Files     []FileRecord `json:"files"` // the format's, in its order, then .bounds if packed
}

// FileRecord is what the manifest says of a file.
type FileRecord struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Blocks are the xxh64 (seed 0) of each blockSize bytes, 16 hex digits each: they say where a file was changed.
	Blocks []string `json:"blocks"`
}

// blockSize of FileRecord.Blocks, in bytes. The last block of a file has the rest.
const blockSize = 1 << 20

func shardName(k int) string { return fmt.Sprintf("shard-%05d", k) }

var shardFile = regexp.MustCompile(`^shard-[0-9]{5,}\.`)

// encode writes the manifest as it lies in the folder: indented, a line feed at the end.
func (m *Manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m, json.FormatNilSliceAsNull(false), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("shards: manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// doneLine is the content of DoneFile.
func doneLine(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return hex.EncodeToString(sum[:]) + "  " + ManifestFile + "\n"
}

var (
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
	xxh64Hex  = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// ParseManifest reads a manifest strictly: unknown keys, numbers that do not add up and names that lead elsewhere are
// errors, *Fault with name as the file.
func ParseManifest(name string, b []byte) (*Manifest, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, jsonFault(name, err)
	}
	if version.Version != manifestVersion {
		return nil, fault(name, -1, "version %d; this program knows %d", version.Version, manifestVersion)
	}
	m := &Manifest{}
	if err := json.Unmarshal(b, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, jsonFault(name, err)
	}
	if problem := m.check(); problem != "" {
		return nil, fault(name, -1, "%s", problem)
	}
	return m, nil
}

func jsonFault(name string, err error) error {
	offset := int64(-1)
	switch e := err.(type) {
	case *json.SemanticError:
		offset = e.ByteOffset
	case *jsontext.SyntacticError:
		offset = e.ByteOffset
	}
	return fault(name, offset, "%v", err)
}

// check says what is impossible, or "".
func (m *Manifest) check() string {
	format, err := FormatNamed(m.Format)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "shards: ")
	}
	switch dtype, ok := dtypeNamed(m.Dtype); {
	case m.Vocabulary < 1 || m.Vocabulary > maxVocab:
		return fmt.Sprintf("vocabulary_size is %d", m.Vocabulary)
	case !ok || dtype != format.Dtype(m.Vocabulary):
		return fmt.Sprintf("dtype is %q; %d ids take %s in format %s", m.Dtype, m.Vocabulary, format.Dtype(m.Vocabulary), m.Format)
	case m.Length < minLength || m.Length > maxLength:
		return fmt.Sprintf("length is %d", m.Length)
	case m.EOD != nil && (*m.EOD < 0 || *m.EOD >= m.Vocabulary):
		return fmt.Sprintf("eod is %d, and vocabulary_size %d", *m.EOD, m.Vocabulary)
	case m.EODInside < 0 || m.EODInside > m.Tokens || m.EOD == nil && m.EODInside > 0:
		return fmt.Sprintf("eod_inside is %d", m.EODInside)
	}
	suffixes := format.Suffixes()
	if m.Packing != nil {
		suffixes = append(suffixes[:len(suffixes):len(suffixes)], boundsSuffix)
	}
	var documents, sequences, tokens int64
	for k, s := range m.Shards {
		if s.Name != shardName(k) {
			return fmt.Sprintf("shard %d is named %q, not %q", k, s.Name, shardName(k))
		}
		if s.Documents < 0 || s.Sequences < 1 || s.Tokens < s.Sequences {
			return fmt.Sprintf("%s has %d documents, %d sequences and %d tokens", s.Name, s.Documents, s.Sequences, s.Tokens)
		}
		if documents += s.Documents; documents < 0 {
			return "documents add up to more than 2^63-1"
		}
		if sequences += s.Sequences; sequences < 0 {
			return "sequences add up to more than 2^63-1"
		}
		if tokens += s.Tokens; tokens < 0 {
			return "tokens add up to more than 2^63-1"
		}
		if len(s.Files) != len(suffixes) {
			return fmt.Sprintf("%s has %d files instead of %d", s.Name, len(s.Files), len(suffixes))
		}
		for i, f := range s.Files {
			switch {
			case f.Name != s.Name+suffixes[i]:
				return fmt.Sprintf("file %d of %s is named %q, not %q", i, s.Name, f.Name, s.Name+suffixes[i])
			case f.Size < 0:
				return fmt.Sprintf("%s has %d bytes", f.Name, f.Size)
			case !sha256Hex.MatchString(f.SHA256):
				return fmt.Sprintf("%s has a sha256 of %q", f.Name, f.SHA256)
			case int64(len(f.Blocks)) != (f.Size-1)/blockSize+1 && f.Size > 0 || f.Size == 0 && len(f.Blocks) > 0:
				return fmt.Sprintf("%s of %d bytes has %d blocks of %d", f.Name, f.Size, len(f.Blocks), blockSize)
			}
			for _, b := range f.Blocks {
				if !xxh64Hex.MatchString(b) {
					return fmt.Sprintf("%s has a block of xxh64 %q", f.Name, b)
				}
			}
		}
	}
	switch {
	case documents != m.Documents:
		return fmt.Sprintf("documents is %d, and the shards have %d", m.Documents, documents)
	case sequences != m.Sequences:
		return fmt.Sprintf("sequences is %d, and the shards have %d", m.Sequences, sequences)
	case tokens != m.Tokens:
		return fmt.Sprintf("tokens is %d, and the shards have %d", m.Tokens, tokens)
	case m.Packing == nil && documents != sequences:
		return fmt.Sprintf("%d documents in %d sequences, and nothing is packed", documents, sequences)
	}
	if p := m.Packing; p != nil {
		switch {
		case p.Pieces < sequences || p.Pieces > tokens || p.Cuts != p.Pieces-documents || p.Cuts < 0:
			return fmt.Sprintf("packing has %d pieces and %d cuts, for %d documents in %d rows", p.Pieces, p.Cuts, documents, sequences)
		case p.Full < 0 || p.Full > sequences:
			return fmt.Sprintf("packing has %d full rows of %d", p.Full, sequences)
		case p.Fill != fillShare(tokens, sequences, m.Length):
			return fmt.Sprintf("packing has fill %v; it is %v", p.Fill, fillShare(tokens, sequences, m.Length))
		}
	}
	return ""
}

// checkDone compares DoneFile with the manifest.
func checkDone(name string, done, manifest []byte) error {
	if want := doneLine(manifest); !bytes.Equal(done, []byte(want)) {
		return fault(name, -1, "it holds %q and should hold %q: the manifest, or this file, was changed", clip(done), want)
	}
	return nil
}

// digests of a file, as they are written to it.
type digests struct {
	size   int64
	sum    hash.Hash
	block  *xxhash.Digest
	blocks []string
}

func newDigests() *digests { return &digests{sum: sha256.New(), block: xxhash.New()} }

func (d *digests) add(b []byte) {
	d.sum.Write(b)
	for len(b) > 0 {
		n := min(len(b), blockSize-int(d.size%blockSize))
		d.block.Write(b[:n])
		if d.size += int64(n); d.size%blockSize == 0 {
			d.endBlock()
		}
		b = b[n:]
	}
}

func (d *digests) endBlock() {
	d.blocks = append(d.blocks, fmt.Sprintf("%016x", d.block.Sum64()))
	d.block.Reset()
}

// record ends the file.
func (d *digests) record(name string) FileRecord {
	if d.size%blockSize > 0 {
		d.endBlock()
	}
	return FileRecord{Name: name, Size: d.size, SHA256: hex.EncodeToString(d.sum.Sum(nil)), Blocks: d.blocks}
}

func clip(b []byte) []byte { return b[:min(len(b), 100)] }
