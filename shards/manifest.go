package shards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/shards/format"
	"curate/shards/pack"
)

// Names of a shard set's files beside the shards.
const (
	ManifestFile = "manifest.json"
	// DoneFile is made last. It holds the line that sha256sum writes about the manifest: "SHA256  manifest.json".
	DoneFile = "done"
)

const manifestVersion = 2

// Manifest says all about a shard set. docs/formats/shard-set.md explains it.
type Manifest struct {
	Version    int    `json:"version"`
	Format     string `json:"format"`
	Dtype      string `json:"dtype"`
	Length     int    `json:"length"`          // tokens: the trainer's context
	Width      int    `json:"width"`           // tokens of a packed row at most; 0: a sequence is a document
	Vocabulary int    `json:"vocabulary_size"` // ids are below it
	EOD        *int   `json:"eod"`             // null: none is appended
	EODFirst   bool   `json:"eod_first"`       // it begins documents, and does not end them
	EODInside  int64  `json:"eod_inside"`      // EOD tokens that do not end (begin) a document
	EODAbsent  int64  `json:"eod_absent"`      // documents that do not end (begin) with one: chats of rows formats
	PadID      *int   `json:"pad"`             // null: rows are not padded
	Masked     bool   `json:"masked"`          // there is a loss mask
	Learnt     int64  `json:"learnt_tokens"`   // tokens that the mask has 1 for; all without a mask
	Tokenizer  string `json:"tokenizer"`       // its fingerprint
	Seed       uint64 `json:"seed"`
	// Documents are copies of documents, or pairs; a document that is used in four epochs counts four times.
	Documents    int64            `json:"documents"`
	Sequences    int64            `json:"sequences"`
	Tokens       int64            `json:"tokens"` // without padding
	Padding      int64            `json:"padding"`
	Packing      *Packing         `json:"packing"` // null: a sequence is a document
	Sources      []ManifestSource `json:"sources"`
	ConfigSHA256 string           `json:"config_sha256"`
	Index        *FileRecord      `json:"index"` // of the format, for the whole set; null without
	Shards       []ShardRecord    `json:"shards"`
}

// ManifestSource is what the set has of a source. Pieces of the bounds count sources from 0.
type ManifestSource struct {
	Name      string `json:"name"`
	Documents int64  `json:"documents"`
	Tokens    int64  `json:"tokens"`
}

// Packing is what came of packing.
type Packing struct {
	Method string `json:"method"`
	Pieces int64  `json:"pieces"`
	// Cuts is how often a document was cut: pieces less documents.
	Cuts int64 `json:"cuts"`
	// Full is how many rows have Width tokens of documents.
	Full int64 `json:"full_rows"`
	// Fill is tokens / (sequences × width), 6 digits; 1 if there are no rows.
	Fill float64 `json:"fill"`
}

// ShardRecord is what the manifest says of a shard.
type ShardRecord struct {
	Name      string       `json:"name"`      // "shard-00000"
	Documents int64        `json:"documents"` // that begin in it
	Sequences int64        `json:"sequences"`
	Tokens    int64        `json:"tokens"`
	Padding   int64        `json:"padding"`
	Files     []FileRecord `json:"files"` // the format's, in its order, then the mask's, if it has a file, then .bounds
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

// isShardName says whether shards may be called so: letters, digits, - and _, a letter first.
func isShardName(name string) bool {
	for i := range len(name) {
		c := name[i]
		isLetter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !isLetter && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 64
}

// isNumbered says whether a file is called as one of a numbered shard is: NAME-NNNNN.SUFFIX.
func isNumbered(file string) bool {
	stem, _, hasSuffix := strings.Cut(file, ".")
	i := strings.LastIndexByte(stem, '-')
	return hasSuffix && i > 0 && isShardName(stem[:i]) && len(stem)-i > 5 && isDigits(stem[i+1:])
}

func isDigits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// isHex says whether s is n hexadecimal digits in lower case.
func isHex(s string, n int) bool {
	return len(s) == n && strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }) < 0
}

// shardName names shard k of shards with that name.
func shardName(name string, traits format.Traits, k int) string {
	if traits.Single {
		return name
	}
	return fmt.Sprintf("%s-%05d", name, k)
}

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
		return nil, format.NewFault(name, -1, "version %d; this program knows %d", version.Version, manifestVersion)
	}
	m := &Manifest{}
	if err := json.Unmarshal(b, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, jsonFault(name, err)
	}
	if problem := m.check(); problem != "" {
		return nil, format.NewFault(name, -1, "%s", problem)
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
	return format.NewFault(name, offset, "%v", err)
}

// files are the suffixes of a shard's files, in order.
func (m *Manifest) files(f format.Format) []string {
	list := slices.Clone(f.Suffixes())
	if t := f.Traits(); m.Masked && t.Mask != "" {
		list = append(list, t.Mask)
	}
	return append(list, format.BoundsSuffix)
}

