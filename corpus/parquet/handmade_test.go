package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"strings"
	"testing"

	"curate/corpus/split"
)

// Files that no writer at hand makes: layouts of old ones, damage, lies. They are written by the few lines below.

// field is a schema element; leaves have entries.
type field struct {
	name       string
	repetition int32
	physical   int32 // -1: a group
	length     int32
	converted  int32 // -1: none
	logical    []byte
	scale      int32
	fields     []field
	entries    []entry
}

// entry is what a column stores: levels, and PLAIN bytes if the definition level is the highest.
type entry struct {
	rep, def int
	plain    string
}

func group(name string, repetition, converted int32, fields ...field) field {
	return field{name: name, repetition: repetition, physical: -1, converted: converted, fields: fields}
}

func leaf(name string, repetition, physical, converted int32, entries ...entry) field {
	return field{name: name, repetition: repetition, physical: physical, converted: converted, entries: entries}
}

func str(s string) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s }
func i32(v int32) string  { return string(binary.LittleEndian.AppendUint32(nil, uint32(v))) }
func i64(v int64) string  { return string(binary.LittleEndian.AppendUint64(nil, uint64(v))) }

// thriftWriter writes fields in the long form, with their numbers.
type thriftWriter struct{ bytes.Buffer }

func (w *thriftWriter) varint(v int64) { w.Write(binary.AppendVarint(nil, v)) }
func (w *thriftWriter) field(id int16, kind byte) {
	w.WriteByte(kind)
	w.varint(int64(id))
}
func (w *thriftWriter) int(id int16, kind byte, v int64) { w.field(id, kind); w.varint(v) }
func (w *thriftWriter) string(id int16, s string) {
	w.field(id, thriftBinary)
	w.Write(binary.AppendUvarint(nil, uint64(len(s))))
	w.WriteString(s)
}
func (w *thriftWriter) list(id int16, kind byte, n int) {
	w.field(id, thriftList)
	w.WriteByte(0xf0 | kind)
	w.Write(binary.AppendUvarint(nil, uint64(n)))
}
func (w *thriftWriter) end() { w.WriteByte(0) }

