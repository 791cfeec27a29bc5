package parquet

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// ExtraColumn holds, as a JSON object, the members of a record that no column of the file can hold.
const ExtraColumn = "_extra"

// recordsKey in a file's metadata says that Records wrote it, and in which version of docs/formats/parquet.md. Who reads
// it here gets the records again.
const (
	recordsKey     = "curate.records"
	recordsVersion = "1"
)

const (
	// sampleRecords and sampleBytes are how many records decide which columns a file has, whichever ends first; the one
	// that reaches sampleBytes still counts.
	sampleRecords = 1000
	sampleBytes   = DefaultRowGroup
	// maxColumns bounds the columns of records whose members are named by their content. Further names go to the extra
	// column.
	maxColumns = 1000
)

// Records writes JSON Lines as Parquet: a row a record, a column a member. docs/formats/parquet.md says which column
// a member gets. What it is given must be valid records, as package record reads them; how it is cut does not matter.
// It holds a row group in memory and at first the records that decide the columns.
type Records struct {
	w       io.Writer
	out     *Writer // nil until the columns are decided
	part    []byte  // of a line
	sample  []byte  // lines
	sampled int
	columns []Column
	given   int // of columns: those that no record decides
	byName  map[string]int
	row     int64

	dec   *jsontext.Decoder
	src   bytes.Buffer
	name  []byte // scratch from here on
	text  []byte
	extra []byte
	ints  []int64
	ends  []int
	texts [][]byte
}

// NewRecords begins a file. It has the columns given, whatever the records are; which others, the first records decide.
func NewRecords(w io.Writer, columns ...Column) *Records {
	return &Records{w: w, columns: slices.Clone(columns), given: len(columns)}
}

// Write takes the next bytes of the lines.
func (r *Records) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			r.part = append(r.part, p...)
			break
		}
		line := p[:i]
		p = p[i+1:]
		if len(r.part) > 0 {
			r.part = append(r.part, line...)
			line = r.part
		}
		if err := r.line(line); err != nil {
			return 0, err
		}
		if r.part = r.part[:0]; cap(r.part) > pageBytes {
			r.part = nil
		}
	}
	return n, nil
}

func (r *Records) line(line []byte) error {
	if r.out != nil {
		return r.record(line)
	}
	r.sample = append(append(r.sample, line...), '\n')
	if r.sampled++; r.sampled == sampleRecords || len(r.sample) >= sampleBytes {
		return r.begin()
	}
	return nil
}

// Close writes the rest of the file. It does not close what it writes to.
func (r *Records) Close() error {
	if len(r.part) > 0 { // the last line had no line feed
		if err := r.line(r.part); err != nil {
			return err
		}
		r.part = nil
	}
	if r.out == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	return r.out.Close()
}

// seen is what the values of a member have been so far.
type seen uint16

const (
	seenString seen = 1 << iota
	seenInt
	seenFloat
	seenBool
	seenInts
	seenStrings
	seenEmpty // an array
	seenOther
)

// typeOf is the column for such values. Where nothing is certain, it is one that holds anything.
func (s seen) typeOf() (t Type, list bool) {
	switch {
	case s == seenString:
		return String, false
	case s == seenInt:
		return Int64, false
	case s == seenFloat, s == seenFloat|seenInt:
		return Float64, false
	case s == seenBool:
		return Boolean, false
	case s&^seenEmpty == seenInts:
		return Int64, true
	case s&^seenEmpty == seenStrings:
		return String, true
	}
	return JSON, false
}

// begin decides the columns and writes the records that were held for it.
func (r *Records) begin() error {
	r.byName = map[string]int{}
	var values []seen
	for i, c := range r.columns {
		r.byName[c.Name] = i
		values = append(values, 0)
	}
	err := r.each(r.sample, func(line []byte) error {
		return r.members(line, func(quoted, name, value []byte) error {
			i, known := r.byName[string(name)]
			if !known && (len(r.columns) == maxColumns || string(name) == ExtraColumn) {
				return nil
			}
			if !known {
				i = len(r.columns)
				r.byName[string(name)] = i
				r.columns = append(r.columns, Column{Name: string(name), Optional: true})
				values = append(values, 0)
			}
			values[i] |= r.look(value)
			return nil
		})
	})
	if err != nil {
		return err
	}
	for i := range r.columns[r.given:] {
		c := &r.columns[r.given+i]
		c.Type, c.List = values[r.given+i].typeOf()
	}
	r.columns = append(r.columns, Column{Name: ExtraColumn, Type: JSON, Optional: true})
	if r.out, err = NewWriter(r.w, r.columns, WriterOptions{KeyValue: []KV{{recordsKey, recordsVersion}}}); err != nil {
		return err
	}
	err = r.each(r.sample, r.record)
	r.sample = nil
	return err
}

