package dedup

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"curate/record"
	"curate/stage"
)

// An index is what must be known of documents that earlier runs have kept, so that new ones are compared with them and
// they need not be read again: of each its keys (buckets of MinHash, or its digest), its set of shingles, and where it
// came from. Package index keeps it in a folder; here is what is done with its open files.
//
// A run with an index does what one run over the index's documents and then its own would do, but that those of the
// index are not compared with one another and that all of them stay. Documents of an index have numbers from 0, through
// all its generations; where a run speaks of records, such a document's ID is its number with indexedBit, and it comes
// before all others (documents.scan).

// indexedBit marks the ID of a document of an index. Records have it from file 1<<22 on, and there an index is refused.
const indexedBit = 1 << 62

// Index is an open index. It is immutable, and serves any number of goroutines.
type Index struct {
	digest      string
	keyWidth    int
	generations []*IndexGeneration
	bases       []uint64 // number of the first document of each
	documents   uint64
}

// MaxGenerations is how many generations with documents a run may be compared with. It bounds the files that are open at
// once, beside those of the run.
const MaxGenerations = 128

// NewIndex makes an index of its generations, in order. digest stands for all of them. It holds the paths of the inputs of all
// runs that have added documents (nothing of a document), one that several runs have had once.
func NewIndex(digest string, generations []*IndexGeneration) (*Index, error) {
	x := &Index{digest: digest}
	paths := map[string]string{}
	for _, g := range generations {
		if g.Documents() == 0 {
			continue
		}
		if x.keyWidth != 0 && x.keyWidth != g.keyWidth {
			return nil, fmt.Errorf("%s: its keys have %d bytes, and those of other generations %d: %w", g.keys.name, g.keyWidth, x.keyWidth, ErrIndex)
		}
		for _, o := range g.Origins {
			for i := range o.Files {
				path := &o.Files[i].Path
				if same, ok := paths[*path]; ok {
					*path = same
				} else {
					paths[*path] = *path
				}
			}
		}
		x.keyWidth = g.keyWidth
		x.generations, x.bases = append(x.generations, g), append(x.bases, x.documents)
		x.documents += uint64(g.Documents())
	}
	return x, nil
}

// Documents is how many there are.
func (x *Index) Documents() int64 { return int64(x.documents) }

// keys are the runs of all keys, each with a document's ID behind it.
func (x *Index) keys() []stage.Sealed {
	runs := make([]stage.Sealed, len(x.generations))
	for i, g := range x.generations {
		runs[i] = stage.Sealed{Size: g.items() * int64(g.keyWidth+8), Data: keysView{g, indexedBit | x.bases[i]}}
	}
	return runs
}

// find is the generation of a document and its number there.
func (x *Index) find(id record.ID) (*IndexGeneration, int64, error) {
	n := uint64(id) &^ indexedBit
	if uint64(id)&indexedBit == 0 || n >= x.documents {
		return nil, 0, fmt.Errorf("record %d is no document of the index", id)
	}
	i, found := slices.BinarySearch(x.bases, n)
	if !found {
		i--
	}
	return x.generations[i], int64(n - x.bases[i]), nil
}

// IndexOrigin says where a document of an index came from.
type IndexOrigin struct {
	Generation string    // that it was added with
	Record     record.ID // in the run that kept it
	File       string    // the input's path, as it was given then; "" if unknown
	ID         []byte    // its own id, as JSON text; nil without one
}

// IsIndexed says whether an ID that a decision names is that of a document of the index.
func IsIndexed(id record.ID) bool { return id&indexedBit != 0 }

// Origin says where a document of the index came from, of which IsIndexed is true.
func (x *Index) Origin(id record.ID) (IndexOrigin, error) {
	g, n, err := x.find(id)
	if err != nil {
		return IndexOrigin{}, err
	}
	return g.origin(n)
}

