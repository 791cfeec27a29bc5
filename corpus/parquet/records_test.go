package parquet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// written writes lines as Parquet, in pieces of the given size.
func written(t testing.TB, lines string, piece int) []byte {
	t.Helper()
	var b bytes.Buffer
	r := NewRecords(&b)
	for rest := []byte(lines); len(rest) > 0; {
		n := min(piece, len(rest))
		if _, err := r.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// stored is the file without the mark that has records read again.
func stored(file []byte) []byte {
	return bytes.Replace(file, []byte(recordsKey), []byte("other.recording"[:len(recordsKey)]), 1)
}

// columnsOf is the schema as "name: type".
func columnsOf(t testing.TB, file []byte) (list []string) {
	t.Helper()
	f, err := readFooter(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(f.schema); i++ {
		e, list0 := f.schema[i], ""
		name := e.name
		if e.physical < 0 {
			i += 2
			e, list0 = f.schema[i], "list of "
		}
		kind := map[int32]string{typeBoolean: "boolean", typeInt64: "integer", typeDouble: "double", typeByteArray: "string"}[e.physical]
		if e.annotation.logical == logicalJSON {
			kind = "JSON"
		}
		list = append(list, name+": "+list0+kind)
	}
	return list
}

func TestRecordColumns(t *testing.T) {
	for _, c := range []struct{ lines, columns, rows string }{
		{"", "_extra: JSON", ""},
		{"{}\n{}\n", "_extra: JSON", "{\"_extra\":null}\n{\"_extra\":null}\n"},
		{`{"text":"a\u00f1\n","n":1,"x":0.5,"ok":true}` + "\n" + `{"n":null,"text":"b","x":2,"new":[]}` + "\n",
			"text: string, n: integer, x: double, ok: boolean, new: JSON, _extra: JSON",
			`{"text":"añ\n","n":1,"x":0.5,"ok":true,"new":null,"_extra":null}` + "\n" + `{"text":"b","n":null,"x":2,"ok":null,"new":"[]","_extra":null}` + "\n"},
		{`{"l":[1,-2],"s":["a","\"b\\"]}` + "\n" + `{ "l" : [ ] , "s" : [ "x" , "]," ] }` + "\n",
			"l: list of integer, s: list of string, _extra: JSON",
			`{"l":[1,-2],"s":["a","\"b\\"],"_extra":null}` + "\n" + `{"l":[],"s":["x","],"],"_extra":null}` + "\n"},
		{`{"a":{"b": 1},"m":1,"z":null,"e":[1,"a"]}` + "\n" + `{"a":{},"m":"one"}` + "\n",
			"a: JSON, m: JSON, z: JSON, e: JSON, _extra: JSON",
			`{"a":"{\"b\": 1}","m":"1","z":null,"e":"[1,\"a\"]","_extra":null}` + "\n" + `{"a":"{}","m":"\"one\"","z":null,"e":null,"_extra":null}` + "\n"},
		// Numbers that only JSON can hold.
		{`{"i":9223372036854775807,"f":1.0}` + "\n" + `{"i":9223372036854775808,"f":0.10000000000000000001}` + "\n" + `{"i":-9223372036854775808,"f":1e3}` + "\n",
			"i: integer, f: double, _extra: JSON", // the shortest digits of the double 2^63 are others
			`{"i":9223372036854775807,"f":1,"_extra":null}` + "\n" + `{"i":null,"f":null,"_extra":"{\"i\":9223372036854775808,\"f\":0.10000000000000000001}"}` + "\n" + `{"i":-9223372036854775808,"f":1000,"_extra":null}` + "\n"},
		{`{"x":0.5,"big":123e40}` + "\n" + `{"x":9007199254740993}` + "\n", "x: double, big: double, _extra: JSON",
			`{"x":0.5,"big":1.23e+42,"_extra":null}` + "\n" + `{"x":null,"big":null,"_extra":"{\"x\":9007199254740993}"}` + "\n"},
		{`{"i":-9223372036854775808}` + "\n" + `{"i":100000000000000000001}` + "\n" + `{"i":7}` + "\n",
			"i: integer, _extra: JSON",
			`{"i":-9223372036854775808,"_extra":null}` + "\n" + `{"i":null,"_extra":"{\"i\":100000000000000000001}"}` + "\n" + `{"i":7,"_extra":null}` + "\n"},
		{`{"x":-0}` + "\n" + `{"x":1e400}` + "\n", "x: double, _extra: JSON", `{"x":-0,"_extra":null}` + "\n" + `{"x":null,"_extra":"{\"x\":1e400}"}` + "\n"},
		// A member that is called as the extra column.
		{`{"_extra":null,"a":"x"}` + "\n", "a: string, _extra: JSON", `{"a":"x","_extra":null}` + "\n"},
		{`{"_extra":1,"a":"x"}` + "\n", "a: string, _extra: JSON", `{"a":"x","_extra":"{\"_extra\":1}"}` + "\n"},
		{`{"a\"\n":"x","":2}` + "\r\n", "a\"\n: string, : integer, _extra: JSON", `{"a\"\n":"x","":2,"_extra":null}` + "\n"},
	} {
		file := written(t, c.lines, 1000)
		if got := strings.Join(columnsOf(t, file), ", "); got != c.columns {
			t.Errorf("%s: columns %s, want %s", c.lines, got, c.columns)
		}
		got, err := readAll(stored(file), whole)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got.text(), c.rows)
		again(t, c.lines, file)
	}
}

// TestRecordsLater: what comes after the records that decide goes to the extra column where it does not fit.
func TestRecordsLater(t *testing.T) {
	var b strings.Builder
	for i := range sampleRecords {
		fmt.Fprintf(&b, `{"id":%d,"text":"x","tags":["a"],"ok":false,"f":1.5,"ids":[1]}`+"\n", i)
	}
	b.WriteString(`{"id":1.0,"text":2,"tags":["a",null],"ok":1,"f":"x","ids":[1.5],"late":"\u00e9"}` + "\n")
	b.WriteString(`{"late":null,"id":5}` + "\n")
	file := written(t, b.String(), 700)
	again(t, b.String(), file)
	got, err := readAll(stored(file), whole)
	if err != nil {
		t.Fatal(err)
	}
	same(t, strings.Join(got.lines[sampleRecords:], ""),
		`{"id":null,"text":null,"tags":null,"ok":null,"f":null,"ids":null,"_extra":"{\"id\":1.0,\"text\":2,\"tags\":[\"a\",null],\"ok\":1,\"f\":\"x\",\"ids\":[1.5],\"late\":\"\\u00e9\"}"}`+"\n"+
			`{"id":5,"text":null,"tags":null,"ok":null,"f":null,"ids":null,"_extra":null}`+"\n")

	b.Reset()
	for i := range 2*maxColumns + 7 {
		fmt.Fprintf(&b, `{"k%d":%d}`+"\n", i, i)
	}
	columns := columnsOf(t, written(t, b.String(), 1<<20))
	if len(columns) != maxColumns+1 {
		t.Errorf("%d columns", len(columns))
	}

	long := `{"text":"` + strings.Repeat("x", sampleBytes/4) + `"}` + "\n"
	columns = columnsOf(t, written(t, strings.Repeat(long, 5)+`{"late":1}`+"\n", 1<<20))
	if want := []string{"text: string", "_extra: JSON"}; !slices.Equal(columns, want) {
		t.Errorf("%q: records of 4 MiB went on deciding after 16 MiB", columns)
	}
}

// TestRecordsAgain: what is read is what was written, but for the order of members, the spelling of numbers, and
// members that are null.
func TestRecordsAgain(t *testing.T) {
	for range 10 {
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		rows := rnd.IntN(1300)
		usual := make([]int, 12) // the kind of each name, mostly
		for i := range usual {
			usual[i] = rnd.IntN(10)
		}
		for range rows {
			b.WriteByte('{')
			sep := ""
			for _, i := range rnd.Perm(len(usual))[:rnd.IntN(len(usual))] {
				kind := usual[i]
				if rnd.IntN(200) == 0 {
					kind = rnd.IntN(10)
				}
				name := fmt.Sprintf("name%d", i)
				if i == 7 {
					name = `\u00e9\"`
				}
				if i == 8 {
					name = ExtraColumn
				}
				fmt.Fprintf(&b, `%s"%s":%s`, sep, name, randomValue(rnd, kind))
				sep = ","
			}
			b.WriteString("}\n")
		}
		file := written(t, b.String(), 1+rnd.IntN(5000))
		if !bytes.Equal(file, written(t, b.String(), 1+rnd.IntN(5000))) {
			t.Fatalf("seed %d: how the lines are cut changes the file", seed)
		}
		again(t, b.String(), file)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// again reads the file and compares the records with those that it was made of.
func again(t *testing.T, from string, file []byte) {
	t.Helper()
	got, err := readAll(file, whole)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(from))
	if len(got.lines) != len(lines) {
		t.Fatalf("%d rows of %d", len(got.lines), len(lines))
	}
	for i := range lines {
		if is, was := folded(t, got.lines[i]), folded(t, lines[i]); is != was {
			t.Errorf("row %d: %s\n got %s\nfrom %s", i, lines[i], is, was)
			return
		}
	}
}

func randomValue(rnd *rand.Rand, kind int) string {
	list := func(kind int) string {
		var items []string
		for range rnd.IntN(4) {
			items = append(items, randomValue(rnd, kind))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	switch kind {
	case 0:
		return []string{`""`, `"kaixo"`, `"\u00f1\ud83d\ude00\\\""`, `"a,]}"`, `"` + strings.Repeat("luze ", rnd.IntN(300)) + `"`}[rnd.IntN(5)]
	case 1:
		return fmt.Sprint(int64(rnd.Uint64()) >> rnd.IntN(64))
	case 2:
		return []string{"0.1", "-0.0", "1e10", "1E+2", "1.50", "0.1234567890123456789", "1e999", "-0", "5e-324", "0e5", fmt.Sprint(rnd.NormFloat64())}[rnd.IntN(11)]
	case 3:
		return []string{"true", "false"}[rnd.IntN(2)]
	case 4:
		return list(1)
	case 5:
		return list(0)
	case 6:
		return list(rnd.IntN(4))
	case 7:
		return fmt.Sprintf(`{"a":%s,"b":{"c":%s}}`, randomValue(rnd, rnd.IntN(7)), randomValue(rnd, rnd.IntN(7)))
	case 8:
		return fmt.Sprint(rnd.Uint64(), rnd.Uint64N(9))[:rnd.IntN(15)+1]
	}
	return "null"
}

// folded is a record in a form of which two are equal if the records are: members sorted, without null, numbers as
// digits and exponent.
func folded(t *testing.T, line string) string {
	t.Helper()
	var members []string
	d := jsontext.NewDecoder(strings.NewReader(line))
	_, _ = d.ReadToken()
	for d.PeekKind() != '}' {
		n, err := d.ReadToken()
		if err != nil {
			t.Fatal(err, line)
		}
		name := n.String()
		v, err := d.ReadValue()
		if err != nil {
			t.Fatal(err, line)
		}
		if v.Kind() != 'n' {
			members = append(members, fmt.Sprintf("%q:%s", name, plainValue(t, v)))
		}
	}
	slices.Sort(members)
	return strings.Join(members, ",")
}

func plainValue(t *testing.T, v jsontext.Value) string {
	var b strings.Builder
	d := jsontext.NewDecoder(bytes.NewReader(v))
	for d.PeekKind() > 0 {
		if d.PeekKind() == '0' {
			n, _ := d.ReadValue()
			digits, e := significant(nil, n)
			fmt.Fprintf(&b, "#%t %s e%d ", n[0] == '-', digits, e)
			continue
		}
		tok, err := d.ReadToken()
		if err != nil {
			t.Fatal(err, string(v))
		}
		fmt.Fprintf(&b, "%v %q ", tok.Kind(), tok)
	}
	return b.String()
}

// TestRecordsOfOthers: the mark is in a file that somebody else has changed.
func TestRecordsOfOthers(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, []Column{{Name: "a", Type: JSON, Optional: true}, {Name: ExtraColumn, Type: JSON}, {Name: "l", Type: JSON, List: true, Optional: true}},
		WriterOptions{KeyValue: []KV{{"pandas", "{}"}, {recordsKey, recordsVersion}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][2]string{{"{\n\"x\":\n1}", "{ }"}, {"", "{\"b\":2}"}, {"nonsense", "[1]"}, {"1", "{}"}, {strings.Repeat(" \n", pieceLen) + "1", "}"}} {
		if row[0] != "" {
			w.Text(0, []byte(row[0]))
		}
		w.Text(1, []byte(row[1]))
		w.Texts(2, [][]byte{[]byte("{}")})
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(b.Bytes(), whole)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.text(), `{"a":{ "x": 1},"l":["{}"]}`+"\n"+`{"b":2,"l":["{}"]}`+"\n"+`{"a":nonsense,"_extra":[1],"l":["{}"]}`+"\n"+`{"a":1,"l":["{}"]}`+"\n"+
		`{"a":`+strings.Repeat("  ", pieceLen)+`1,"_extra":},"l":["{}"]}`+"\n")

	// Only some of the columns: what they lack may be among the extra members.
	o := whole
	o.Columns = []record.Path{record.MustPath("b.c")}
	if got, err = readAll(b.Bytes(), o); err != nil {
		t.Fatal(err)
	}
	if got.lines[1] != `{"b":2,"l":["{}"]}`+"\n" {
		t.Error(got.lines[1])
	}
	o.Columns = []record.Path{record.MustPath("a")}
	if got, err = readAll(b.Bytes(), o); err != nil {
		t.Fatal(err)
	}
	if got.lines[0] != `{"a":{ "x": 1}}`+"\n" || got.lines[1] != `{"b":2}`+"\n" {
		t.Error(got.lines[:2])
	}
}

// TestRecordsGolden: the bytes do not change unawares. bench/parquet_written.py compares what other readers make of it.
func TestRecordsGolden(t *testing.T) {
	var b strings.Builder
	for i := range 1010 {
		if i%40 > 0 && i < 1000 {
			fmt.Fprintf(&b, `{"n":%d}`+"\n", i)
			continue
		}
		fmt.Fprintf(&b, `{"id":"doc-%d","text":"Kaixo, mundua! %d\nñ","n":%d,"score":%g,"good":%t,"tags":["a","b%d"],"ids":[%d,2],"meta":{"url":"x","n":%d}`, i, i*i, i-5, float64(i)/7, i%3 == 0, i%4, i, i)
		if i%5 == 0 {
			b.WriteString(`,"language":"eu"`)
		}
		if i > 1003 {
			b.WriteString(`,"late":[true]`)
		}
		b.WriteString("}\n")
	}
	file := written(t, b.String(), 4096)
	again(t, b.String(), file)
	got, err := readAll(file, whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]string{"records.parquet": string(file), "records.jsonl": got.text()} {
		if *update {
			if err := os.WriteFile("testdata/"+name, []byte(b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if string(load(t, "testdata/"+name)) != b {
			t.Errorf("%s is another one now; look at what changed, then run with -update", name)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	line := []byte(`{"id":"doc-1","text":"` + strings.Repeat("Euskal Herriko hizkuntza da euskara, eta ", 80) + `","n":12,"score":0.25,"tags":["a","b"],"meta":{"url":"https://example.org"}}` + "\n")
	r := NewRecords(&bytes.Buffer{})
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := r.Write(line); err != nil {
			b.Fatal(err)
		}
	}
}
