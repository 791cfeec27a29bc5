package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"curate/record"
)

// Numbers of the format: github.com/apache/parquet-format, src/main/thrift/parquet.thrift.
const (
	typeBoolean           = 0
	typeInt32             = 1
	typeInt64             = 2
	typeInt96             = 3
	typeFloat             = 4
	typeDouble            = 5
	typeByteArray         = 6
	typeFixedLenByteArray = 7

	required = 0
	optional = 1
	repeated = 2

	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// logical is a column's meaning: the union LogicalType, and the older ConvertedType mapped to it.
type logical uint8

const (
	logicalNone logical = iota
	logicalString
	logicalMap
	logicalMapKeyValue // converted only
	logicalList
	logicalEnum
	logicalDecimal
	logicalDate
	logicalTime
	logicalTimestamp
	logicalInteger
	logicalNull
	logicalJSON
	logicalBSON
	logicalUUID
	logicalFloat16
	logicalInterval // converted only
	logicalOther
)

// logicalByField is the meaning by the number of the union's member.
var logicalByField = [...]logical{
	1: logicalString, 2: logicalMap, 3: logicalList, 4: logicalEnum, 5: logicalDecimal, 6: logicalDate,
	7: logicalTime, 8: logicalTimestamp, 10: logicalInteger, 11: logicalNull, 12: logicalJSON, 13: logicalBSON,
	14: logicalUUID, 15: logicalFloat16,
}

// annotation is a meaning with its parameters.
type annotation struct {
	logical logical
	utc     bool  // of a time: it is on the UTC time line
	digits  int   // of a time's fraction: 3, 6 or 9
	bits    int   // of an integer
	signed  bool  // of an integer
	scale   int32 // of a decimal
}

type schemaElement struct {
	name       string
	physical   int32 // -1: a group
	length     int32 // of a FIXED_LEN_BYTE_ARRAY, in bytes
	repetition int32
	children   int32
	converted  int32 // -1: none
	scale      int32
	annotation annotation
}

type columnChunk struct {
	physical         int32
	codec            int32
	values           int64
	compressed       int64 // bytes of the pages with their headers
	dataOffset       int64
	dictionaryOffset int64
	elsewhere        bool // in another file
	encrypted        bool
	hasMetadata      bool
}

type rowGroup struct {
	columns []columnChunk
	bytes   int64 // uncompressed
	rows    int64
}

type footer struct {
	schema    []schemaElement
	rows      int64
	groups    []rowGroup
	encrypted bool
	records   bool  // Records wrote it: JSON and the extra column stand for members
	start     int64 // offset in the file: pages end before it
}

const remedy = "replace the file, or write it again, and run again"

// damaged is an error about bytes that cannot be right.
func damaged(format string, args ...any) error {
	return fmt.Errorf("the file is damaged: "+format+"; "+remedy, args...)
}

var errEncrypted = errors.New("is encrypted, and curate has no keys; write a decrypted copy with the program that made it")

// readFooter reads and checks what the end of the file says about the rest.
func readFooter(r io.ReaderAt, size int64) (*footer, error) {
	const ends = 12 // magic; length and magic
	if size < ends {
		return nil, damaged("%d bytes are too few for Parquet", size)
	}
	var head [4]byte
	if err := readFull(r, head[:], 0); err != nil {
		return nil, err
	}
	var tail [8]byte
	if err := readFull(r, tail[:], size-8); err != nil {
		return nil, err
	}
	switch {
	case string(tail[4:]) == "PARE" || string(head[:]) == "PARE":
		return nil, errEncrypted
	case string(head[:]) != magic:
		return nil, errors.New(`is no Parquet file: it does not begin with "PAR1"`)
	case string(tail[4:]) != magic:
		return nil, errors.New(`does not end with "PAR1": it is cut off, or still being written; ` + remedy)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-ends {
		return nil, damaged("its footer claims %d bytes of a file of %d", n, size)
	}
	b := make([]byte, n)
	if err := readFull(r, b, size-8-n); err != nil {
		return nil, err
	}
	f := &footer{start: size - 8 - n}
	t := thriftReader{b: b}
	f.read(&t)
	if t.err != nil {
		return nil, damaged("footer: %w", t.err)
	}
	if f.encrypted {
		return nil, errEncrypted
	}
	return f, f.check()
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("byte %d: %w", off+int64(n), err)
}

func (f *footer) read(t *thriftReader) {
	f.rows = -1
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 2 && kind == thriftList:
			t.structs(func() { f.schema = append(f.schema, readSchemaElement(t)) })
		case id == 3 && kind == thriftI64:
			f.rows = t.int()
		case id == 4 && kind == thriftList:
			t.structs(func() { f.groups = append(f.groups, readRowGroup(t)) })
		case id == 5 && kind == thriftList:
			t.structs(func() { f.records = readKeyValue(t) == KV{recordsKey, recordsVersion} || f.records })
		case id == 8: // encryption_algorithm
			f.encrypted = true
			return false
		default:
			return false
		}
		return true
	})
}