// IndexFiles are the open files of a generation, and its origins' JSON text.
type IndexFiles struct {
	Name                       string // of its folder, for errors
	Documents, IDs, Keys, Sets stage.Sealed
	Origins                    []byte
}

// Names of a generation's files.
const (
	IndexDocumentsFile = "documents"
	IndexIDsFile       = "ids"
	IndexKeysFile      = "keys"
	IndexSetsFile      = "sets"
)

// Origin is a run that has added documents: one of a generation's, which has several when it was merged.
type Origin struct {
	Generation string          `json:"generation"`
	Documents  int64           `json:"documents"`
	Sum        string          `json:"sum"`    // xxh64 of its documents' record IDs, 16 hex digits
	Files      []OriginFile    `json:"files"`  // by number
	Config     json.RawMessage `json:"config"` // of the deduplication
}

// OriginFile is an input of a run.
type OriginFile struct {
	Number int    `json:"number"`
	Path   string `json:"path"`
}

// A row of the file of documents.
const documentWidth = 8 + 8 + 8 + 4

// documentRow says of a document: its record, where its own id and its set end in their files, and which origin it has.
type documentRow struct {
	record        record.ID
	idEnd, setEnd uint64
	origin        uint32
}

func (r *documentRow) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(r.record))
	dst = le.AppendUint64(dst, r.idEnd)
	dst = le.AppendUint64(dst, r.setEnd)
	return le.AppendUint32(dst, r.origin)
}

func decodeDocument(b []byte) documentRow {
	le := binary.LittleEndian
	return documentRow{record.ID(le.Uint64(b)), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint32(b[24:])}
}

// IndexGeneration is what one run has added, or what several were merged into.
type IndexGeneration struct {
	Origins                    []Origin
	keyWidth                   int
	documents, ids, keys, sets *checkedFile
}

// maxIndexed is how many documents a generation may have: items of keys have 4 bytes for a number.
const maxIndexed = math.MaxUint32

// OpenIndexGeneration reads the ends of a generation's files. keyWidth is that of the method: see MinHash and Exact.
func OpenIndexGeneration(f IndexFiles, keyWidth int) (*IndexGeneration, error) {
	g := &IndexGeneration{keyWidth: keyWidth}
	for _, file := range []struct {
		name string
		f    stage.Sealed
		kind checkedKind
		to   **checkedFile
	}{
		{IndexDocumentsFile, f.Documents, checkedDocuments, &g.documents}, {IndexIDsFile, f.IDs, checkedIDs, &g.ids},
		{IndexKeysFile, f.Keys, checkedKeys, &g.keys}, {IndexSetsFile, f.Sets, checkedSets, &g.sets},
	} {
		var err error
		if *file.to, err = openChecked(f.Name+"/"+file.name, file.f, file.kind); err != nil {
			return nil, err
		}
	}
	if g.documents.size%documentWidth != 0 || g.documents.size/documentWidth > maxIndexed {
		return nil, fmt.Errorf("%s: %d bytes are no rows: %w", g.documents.name, g.documents.size, ErrIndex)
	}
	if g.keys.size%int64(keyWidth+4) != 0 {
		return nil, fmt.Errorf("%s: %d bytes are no keys of %d bytes: %w", g.keys.name, g.keys.size, keyWidth, ErrIndex)
	}
	if err := json.Unmarshal(f.Origins, &g.Origins); err != nil {
		return nil, fmt.Errorf("%s: its origins: %w: %w", f.Name, err, ErrIndex)
	}
	n := int64(0)
	for _, o := range g.Origins {
		if o.Documents < 0 || o.Documents > maxIndexed {
			return nil, fmt.Errorf("%s: an origin has %d documents: %w", f.Name, o.Documents, ErrIndex)
		}
		n += o.Documents
	}
	if n != g.Documents() {
		return nil, fmt.Errorf("%s: its origins have %d documents, and %s has %d: %w", f.Name, n, IndexDocumentsFile, g.Documents(), ErrIndex)
	}
	return g, nil
}