// levels writes a level list as bit-packed groups of eight behind their length.
func levels(entries []entry, highest int, of func(entry) int) []byte {
	if highest == 0 {
		return nil
	}
	width := bits.Len(uint(highest))
	groups := (len(entries) + 7) / 8
	b := make([]byte, groups*width)
	for i, e := range entries {
		for k := range width {
			bit := i*width + k
			b[bit/8] |= byte(of(e)>>k&1) << (bit % 8)
		}
	}
	b = append(binary.AppendUvarint(nil, uint64(groups)<<1|1), b...)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// handmade is a file with one row group of uncompressed pages of version 1.
func handmade(rows int64, fields ...field) []byte {
	return handmadeWith(handmadeOptions{}, rows, fields...)
}

type handmadeOptions struct {
	codec      int32
	values     int64 // claimed in the page header, if not 0
	size       int64 // claimed uncompressed size, if not 0
	encoding   int32
	checksum   uint32 // if not 0
	dictionary string // PLAIN bytes of a dictionary page before the data page
	dictValues int64
	encrypted  bool
	elsewhere  bool
}

func handmadeWith(o handmadeOptions, rows int64, fields ...field) []byte {
	var file, schema, chunks thriftWriter
	file.WriteString(magic)
	elements, columns, total := 0, 0, int64(0)
	var walk func(f field, rep, def int, root bool)
	walk = func(f field, rep, def int, root bool) {
		elements++
		if !root {
			switch f.repetition {
			case optional:
				def++
			case repeated:
				rep, def = rep+1, def+1
			}
		}
		if f.physical >= 0 {
			schema.int(1, thriftI32, int64(f.physical))
		}
		if f.length > 0 {
			schema.int(2, thriftI32, int64(f.length))
		}
		schema.int(3, thriftI32, int64(f.repetition))
		schema.string(4, f.name)
		if f.physical < 0 {
			schema.int(5, thriftI32, int64(len(f.fields)))
		}
		if f.converted >= 0 {
			schema.int(6, thriftI32, int64(f.converted))
		}
		if f.scale != 0 {
			schema.int(7, thriftI32, int64(f.scale))
		}
		if f.logical != nil {
			schema.field(10, thriftStruct)
			schema.Write(f.logical)
		}
		schema.end()
		for _, c := range f.fields {
			walk(c, rep, def, false)
		}
		if f.physical < 0 {
			return
		}
		columns++
		page := levels(f.entries, rep, func(e entry) int { return e.rep })
		page = append(page, levels(f.entries, def, func(e entry) int { return e.def })...)
		for _, e := range f.entries {
			page = append(page, e.plain...)
		}
		start := file.Len()
		if o.dictionary != "" {
			file.int(1, thriftI32, pageDictionary)
			file.int(2, thriftI32, int64(len(o.dictionary)))
			file.int(3, thriftI32, int64(len(o.dictionary)))
			file.field(7, thriftStruct)
			file.int(1, thriftI32, o.dictValues)
			file.int(2, thriftI32, encodingPlain)
			file.end()
			file.end()
			file.WriteString(o.dictionary)
		}
		n := int64(len(f.entries))
		if o.values != 0 {
			n = o.values
		}
		size := int64(len(page))
		if o.size != 0 {
			size = o.size
		}
		file.int(1, thriftI32, pageData)
		file.int(2, thriftI32, size)
		file.int(3, thriftI32, int64(len(page)))
		if o.checksum != 0 {
			file.int(4, thriftI32, int64(int32(o.checksum)))
		}
		file.field(5, thriftStruct)
		file.int(1, thriftI32, n)
		file.int(2, thriftI32, int64(o.encoding))
		file.int(3, thriftI32, encodingRLE)
		file.int(4, thriftI32, encodingRLE)
		file.end()
		file.end()
		file.Write(page)
		if o.elsewhere {
			chunks.string(1, "other.parquet")
		}
		chunks.int(2, thriftI64, int64(start))
		chunks.field(3, thriftStruct)
		chunks.int(1, thriftI32, int64(f.physical))
		chunks.int(4, thriftI32, int64(o.codec))
		chunks.int(5, thriftI64, n)
		chunks.int(6, thriftI64, int64(file.Len()-start))
		chunks.int(7, thriftI64, int64(file.Len()-start))
		chunks.int(9, thriftI64, int64(start))
		chunks.end()
		chunks.end()
		total += int64(len(page))
	}
	walk(group("schema", 0, -1, fields...), 0, 0, true)
	var foot thriftWriter
	foot.int(1, thriftI32, 1)
	foot.list(2, thriftStruct, elements)
	foot.Write(schema.Bytes())
	foot.int(3, thriftI64, rows)
	foot.list(4, thriftStruct, 1)
	foot.list(1, thriftStruct, columns)
	foot.Write(chunks.Bytes())
	foot.int(2, thriftI64, total)
	foot.int(3, thriftI64, rows)
	foot.end()
	if o.encrypted {
		foot.field(8, thriftStruct)
		foot.end()
	}
	foot.end()
	n := foot.Len()
	file.Write(foot.Bytes())
	file.WriteString(i32(int32(n)))
	file.WriteString(magic)
	return file.Bytes()
}

const (
	convertedUTF8        = 0
	convertedMap         = 1
	convertedMapKeyValue = 2
	convertedList        = 3
	convertedDecimal     = 5
	none                 = -1
)

func TestLayouts(t *testing.T) {
	// Rows: ["a",null?], [], null as far as the layout can hold them.
	threeLevels := func(mid, el string) []byte {
		return handmade(3, group("l", optional, convertedList, group(mid, repeated, none,
			leaf(el, optional, typeByteArray, convertedUTF8, entry{0, 3, str("a")}, entry{1, 2, ""}, entry{0, 1, ""}, entry{0, 0, ""}))))
	}
	three := "{\"l\":[\"a\",null]}\n{\"l\":[]}\n{\"l\":null}\n"
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"list.element", threeLevels("list", "element"), three},
		{"list.item", threeLevels("list", "item"), three},
		{"bag.array_element", threeLevels("bag", "array_element"), three},
		{"two levels", handmade(3, group("l", optional, convertedList,
			leaf("array", repeated, typeInt32, none, entry{0, 2, i32(1)}, entry{1, 2, i32(-2)}, entry{0, 1, ""}, entry{0, 0, ""}))),
			"{\"l\":[1,-2]}\n{\"l\":[]}\n{\"l\":null}\n"},
		{"two levels of structs", handmade(2, group("l", required, convertedList, group("element", repeated, none,
			leaf("a", required, typeInt32, none, entry{0, 1, i32(1)}, entry{1, 1, i32(2)}, entry{0, 0, ""}),
			leaf("b", optional, typeByteArray, convertedUTF8, entry{0, 2, str("x")}, entry{1, 1, ""}, entry{0, 0, ""})))),
			"{\"l\":[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":null}]}\n{\"l\":[]}\n"},
		{"array of one field", handmade(1, group("l", required, convertedList, group("array", repeated, none,
			leaf("str", required, typeByteArray, convertedUTF8, entry{0, 1, str("x")}, entry{1, 1, str("y")})))),
			"{\"l\":[{\"str\":\"x\"},{\"str\":\"y\"}]}\n"},
		{"tuple", handmade(1, group("l", required, convertedList, group("l_tuple", repeated, none,
			leaf("str", required, typeByteArray, convertedUTF8, entry{0, 1, str("x")})))),
			"{\"l\":[{\"str\":\"x\"}]}\n"},
		{"two levels of lists", handmade(1, group("l", required, convertedList, group("array", repeated, convertedList,
			leaf("array", repeated, typeInt32, none, entry{0, 2, i32(1)}, entry{2, 2, i32(2)}, entry{1, 1, ""}, entry{1, 2, i32(3)})))),
			"{\"l\":[[1,2],[],[3]]}\n"},
		{"repeated without a list", handmade(2, leaf("n", repeated, typeInt32, none, entry{0, 1, i32(1)}, entry{1, 1, i32(2)}, entry{0, 0, ""}),
			group("g", repeated, none, leaf("x", optional, typeInt32, none, entry{0, 0, ""}, entry{0, 2, i32(5)}, entry{1, 1, ""}))),
			"{\"n\":[1,2],\"g\":[]}\n{\"n\":[],\"g\":[{\"x\":5},{\"x\":null}]}\n"},
		{"list without a repeated field", handmade(1, group("l", required, convertedList, leaf("x", required, typeInt32, none, entry{0, 0, i32(1)}))),
			"{\"l\":{\"x\":1}}\n"},
		{"MAP", handmade(2, group("m", optional, convertedMap, group("map", repeated, convertedMapKeyValue,
			leaf("key", required, typeByteArray, convertedUTF8, entry{0, 2, str("a")}, entry{1, 2, str("a")}, entry{0, 0, ""}),
			leaf("value", optional, typeInt32, none, entry{0, 3, i32(1)}, entry{1, 2, ""}, entry{0, 0, ""})))),
			"{\"m\":{\"a\":1,\"a\":null}}\n{\"m\":null}\n"}, // a key twice: for the strict parser to find
		{"MAP_KEY_VALUE outside, binary keys", handmade(1, group("m", required, convertedMapKeyValue, group("x", repeated, none,
			leaf("k", required, typeByteArray, none, entry{0, 1, str("a")}, entry{1, 1, str("b\"")}),
			leaf("v", required, typeInt32, none, entry{0, 1, i32(1)}, entry{1, 1, i32(2)})))),
			"{\"m\":{\"a\":1,\"b\\\"\":2}}\n"},
		{"map of numbers", handmade(1, group("m", required, convertedMap, group("key_value", repeated, none,
			leaf("key", required, typeInt32, none, entry{0, 1, i32(1)}, entry{1, 1, i32(1)}),
			leaf("value", required, typeInt32, none, entry{0, 1, i32(7)}, entry{1, 1, i32(8)})))),
			"{\"m\":[{\"key\":1,\"value\":7},{\"key\":1,\"value\":8}]}\n"},
		{"no columns", handmade(2), "{}\n{}\n"},
		{"bad UTF-8 in text", handmade(1, leaf("s", required, typeByteArray, convertedUTF8, entry{0, 0, str("a\xff\"")})), "{\"s\":\"a\xff\\\"\"}\n"},
		{"bytes", handmade(3, leaf("s", required, typeByteArray, none, entry{0, 0, str("a\xff")}, entry{0, 0, str("ñ")}, entry{0, 0, str("")})),
			"{\"s\":{\"base64\":\"Yf8=\"}}\n{\"s\":\"ñ\"}\n{\"s\":\"\"}\n"},
		{"names", handmade(1, leaf("a\"b\n", required, typeInt32, none, entry{0, 0, i32(1)})), "{\"a\\\"b\\n\":1}\n"},
		{"decimal in bytes", handmade(4, field{name: "d", physical: typeByteArray, converted: convertedDecimal, scale: 3, entries: []entry{
			{0, 0, str("\xff")}, {0, 0, str("")}, {0, 0, str("\x80" + strings.Repeat("\x00", 15))}, {0, 0, str("\xfe" + strings.Repeat("\x00", 16))}}}),
			"{\"d\":-0.001}\n{\"d\":0.000}\n{\"d\":-170141183460469231731687303715884105.728}\n{\"d\":-680564733841876926926749214863536422.912}\n"},
		{"decimal in numbers", handmade(2, field{name: "d", physical: typeInt64, converted: convertedDecimal, scale: 18, entries: []entry{{0, 0, i64(math.MinInt64)}, {0, 0, i64(5)}}}),
			"{\"d\":-9.223372036854775808}\n{\"d\":0.000000000000000005}\n"},
		{"times without a logical type", handmade(2, leaf("d", required, typeInt32, 6, entry{0, 0, i32(-719529)}, entry{0, 0, i32(math.MaxInt32)}),
			leaf("t", required, typeInt32, 7, entry{0, 0, i32(1)}, entry{0, 0, i32(-1)}),
			leaf("ts", required, typeInt64, 10, entry{0, 0, i64(math.MinInt64)}, entry{0, 0, i64(-1)})),
			"{\"d\":\"-000001-12-31\",\"t\":\"00:00:00.001Z\",\"ts\":\"-290308-12-21T19:59:05.224192Z\"}\n" +
				"{\"d\":\"+5881580-07-11\",\"t\":\"-00:00:00.001Z\",\"ts\":\"1969-12-31T23:59:59.999999Z\"}\n"},
		{"unsigned without a logical type", handmade(1, leaf("a", required, typeInt32, 13, entry{0, 0, i32(-1)}), leaf("b", required, typeInt64, 14, entry{0, 0, i64(-1)})),
			"{\"a\":4294967295,\"b\":18446744073709551615}\n"},
		{"an interval", handmade(1, field{name: "i", physical: typeFixedLenByteArray, length: 12, converted: 21, entries: []entry{{0, 0, "abcdefghijkl"}}}),
			"{\"i\":{\"base64\":\"YWJjZGVmZ2hpamts\"}}\n"},
		{"checksum", handmadeWith(handmadeOptions{checksum: crc32.ChecksumIEEE([]byte(i32(9)))}, 1, leaf("a", required, typeInt32, none, entry{0, 0, i32(9)})), "{\"a\":9}\n"},
		// One index of 0 bits a value: the dictionary's first.
		{"dictionary of one", handmadeWith(handmadeOptions{encoding: encodingDictionary, dictionary: str("one"), dictValues: 1}, 3,
			leaf("a", required, typeByteArray, convertedUTF8, entry{0, 0, "\x00\x06"}, entry{}, entry{})), "{\"a\":\"one\"}\n{\"a\":\"one\"}\n{\"a\":\"one\"}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll(c.file, whole)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.text(), c.want)
		})
	}
}