// set is what the format must know of the set.
func (m *Manifest) set() format.Set {
	dtype, _ := format.DtypeNamed(m.Dtype)
	s := format.Set{Dtype: dtype, Vocabulary: m.Vocabulary, EOD: NoEOD, Length: m.Length, Packed: m.Packing != nil, Masked: m.Masked, Tokenizer: m.Tokenizer}
	if m.EOD != nil {
		s.EOD = *m.EOD
	}
	return s
}

// check says what is impossible, or "".
func (m *Manifest) check() string {
	f, err := format.Named(m.Format)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "shards: ")
	}
	if m.Vocabulary < 1 || m.Vocabulary > maxVocab {
		return fmt.Sprintf("vocabulary_size is %d", m.Vocabulary)
	}
	want, err := f.Dtype(m.Vocabulary)
	if err != nil {
		return err.Error()
	}
	traits := f.Traits()
	switch dtype, ok := format.DtypeNamed(m.Dtype); {
	case !ok || dtype != want:
		return fmt.Sprintf("dtype is %q; %d ids take %s in format %s", m.Dtype, m.Vocabulary, want, m.Format)
	case m.Length < minLength || m.Length > maxLength:
		return fmt.Sprintf("length is %d", m.Length)
	case m.Packing == nil && m.Width != 0 || m.Packing != nil && m.Width != m.Length+traits.Extra:
		return fmt.Sprintf("width is %d, and length %d", m.Width, m.Length)
	case m.EOD != nil && (*m.EOD < 0 || *m.EOD >= m.Vocabulary):
		return fmt.Sprintf("eod is %d, and vocabulary_size %d", *m.EOD, m.Vocabulary)
	case m.PadID != nil && (*m.PadID < 0 || *m.PadID >= m.Vocabulary || m.Packing == nil):
		return fmt.Sprintf("pad is %d, and vocabulary_size %d", *m.PadID, m.Vocabulary)
	case m.PadID == nil && m.Packing != nil && traits.Padded:
		return fmt.Sprintf("pad is null; rows of format %s are padded", m.Format)
	case m.PadID != nil && !m.Masked:
		return "rows are padded, and masked is false"
	case m.Padding > 0 && m.PadID == nil || m.Padding < 0:
		return fmt.Sprintf("padding is %d", m.Padding)
	case m.EODFirst && (m.EOD == nil || m.Packing == nil && !traits.EODFirst):
		return fmt.Sprintf("eod_first is true; in format %s the EOD is elsewhere, or there is none", m.Format)
	case m.EOD != nil && traits.EODFirst && m.Packing == nil && !m.EODFirst:
		return fmt.Sprintf("eod_first is false; format %s has the EOD in front", m.Format)
	case !isHex(m.ConfigSHA256, 64):
		return fmt.Sprintf("config_sha256 is %q", m.ConfigSHA256)
	case m.EODInside < 0 || m.EODInside > m.Tokens || m.EOD == nil && m.EODInside > 0:
		return fmt.Sprintf("eod_inside is %d", m.EODInside)
	case m.EODAbsent < 0 || m.EODAbsent > m.Documents || m.EOD == nil && m.EODAbsent > 0:
		return fmt.Sprintf("eod_absent is %d", m.EODAbsent)
	case m.Learnt < 0 || m.Learnt > m.Tokens || !m.Masked && m.Learnt != m.Tokens:
		return fmt.Sprintf("learnt_tokens is %d of %d tokens", m.Learnt, m.Tokens)
	case (m.Index != nil) != (traits.Index != ""):
		return "index is there, or missing, against the format"
	}
	if m.Index != nil {
		if problem := m.Index.check(traits.Index); problem != "" {
			return problem
		}
	}
	suffixes := m.files(f)
	sum := ShardRecord{}
	for k := range m.Shards {
		if problem := m.checkShard(k, traits, suffixes, &sum); problem != "" {
			return problem
		}
	}
	switch {
	case traits.Single && len(m.Shards) > 1:
		return fmt.Sprintf("%d shards; format %s has one", len(m.Shards), m.Format)
	case sum.Documents != m.Documents:
		return fmt.Sprintf("documents is %d, and the shards have %d", m.Documents, sum.Documents)
	case sum.Sequences != m.Sequences:
		return fmt.Sprintf("sequences is %d, and the shards have %d", m.Sequences, sum.Sequences)
	case sum.Tokens != m.Tokens:
		return fmt.Sprintf("tokens is %d, and the shards have %d", m.Tokens, sum.Tokens)
	case sum.Padding != m.Padding:
		return fmt.Sprintf("padding is %d, and the shards have %d", m.Padding, sum.Padding)
	case m.Packing == nil && m.Documents != m.Sequences:
		return fmt.Sprintf("%d documents in %d sequences, and nothing is packed", m.Documents, m.Sequences)
	}
	if problem := m.checkSources(); problem != "" {
		return problem
	}
	if p := m.Packing; p != nil {
		switch _, err := pack.Named(p.Method); {
		case err != nil:
			return err.Error()
		case p.Pieces < m.Sequences || p.Pieces > m.Tokens || p.Cuts != p.Pieces-m.Documents || p.Cuts < 0:
			return fmt.Sprintf("packing has %d pieces and %d cuts, for %d documents in %d rows", p.Pieces, p.Cuts, m.Documents, m.Sequences)
		case p.Full < 0 || p.Full > m.Sequences:
			return fmt.Sprintf("packing has %d full rows of %d", p.Full, m.Sequences)
		case p.Fill != fillShare(m.Tokens, m.Sequences, m.Width):
			return fmt.Sprintf("packing has fill %v; it is %v", p.Fill, fillShare(m.Tokens, m.Sequences, m.Width))
		}
	}
	return ""
}