// Documents is how many there are.
func (g *IndexGeneration) Documents() int64 { return g.documents.size / documentWidth }

// items is how many keys there are, with a document each.
func (g *IndexGeneration) items() int64 { return g.keys.size / int64(g.keyWidth+4) }

// row reads what is known of document n, and where its id and its set begin.
func (g *IndexGeneration) row(n int64) (row documentRow, idAt, setAt int64, err error) {
	var two [2 * documentWidth]byte
	b := two[documentWidth:]
	if n > 0 {
		b = two[:]
	}
	if err := g.read(g.documents, b, (n+1)*documentWidth-int64(len(b))); err != nil {
		return row, 0, 0, err
	}
	row = decodeDocument(two[documentWidth:])
	before := decodeDocument(two[:]) // zeros before the first
	if row.idEnd < before.idEnd || row.idEnd > uint64(g.ids.size) || row.setEnd < before.setEnd || row.setEnd > uint64(g.sets.size) || int64(row.origin) >= int64(len(g.Origins)) {
		return row, 0, 0, fmt.Errorf("%s: row %d leads to nothing: %w", g.documents.name, n, ErrIndex)
	}
	return row, int64(before.idEnd), int64(before.setEnd), nil
}

func (g *IndexGeneration) read(f *checkedFile, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == io.EOF || err == nil {
		err = fmt.Errorf("%s: it ends at byte %d of its content: %w", f.name, at+int64(n), ErrIndex)
	}
	return err
}

func (g *IndexGeneration) origin(n int64) (IndexOrigin, error) {
	row, at, _, err := g.row(n)
	if err != nil {
		return IndexOrigin{}, err
	}
	o := &g.Origins[row.origin]
	from := IndexOrigin{Generation: o.Generation, Record: row.record}
	byNumber := func(f OriginFile, number int) int { return cmp.Compare(f.Number, number) }
	if i, ok := slices.BinarySearchFunc(o.Files, row.record.File(), byNumber); ok {
		from.File = o.Files[i].Path
	}
	if size := int64(row.idEnd) - at; size > maxIndexID {
		return from, fmt.Errorf("%s: row %d has an id of %d bytes: %w", g.documents.name, n, size, ErrIndex)
	} else if size > 0 {
		from.ID = make([]byte, size)
		err = g.read(g.ids, from.ID, at)
	}
	return from, err
}

// maxIndexID is the longest JSON text of an id that an index keeps.
const maxIndexID = 256

// keysView shows a generation's keys, each with its document's number of 4 bytes, as items with an ID of 8.
type keysView struct {
	g    *IndexGeneration
	base uint64
}

// Close implements stage.ReaderAt: the file is not the view's.
func (v keysView) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (v keysView) ReadAt(b []byte, at int64) (int, error) {
	kw := v.g.keyWidth
	stored, shown := int64(kw+4), int64(kw+8)
	var raw [4096]byte
	var item [256]byte
	n := 0
	for n < len(b) {
		first := at / shown
		count := min((at+int64(len(b)-n)-1)/shown-first+1, v.g.items()-first, int64(len(raw))/stored)
		if count <= 0 {
			return n, io.EOF
		}
		have := raw[:count*stored]
		if err := v.g.read(v.g.keys, have, first*stored); err != nil {
			return n, err
		}
		for skip := at % shown; len(have) > 0; skip = 0 {
			number := binary.BigEndian.Uint32(have[kw:])
			if int64(number) >= v.g.Documents() {
				return n, fmt.Errorf("%s: a key of document %d, of %d: %w", v.g.keys.name, number, v.g.Documents(), ErrIndex)
			}
			copy(item[:], have[:kw])
			binary.BigEndian.PutUint64(item[kw:], v.base+uint64(number))
			k := copy(b[n:], item[skip:shown])
			n += k
			at += int64(k)
			have = have[stored:]
		}
	}
	return n, nil
}