func readKeyValue(t *thriftReader) (kv KV) {
	named := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			kv.Key, named = string(t.binary()), true
		case id == 2 && kind == thriftBinary:
			kv.Value = string(t.binary())
		default:
			return false
		}
		return true
	})
	if !named {
		t.fail(errThrift)
	}
	return kv
}

func readSchemaElement(t *thriftReader) schemaElement {
	e := schemaElement{physical: -1, converted: -1}
	named := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			e.physical = t.int32()
		case id == 2 && kind == thriftI32:
			e.length = t.int32()
		case id == 3 && kind == thriftI32:
			e.repetition = t.int32()
		case id == 4 && kind == thriftBinary:
			e.name, named = string(t.binary()), true
		case id == 5 && kind == thriftI32:
			e.children = t.int32()
		case id == 6 && kind == thriftI32:
			e.converted = t.int32()
		case id == 7 && kind == thriftI32:
			e.scale = t.int32()
		case id == 10 && kind == thriftStruct:
			e.annotation = readLogicalType(t)
		default:
			return false
		}
		return true
	})
	if !named { // a required field: without it every byte of a run of zeros would be an element
		t.fail(errThrift)
	}
	if e.annotation.logical == logicalNone && e.converted >= 0 {
		e.annotation = convertedType(e.converted, e.scale)
	}
	return e
}

func readLogicalType(t *thriftReader) annotation {
	a := annotation{}
	t.fields(func(id int16, kind byte) bool {
		a.logical = logicalOther
		if id > 0 && int(id) < len(logicalByField) && logicalByField[id] != logicalNone {
			a.logical = logicalByField[id]
		}
		if kind != thriftStruct {
			return false
		}
		t.fields(func(id int16, kind byte) bool {
			switch {
			case a.logical == logicalDecimal && id == 1 && kind == thriftI32:
				a.scale = t.int32()
			case (a.logical == logicalTime || a.logical == logicalTimestamp) && id == 1:
				a.utc = kind == thriftTrue
				return false
			case (a.logical == logicalTime || a.logical == logicalTimestamp) && id == 2 && kind == thriftStruct:
				t.fields(func(id int16, _ byte) bool {
					a.digits = 3 * int(id) // 1 MILLIS, 2 MICROS, 3 NANOS
					return false
				})
			case a.logical == logicalInteger && id == 1 && kind == thriftByte:
				a.bits = int(t.byte())
			case a.logical == logicalInteger && id == 2:
				a.signed = kind == thriftTrue
				return false
			default:
				return false
			}
			return true
		})
		return true
	})
	return a
}

// convertedType gives the meaning of an annotation of files older than LogicalType.
func convertedType(c, scale int32) annotation {
	switch c {
	case 0:
		return annotation{logical: logicalString}
	case 1:
		return annotation{logical: logicalMap}
	case 2:
		return annotation{logical: logicalMapKeyValue}
	case 3:
		return annotation{logical: logicalList}
	case 4:
		return annotation{logical: logicalEnum}
	case 5:
		return annotation{logical: logicalDecimal, scale: scale}
	case 6:
		return annotation{logical: logicalDate}
	case 7, 8: // TIME_MILLIS, TIME_MICROS: UTC by definition, as the next two
		return annotation{logical: logicalTime, utc: true, digits: 3 * int(c-6)}
	case 9, 10:
		return annotation{logical: logicalTimestamp, utc: true, digits: 3 * int(c-8)}
	case 11, 12, 13, 14:
		return annotation{logical: logicalInteger, bits: 8 << (c - 11)}
	case 15, 16, 17, 18:
		return annotation{logical: logicalInteger, bits: 8 << (c - 15), signed: true}
	case 19:
		return annotation{logical: logicalJSON}
	case 20:
		return annotation{logical: logicalBSON}
	case 21:
		return annotation{logical: logicalInterval}
	}
	return annotation{logical: logicalOther}
}

func readRowGroup(t *thriftReader) rowGroup {
	g := rowGroup{rows: -1}
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			t.structs(func() { g.columns = append(g.columns, readColumnChunk(t)) })
		case id == 2 && kind == thriftI64:
			g.bytes = t.int()
		case id == 3 && kind == thriftI64:
			g.rows = t.int()
		default:
			return false
		}
		return true
	})
	if g.rows < 0 {
		t.fail(errThrift)
	}
	return g
}