func (r *Records) each(lines []byte, f func(line []byte) error) error {
	for len(lines) > 0 {
		i := bytes.IndexByte(lines, '\n')
		if err := f(lines[:i]); err != nil {
			return err
		}
		lines = lines[i+1:]
	}
	return nil
}

// members calls f for each member of the record. name is unquoted; all three are valid during the call.
func (r *Records) members(line []byte, f func(quoted, name, value []byte) error) error {
	r.src = *bytes.NewBuffer(line) // jsontext reads a bytes.Buffer in place
	if r.dec == nil {
		// That no name comes twice was found out when the line was read.
		r.dec = jsontext.NewDecoder(&r.src, jsontext.AllowDuplicateNames(true))
	} else {
		r.dec.Reset(&r.src, jsontext.AllowDuplicateNames(true))
	}
	if t, err := r.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return fmt.Errorf("row %d: is no JSON object; this is a bug of curate, please report it", r.row)
	}
	for r.dec.PeekKind() != '}' {
		quoted, err := r.dec.ReadValue()
		if err != nil {
			return fmt.Errorf("row %d: %w", r.row, err)
		}
		// The next ReadValue may move what the decoder holds, but not the line itself.
		at := r.dec.InputOffset()
		quoted = line[at-int64(len(quoted)) : at]
		value, err := r.dec.ReadValue()
		if err != nil {
			return fmt.Errorf("row %d: %w", r.row, err)
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			if r.name, err = jsontext.AppendUnquote(r.name[:0], quoted); err != nil {
				return fmt.Errorf("row %d: %w", r.row, err)
			}
			name = r.name
		}
		if err := f(quoted, name, value); err != nil {
			return err
		}
	}
	return nil
}

// look says what a value is. null and numbers that only JSON can hold say nothing about the column.
func (r *Records) look(value []byte) seen {
	switch value[0] {
	case 'n':
		return 0
	case 't', 'f':
		return seenBool
	case '"':
		return seenString
	case '{':
		return seenOther
	case '[':
		ints, ok := r.readInts(value)
		switch {
		case ok && len(ints) == 0:
			return seenEmpty
		case ok:
			return seenInts
		}
		if _, ok := r.readTexts(value); ok {
			return seenStrings
		}
		return seenOther
	}
	if _, ok := readInt(value); ok {
		return seenInt
	}
	if _, ok := readDouble(value); ok {
		return seenFloat
	}
	return 0
}

// record writes a row.
func (r *Records) record(line []byte) error {
	r.extra = r.extra[:0]
	err := r.members(line, func(quoted, name, value []byte) error {
		i, known := r.byName[string(name)]
		// null is what a column without the member says anyway.
		if known && r.put(i, value) || !known && value[0] == 'n' {
			return nil
		}
		r.extra = append(r.extra, ',')
		r.extra = append(r.extra, quoted...)
		r.extra = append(r.extra, ':')
		r.extra = append(r.extra, value...)
		return nil
	})
	if err != nil {
		return err
	}
	if len(r.extra) > 0 {
		r.extra[0] = '{'
		r.extra = append(r.extra, '}')
		r.out.Text(len(r.columns)-1, r.extra)
	}
	r.row++
	if cap(r.extra)+cap(r.text) > 2*pageBytes {
		r.extra, r.text = nil, nil
	}
	return r.out.EndRow()
}

// put writes a value to a column, or says that it does not fit.
func (r *Records) put(i int, value []byte) bool {
	c := &r.columns[i]
	if value[0] == 'n' {
		r.out.Null(i)
		return true
	}
	switch {
	case c.Type == JSON:
		r.out.Text(i, value)
		return true
	case c.List && c.Type == Int64:
		if v, ok := r.readInts(value); ok {
			r.out.Int64s(i, v)
			return true
		}
	case c.List:
		if v, ok := r.readTexts(value); ok {
			r.out.Texts(i, v)
			return true
		}
	case c.Type == String:
		if value[0] == '"' {
			v, err := r.unquote(r.text[:0], value)
			if r.text = v; err != nil {
				return false
			}
			r.out.Text(i, v)
			return true
		}
	case c.Type == Int64:
		if v, ok := readInt(value); ok {
			r.out.Int64(i, v)
			return true
		}
	case c.Type == Float64:
		if v, ok := readDouble(value); ok {
			r.out.Float(i, v)
			return true
		}
	case c.Type == Boolean:
		if value[0] == 't' || value[0] == 'f' {
			r.out.Bool(i, value[0] == 't')
			return true
		}
	}
	return false
}