// checkShard looks at shard k and adds it to sum.
func (m *Manifest) checkShard(k int, traits format.Traits, suffixes []string, sum *ShardRecord) string {
	s := &m.Shards[k]
	base := s.Name
	if !traits.Single {
		base = strings.TrimSuffix(s.Name, fmt.Sprintf("-%05d", k))
	}
	if !isShardName(base) || s.Name != shardName(base, traits, k) || m.Shards[0].Name != shardName(base, traits, 0) {
		return fmt.Sprintf("shard %d is named %q", k, s.Name)
	}
	if s.Documents < 0 || s.Sequences < 1 || s.Tokens < s.Sequences || s.Padding < 0 {
		return fmt.Sprintf("%s has %d documents, %d sequences and %d tokens", s.Name, s.Documents, s.Sequences, s.Tokens)
	}
	for _, n := range []struct {
		name    string
		to, add *int64
	}{{"documents", &sum.Documents, &s.Documents}, {"sequences", &sum.Sequences, &s.Sequences}, {"tokens", &sum.Tokens, &s.Tokens}, {"padding", &sum.Padding, &s.Padding}} {
		if *n.to += *n.add; *n.to < 0 {
			return n.name + " add up to more than 2^63-1"
		}
	}
	if len(s.Files) != len(suffixes) {
		return fmt.Sprintf("%s has %d files instead of %d", s.Name, len(s.Files), len(suffixes))
	}
	for i := range s.Files {
		if problem := s.Files[i].check(s.Name + suffixes[i]); problem != "" {
			return problem
		}
	}
	return ""
}

func (m *Manifest) checkSources() string {
	var documents, tokens int64
	for i, s := range m.Sources {
		if s.Documents < 0 || s.Tokens < s.Documents || i > 0 && m.Sources[i-1].Name >= s.Name {
			return fmt.Sprintf("source %q has %d documents and %d tokens, or stands out of order", s.Name, s.Documents, s.Tokens)
		}
		documents, tokens = documents+s.Documents, tokens+s.Tokens
		if documents < 0 || tokens < 0 {
			return "sources add up to more than 2^63-1"
		}
	}
	if documents != m.Documents || tokens != m.Tokens {
		return fmt.Sprintf("the sources have %d documents and %d tokens, and the set %d and %d", documents, tokens, m.Documents, m.Tokens)
	}
	return ""
}

// check says what is impossible of a file that should have that name.
func (f *FileRecord) check(name string) string {
	switch {
	case f.Name != name:
		return fmt.Sprintf("a file is named %q, not %q", f.Name, name)
	case f.Size < 0:
		return fmt.Sprintf("%s has %d bytes", f.Name, f.Size)
	case !isHex(f.SHA256, 64):
		return fmt.Sprintf("%s has a sha256 of %q", f.Name, f.SHA256)
	case int64(len(f.Blocks)) != (f.Size-1)/blockSize+1 && f.Size > 0 || f.Size == 0 && len(f.Blocks) > 0:
		return fmt.Sprintf("%s of %d bytes has %d blocks of %d", f.Name, f.Size, len(f.Blocks), blockSize)
	}
	for _, b := range f.Blocks {
		if !isHex(b, 16) {
			return fmt.Sprintf("%s has a block of xxh64 %q", f.Name, b)
		}
	}
	return ""
}

// checkDone compares DoneFile with the manifest.
func checkDone(name string, done, manifest []byte) error {
	if want := doneLine(manifest); !bytes.Equal(done, []byte(want)) {
		return format.NewFault(name, -1, "it holds %q and should hold %q: the manifest, or this file, was changed", clip(done), want)
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