func TestHugeRow(t *testing.T) {
	text := strings.Repeat("luze \"", 50_000)
	raw := strings.Repeat("\xff\x00", 200_000)
	file := handmade(2, leaf("id", required, typeInt32, none, entry{0, 0, i32(1)}, entry{0, 0, i32(2)}),
		leaf("text", required, typeByteArray, convertedUTF8, entry{0, 0, str(text)}, entry{0, 0, str("labur")}),
		leaf("raw", required, typeByteArray, none, entry{0, 0, str(raw)}, entry{0, 0, str("r")}))
	all, err := readAll(file, whole)
	if err != nil {
		t.Fatal(err)
	}
	o := whole
	o.MaxRecord = 100_000
	got, err := readAll(file, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.lines) != 2 || got.lines[0] != all.lines[0][:split.KeepOfTruncated] || got.full[0] != int64(len(all.lines[0]))-1 || got.lines[1] != all.lines[1] {
		t.Errorf("%d and %d bytes of %d", len(got.lines[0]), got.full[0], len(all.lines[0]))
	}
}

func TestErrors(t *testing.T) {
	one := leaf("a", required, typeInt32, none, entry{0, 0, i32(1)})
	text := leaf("t", optional, typeByteArray, convertedUTF8, entry{0, 1, str("x")})
	good := load(t, "testdata/arrow-v2-zstd-dict.parquet")
	flipped := bytes.Clone(good)
	flipped[100] ^= 1
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "0 bytes are too few for Parquet"},
		{"text", []byte("{\"a\":1}\n{\"a\":2}\n"), `is no Parquet file: it does not begin with "PAR1"`},
		{"cut off", good[:len(good)/2], `does not end with "PAR1": it is cut off, or still being written; replace the file`},
		{"encrypted footer", append([]byte("PARE"), append(make([]byte, 20), "PARE"...)...), "is encrypted"},
		{"signed footer", handmadeWith(handmadeOptions{encrypted: true}, 1, one), "is encrypted"},
		{"LZO", handmadeWith(handmadeOptions{codec: codecLZO}, 1, one), `row group 0, column "a": is compressed with LZO, which is not read; write it again`},
		{"LZ4", handmadeWith(handmadeOptions{codec: codecLZ4}, 1, one), "is compressed with LZ4 (the deprecated one)"},
		{"codec", handmadeWith(handmadeOptions{codec: 77}, 1, one), "compression codec 77 does not exist"},
		{"elsewhere", handmadeWith(handmadeOptions{elsewhere: true}, 1, one), "its data lie in another file"},
		{"encoding", handmadeWith(handmadeOptions{encoding: 44}, 1, one), "its encoding is not known"},
		{"no dictionary", handmadeWith(handmadeOptions{encoding: encodingDictionary}, 1, one), "there is none"},
		{"checksum", handmadeWith(handmadeOptions{checksum: 1}, 1, one), "its checksum does not fit"},
		{"flipped bit", flipped, "its checksum does not fit"},
		{"more rows than values", handmade(2, one), "it has fewer entries than the row group has rows"},
		{"more values than rows", handmade(1, leaf("a", required, typeInt32, none, entry{0, 0, i32(1)}, entry{0, 0, i32(1)})), "it has more entries than the row group has rows"},
		{"more values than bytes", handmadeWith(handmadeOptions{values: 3}, 3, one), "its values end too early"},
		{"length above the page", handmade(1, leaf("a", required, typeByteArray, none, entry{0, 0, "\xff\xff\xff\x7fabc"})), "its values end too early"},
		{"snappy that claims 2 GiB", handmadeWith(handmadeOptions{codec: codecSnappy, size: math.MaxInt32}, 1,
			leaf("a", required, typeByteArray, none, entry{0, 0, "\xff\xff\xff\xff\x07abc"})), "has not the length"},
		{"LZ4 that claims 2 GiB", handmadeWith(handmadeOptions{codec: codecLZ4Raw, size: math.MaxInt32}, 1, text), "has not the length"},
		{"zstd that claims 2 GiB", handmadeWith(handmadeOptions{codec: codecZstd, size: math.MaxInt32}, 1, text), "magic number mismatch"},
		{"deep", handmade(1, nested(100)), "is nested deeper than 64 levels"},
		{"struct without fields", handmade(1, group("g", optional, none)), "is a struct without fields"},
		{"uneven levels", handmade(1, group("g", optional, none,
			leaf("a", required, typeInt32, none, entry{0, 1, i32(1)}), leaf("b", required, typeInt32, none, entry{0, 0, ""}))), "do not go with those of its neighbours"},
		{"uneven repetitions", handmade(1, group("g", repeated, none,
			leaf("a", required, typeInt32, none, entry{0, 1, i32(1)}), leaf("b", required, typeInt32, none, entry{0, 1, i32(1)}, entry{1, 1, i32(1)}))), "it has more entries"},
		{"scale", handmade(1, field{name: "d", physical: typeInt32, converted: convertedDecimal, scale: 2_000_000_000, entries: []entry{{0, 0, i32(1)}}}), "DECIMAL of scale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readAll(c.file, whole)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error(), "bug in curate") {
				t.Error(err)
			}
		})
	}
}

func nested(n int) field {
	if n == 0 {
		return leaf("x", required, typeInt32, none, entry{0, 0, i32(1)})
	}
	return group("g", required, none, nested(n-1))
}

// TestReadError: an error of the storage is given as it is, and not as damage.
func TestReadError(t *testing.T) {
	data := load(t, "testdata/arrow-v2-zstd-dict.parquet")
	f, _ := readFooter(bytes.NewReader(data), int64(len(data)))
	_, err := readFrom(failing{bytes.NewReader(data), f.start}, int64(len(data)), whole)
	if err == nil || !strings.Contains(err.Error(), io.ErrClosedPipe.Error()) || strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}

type failing struct {
	io.ReaderAt
	end int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off > 4 && off < f.end {
		return 0, io.ErrClosedPipe
	}
	return f.ReaderAt.ReadAt(p, off)
}
