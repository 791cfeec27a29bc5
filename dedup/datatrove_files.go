package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Names and layouts of datatrove's files (docs/formats/datatrove-minhash.md). All numbers are little-endian.

// The folders of datatrove's example (examples/minhash_deduplication.py).
const (
	datatroveSignatures = "signatures"
	datatroveBuckets    = "buckets"
	DatatroveRemoveIDs  = "remove_ids"
)

// SignaturesName is the name of a file of signatures.
func SignaturesName(bucket, rank int) string {
	return fmt.Sprintf(datatroveSignatures+"/bucket_%03d/%05d.minhash.sig", bucket, rank)
}

// DupsName is the name of a file of pairs.
func DupsName(bucket, worker int) string {
	return fmt.Sprintf(datatroveBuckets+"/%05d_%02d", bucket, worker) + dupsExtension
}

const dupsExtension = ".dups"

// RemoveName is the name of a rank's file with the numbers of documents to remove; RemoveExtension ends it.
func RemoveName(rank int) string { return fmt.Sprintf("%06d", rank) + RemoveExtension }

// The ends of the names of what is found out about a rank.
const (
	RemoveExtension   = ".remove"   // u32 number
	clustersExtension = ".clusters" // u32 number, u32 cluster
	sizesExtension    = ".sizes"    // u32 number, u32 documents of its cluster
)

// datatroveLayout is that of a row of .minhash.sig: the hashes of a bucket, and the number of the document, u32.
type datatroveLayout struct {
	hashes int // of a bucket
	hash   int // bytes: 4 or 8
}

// signature is how many bytes the hashes take.
func (l datatroveLayout) signature() int { return l.hashes * l.hash }

// appendSortable appends a hash so that the order of bytes is that of numbers.
func (l datatroveLayout) appendSortable(dst []byte, hash uint64) []byte {
	if l.hash == 4 {
		return binary.BigEndian.AppendUint32(dst, uint32(hash))
	}
	return binary.BigEndian.AppendUint64(dst, hash)
}

// first is the first hash of a sortable signature.
func (l datatroveLayout) first(b []byte) uint64 {
	if l.hash == 4 {
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

// appendRow appends the row of a sortable signature.
func (l datatroveLayout) appendRow(dst, signature []byte, number uint32) []byte {
	for ; len(signature) > 0; signature = signature[l.hash:] {
		if l.hash == 4 {
			dst = binary.LittleEndian.AppendUint32(dst, binary.BigEndian.Uint32(signature))
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(signature))
		}
	}
	return binary.LittleEndian.AppendUint32(dst, number)
}

// appendPair appends a row of .dups: rank and number of two documents, u32 each, which come big-endian.
func appendPair(dst, a, b []byte) []byte {
	for _, v := range [][]byte{a, a[4:], b, b[4:]} {
		dst = binary.LittleEndian.AppendUint32(dst, binary.BigEndian.Uint32(v))
	}
	return dst
}

// pairRow is the bytes of a row of .dups.
const pairRow = 16

// decodePair reads a row of .dups: rank << 32 | number of two documents.
func decodePair(row []byte) (a, b uint64) {
	le := binary.LittleEndian
	return uint64(le.Uint32(row))<<32 | uint64(le.Uint32(row[4:])), uint64(le.Uint32(row[8:]))<<32 | uint64(le.Uint32(row[12:]))
}

// ErrRemove is in every error about a .remove file that datatrove would not have written.
var ErrRemove = errors.New("the file of documents to remove is damaged")

// RemoveReader gives the numbers of a .remove file, which ascend.
type RemoveReader struct {
	r      io.Reader
	buf    []byte
	offset int64 // of what is in buf
	last   int64 // the number before
}

// NewRemoveReader reads r.
func NewRemoveReader(r io.Reader) *RemoveReader { return &RemoveReader{r: r, last: -1} }

// Next is the next number; ok is false at the end.
func (r *RemoveReader) Next() (number uint32, ok bool, err error) {
	if len(r.buf) == 0 {
		buf := make([]byte, smallRunBuffer)
		n, err := io.ReadFull(r.r, buf)
		if err == io.EOF {
			return 0, false, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return 0, false, err
		}
		if n%4 != 0 {
			return 0, false, fmt.Errorf("%w: at byte %d end %d bytes of a number of 4", ErrRemove, r.offset+int64(n-n%4), n%4)
		}
		r.buf = buf[:n]
	}
	number = binary.LittleEndian.Uint32(r.buf)
	if int64(number) <= r.last {
		return 0, false, fmt.Errorf("%w: at byte %d number %d comes behind %d", ErrRemove, r.offset, number, r.last)
	}
	r.buf, r.offset, r.last = r.buf[4:], r.offset+4, int64(number)
	return number, true, nil
}
