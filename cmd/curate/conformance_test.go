package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// cases lists the files of a conformance folder: below $CURATE_CONFORMANCE, else the copies in testdata.
func cases(t *testing.T, folder, glob string) []string {
	t.Helper()
	for _, root := range []string{os.Getenv("CURATE_CONFORMANCE"), "testdata/conformance"} {
		if root == "" {
			t.Log("CURATE_CONFORMANCE is not set; using the copies in testdata")
			continue
		}
		files, err := filepath.Glob(filepath.Join(root, folder, glob))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			return files
		}
		t.Logf("%s has no %s/%s", root, folder, glob)
	}
	t.Fatalf("no cases of %s anywhere", folder)
	return nil
}

// isRecord is an independent opinion, with encoding/json, on whether a line is a record with a text.
func isRecord(line []byte) bool {
	if !utf8.Valid(line) || !json.Valid(line) {
		return false
	}
	// encoding/json replaces lone surrogates by U+FFFD: a line that spells one must have meant it.
	lower := bytes.ToLower(line)
	for i := 0; ; {
		j := bytes.Index(lower[i:], []byte(`\ud`))
		if j < 0 {
			break
		}
		i += j
		var s string
		if len(lower) < i+12 || json.Unmarshal([]byte(`"`+string(line[i:i+12])+`"`), &s) != nil || strings.ContainsRune(s, utf8.RuneError) {
			return false
		}
		i += 12
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	text, names := false, map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil || names[name.(string)] {
			return false
		}
		names[name.(string)] = true
		var v any
		if d.Decode(&v) != nil {
			return false
		}
		if name == "text" {
			_, text = v.(string)
		}
	}
	return text
}

// TestConformanceBadInput: whatever is wrong in a file, read = kept + quarantined, the other lines come out
// byte for byte but for the added key, and each bad line is in the quarantine with its place and its bytes.
func TestConformanceBadInput(t *testing.T) {
	files := cases(t, "bad-input", "*.jsonl")
	agreed := 0
	for _, in := range files {
		data, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		cmd := curate(t, "filter", "--profile", "gopher", "--annotate", "-o", dir+"/out.jsonl", "--quarantine", dir+"/q.jsonl", "--ledger", dir+"/ledger.json", in)
		code, said := exitCode(t, cmd)
		var kept [][]byte
		type bad struct {
			File      string
			Offset    int64
			Line      int64
			Error     string
			Raw       *string
			RawBase64 *string `json:"raw_base64"`
		}
		var quarantined []bad
		blank, off, no := 0, int64(0), int64(0)
		for line := range bytes.Lines(data) {
			no++
			at := off
			off += int64(len(line))
			line = bytes.TrimSuffix(line, []byte("\n"))
			if at == 0 {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			}
			switch {
			case len(bytes.TrimSpace(line)) == 0:
				blank++
			case isRecord(line):
				kept = append(kept, line)
			default:
				b := bad{File: in, Offset: at, Line: no}
				if s := string(line); utf8.Valid(line) {
					b.Raw = &s
				} else {
					s := base64.StdEncoding.EncodeToString(line)
					b.RawBase64 = &s
				}
				quarantined = append(quarantined, b)
			}
		}
		ok := true
		fail := func(format string, args ...any) {
			ok = false
			t.Errorf("%s: %s\nit said: %s", filepath.Base(in), fmt.Sprintf(format, args...), said)
		}
		want := 0
		if len(quarantined) > 0 {
			want = 3
		}
		if code != want {
			fail("exit %d, want %d", code, want)
		}
		out, err := os.ReadFile(dir + "/out.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		lines := slices.Collect(bytes.Lines(out))
		if len(lines) != len(kept) {
			fail("%d records kept, want %d", len(lines), len(kept))
			continue
		}
		for i, l := range lines {
			if got, err := withoutCurate(l); err != nil || !bytes.Equal(got, kept[i]) {
				fail("record %d came out as %s, went in as %s (%v)", i, l, kept[i], err)
			}
		}
		q, err := os.ReadFile(dir + "/q.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		var got []bad
		for l := range bytes.Lines(q) {
			var b bad
			if err := json.Unmarshal(l, &b); err != nil {
				t.Fatal(err)
			}
			if b.Error == "" {
				fail("quarantined without an error: %s", l)
			}
			b.Error = ""
			got = append(got, b)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(quarantined)
		if !bytes.Equal(a, b) {
			fail("quarantine %s, want %s", a, b)
		}
		var ledger struct {
			Read, Kept, Quarantined int
			Blank                   int `json:"blank_lines"`
		}
		l, err := os.ReadFile(dir + "/ledger.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(l, &ledger); err != nil {
			t.Fatal(err)
		}
		if ledger.Read != len(kept)+len(quarantined) || ledger.Kept != len(kept) || ledger.Quarantined != len(quarantined) || ledger.Blank != blank {
			fail("ledger %+v, want %d kept, %d quarantined, %d blank", ledger, len(kept), len(quarantined), blank)
		}
		if ok {
			agreed++
		}
	}
	t.Logf("bad-input: %d files ran, %d agreed", len(files), agreed)
}

// withoutCurate takes the member "curate", which stands last where a record had none, off again.
func withoutCurate(line []byte) ([]byte, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	i := bytes.LastIndex(line, []byte(`"curate":{"filter":`))
	if i < 0 {
		return nil, fmt.Errorf("no verdict")
	}
	var verdict struct{ Filter json.RawMessage }
	d := json.NewDecoder(bytes.NewReader(line[i+len(`"curate":`):]))
	if err := d.Decode(&verdict); err != nil {
		return nil, err
	}
	rest := line[i+len(`"curate":`)+int(d.InputOffset()):]
	return slices.Concat(bytes.TrimSuffix(line[:i], []byte(",")), rest), nil
}

// TestPages annotates real pages and finds them again byte for byte: those of $CURATE_DATA (a folder of
// .jsonl.zst), else the examples.
func TestPages(t *testing.T) {
	root := os.Getenv("CURATE_DATA")
	if root == "" {
		t.Log("CURATE_DATA is not set; using examples/pages")
		root = "../../examples/pages"
	}
	files, err := filepath.Glob(filepath.Join(root, "??.jsonl.zst"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages in %s (%v)", root, err)
	}
	records := 0
	for _, in := range files {
		var stdout bytes.Buffer
		cmd := curate(t, "filter", "--profile", "gopher", "--annotate", "-q", in)
		cmd.Stdout = &stdout
		if code, said := exitCode(t, cmd); code != 0 {
			t.Fatalf("%s: exit %d: %s", in, code, said)
		}
		f, err := os.Open(in)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		z.Close()
		f.Close()
		want := slices.Collect(bytes.Lines(data))
		got := slices.Collect(bytes.Lines(stdout.Bytes()))
		if len(got) != len(want) {
			t.Fatalf("%s: %d records came out of %d", in, len(got), len(want))
		}
		for i := range got {
			if line, err := withoutCurate(got[i]); err != nil || !bytes.Equal(line, bytes.TrimSuffix(want[i], []byte("\n"))) {
				t.Fatalf("%s: record %d is not what it was (%v)", in, i, err)
			}
		}
		records += len(got)
	}
	t.Logf("%d files, %d records", len(files), records)
}