func readColumnChunk(t *thriftReader) columnChunk {
	c := columnChunk{}
	read := 0
	t.fields(func(id int16, kind byte) bool {
		read++
		switch {
		case id == 1 && kind == thriftBinary:
			c.elsewhere = len(t.binary()) > 0
		case id == 3 && kind == thriftStruct:
			c.hasMetadata = true
			readColumnMetadata(t, &c)
		case id == 8 && kind == thriftStruct: // crypto_metadata
			c.encrypted = true
			return false
		default:
			return false
		}
		return true
	})
	if read == 0 {
		t.fail(errThrift)
	}
	return c
}

func readColumnMetadata(t *thriftReader, c *columnChunk) {
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			c.physical = t.int32()
		case id == 4 && kind == thriftI32:
			c.codec = t.int32()
		case id == 5 && kind == thriftI64:
			c.values = t.int()
		case id == 7 && kind == thriftI64:
			c.compressed = t.int()
		case id == 9 && kind == thriftI64:
			c.dataOffset = t.int()
		case id == 11 && kind == thriftI64:
			c.dictionaryOffset = t.int()
		default:
			return false
		}
		return true
	})
}

// check is what must hold of any footer; chunks are checked when they are read.
func (f *footer) check() error {
	if len(f.schema) == 0 {
		return damaged("the footer has no schema")
	}
	rows := int64(0)
	for i := range f.groups {
		g := &f.groups[i]
		if g.bytes < 0 {
			return damaged("row group %d claims %d bytes", i, g.bytes)
		}
		if g.rows > record.MaxOffset-rows {
			return fmt.Errorf("row %d: files of more than 2^40 rows cannot be numbered; split the file", rows+g.rows)
		}
		rows += g.rows
	}
	if rows != f.rows {
		return damaged("its row groups have %d rows, and the footer says %d", rows, f.rows)
	}
	return nil
}

// pageHeader is the head of a page.
type pageHeader struct {
	kind         int32
	uncompressed int32
	compressed   int32
	crc          uint32
	hasCRC       bool
	values       int32
	encoding     int32
	defEncoding  int32 // data page v1
	repEncoding  int32 // data page v1
	defBytes     int32 // data page v2
	repBytes     int32 // data page v2
	isCompressed bool  // data page v2
	hasDetails   bool
}

// readPageHeader reads a header from the beginning of b and says how long it is.
func readPageHeader(b []byte) (h pageHeader, n int, err error) {
	h = pageHeader{kind: -1, uncompressed: -1, compressed: -1, isCompressed: true}
	t := thriftReader{b: b}
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			h.kind = t.int32()
		case id == 2 && kind == thriftI32:
			h.uncompressed = t.int32()
		case id == 3 && kind == thriftI32:
			h.compressed = t.int32()
		case id == 4 && kind == thriftI32:
			h.crc, h.hasCRC = uint32(t.int32()), true
		case kind == thriftStruct && (id == 5 && h.kind == pageData || id == 7 && h.kind == pageDictionary):
			h.hasDetails = true
			t.fields(func(id int16, kind byte) bool {
				switch {
				case id == 1 && kind == thriftI32:
					h.values = t.int32()
				case id == 2 && kind == thriftI32:
					h.encoding = t.int32()
				case id == 3 && kind == thriftI32:
					h.defEncoding = t.int32()
				case id == 4 && kind == thriftI32:
					h.repEncoding = t.int32()
				default:
					return false
				}
				return true
			})
		case kind == thriftStruct && id == 8 && h.kind == pageDataV2:
			h.hasDetails = true
			t.fields(func(id int16, kind byte) bool {
				switch {
				case id == 1 && kind == thriftI32:
					h.values = t.int32()
				case id == 4 && kind == thriftI32:
					h.encoding = t.int32()
				case id == 5 && kind == thriftI32:
					h.defBytes = t.int32()
				case id == 6 && kind == thriftI32:
					h.repBytes = t.int32()
				case id == 7:
					h.isCompressed = kind == thriftTrue
					return false
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	if t.err != nil {
		return h, 0, t.err
	}
	if h.kind < 0 || h.uncompressed < 0 || h.compressed < 0 || h.values < 0 || h.defBytes < 0 || h.repBytes < 0 ||
		!h.hasDetails && h.kind != pageIndex {
		return h, 0, errThrift
	}
	return h, t.pos, nil
}