func (r *Records) unquote(dst, quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return append(dst, quoted[1:len(quoted)-1]...), nil
	}
	return jsontext.AppendUnquote(dst, quoted)
}

// element cuts the next element off an array whose elements are neither arrays nor objects; rest begins at the first
// byte behind the bracket or the one before. ok is false at the end and at any other element.
func element(array []byte) (value, rest []byte, ok bool) {
	i := 0
	for i < len(array) && (array[i] == ' ' || array[i] == '\t' || array[i] == '\r' || array[i] == ',') {
		i++
	}
	array = array[i:]
	if len(array) == 0 || array[0] == ']' || array[0] == '[' || array[0] == '{' {
		return nil, array, false
	}
	end := 1
	if array[0] == '"' {
		for ; array[end] != '"'; end++ {
			if array[end] == '\\' {
				end++
			}
		}
		end++
	} else {
		for array[end] != ',' && array[end] != ']' && array[end] != ' ' && array[end] != '\t' && array[end] != '\r' {
			end++
		}
	}
	return array[:end], array[end:], true
}

// readInts reads an array of integers. The result is valid until the next call.
func (r *Records) readInts(value []byte) ([]int64, bool) {
	if value[0] != '[' {
		return nil, false
	}
	r.ints = r.ints[:0]
	rest := value[1:]
	for {
		v, more, ok := element(rest)
		if rest = more; !ok {
			return r.ints, rest[0] == ']'
		}
		n, ok := readInt(v)
		if !ok {
			return nil, false
		}
		r.ints = append(r.ints, n)
	}
}

// readTexts reads an array of strings. The result is valid until the next call.
func (r *Records) readTexts(value []byte) ([][]byte, bool) {
	if value[0] != '[' {
		return nil, false
	}
	r.text, r.ends, r.texts = r.text[:0], r.ends[:0], r.texts[:0]
	rest := value[1:]
	for {
		v, more, ok := element(rest)
		if rest = more; !ok {
			break
		}
		if v[0] != '"' {
			return nil, false
		}
		text, err := r.unquote(r.text, v)
		if r.text = text; err != nil {
			return nil, false
		}
		r.ends = append(r.ends, len(r.text))
	}
	from := 0
	for _, end := range r.ends {
		r.texts = append(r.texts, r.text[from:end])
		from = end
	}
	return r.texts, rest[0] == ']'
}

// readInt reads a number that is written as an integer and fits in 64 bits. -0 is none: it would lose its sign.
func readInt(b []byte) (int64, bool) {
	i, negative := 0, false
	if b[0] == '-' {
		i, negative = 1, true
	}
	if len(b)-i > 19 || negative && b[1] == '0' {
		return 0, false
	}
	n := uint64(0)
	for ; i < len(b); i++ {
		if b[i] < '0' || b[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(b[i]-'0')
	}
	switch {
	case negative && n <= 1<<63:
		return -int64(n), true
	case !negative && n < 1<<63:
		return int64(n), true
	}
	return 0, false
}

// readDouble reads a number if a double keeps it: if the shortest digits for the double are the same number.
func readDouble(b []byte) (float64, bool) {
	if c := b[0]; c != '-' && (c < '0' || c > '9') || len(b) > 400 {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, false
	}
	var is, was [400]byte
	var shortest [32]byte
	d, e := significant(was[:0], b)
	d2, e2 := significant(is[:0], strconv.AppendFloat(shortest[:0], v, 'e', -1, 64))
	return v, e == e2 && bytes.Equal(d, d2)
}

// significant gives the digits of a number without zeros at either end, and the power of ten of the last one. Zero
// has none.
func significant(dst, b []byte) (digits []byte, exponent int) {
	point := false
	for i, c := range b {
		switch {
		case c == '.':
			point = true
		case c == 'e' || c == 'E':
			e, err := strconv.Atoi(string(bytes.TrimPrefix(b[i+1:], []byte{'+'})))
			if err != nil { // more digits than an int has
				e = math.MaxInt32
			}
			exponent += e
		case c >= '0' && c <= '9':
			if dst = append(dst, c); point {
				exponent--
			}
		}
		if c == 'e' || c == 'E' {
			break
		}
	}
	dst = bytes.TrimLeft(dst, "0")
	for len(dst) > 0 && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
		exponent++
	}
	if len(dst) == 0 {
		exponent = 0
	}
	return dst, exponent
}
