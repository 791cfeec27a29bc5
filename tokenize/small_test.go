package tokenize

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"curate/tokenize/pretokenizer"
)

// small is a tokenizer.json with the 256 bytes as tokens 0 to 255 and a few merges; edits replace parts of it.
func small(t testing.TB, edits ...string) string {
	t.Helper()
	name := func(s string) string { // as the alphabet writes it
		var b strings.Builder
		b.Write(pretokenizer.AppendSpelled(nil, []byte(s)))
		q, err := json.Marshal(b.String())
		if err != nil {
			t.Fatal(err)
		}
		return string(q)
	}
	var vocab, merges []string
	for b := range 256 {
		vocab = append(vocab, fmt.Sprintf("%s:%d", name(string([]byte{byte(b)})), b))
	}
	for i, m := range [][2]string{{"l", "o"}, {"lo", "w"}, {" ", "low"}, {"e", "r"}} {
		vocab = append(vocab, fmt.Sprintf("%s:%d", name(m[0]+m[1]), 256+i))
		merges = append(merges, name(m[0])[:len(name(m[0]))-1]+" "+name(m[1])[1:])
	}
	vocab = append(vocab, `"lower":260`) // no merge leads here
	f := `{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":261,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],` +
		`"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},` +
		`"post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},` +
		`"model":{"type":"BPE","dropout":null,"unk_token":null,"ignore_merges":false,"vocab":{` + strings.Join(vocab, ",") + `},"merges":[` + strings.Join(merges, ",") + `]}}`
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(f, edits[i]) {
			t.Fatalf("no %s to replace", edits[i])
		}
		f = strings.Replace(f, edits[i], edits[i+1], 1)
	}
	return f
}

// Parts of the small tokenizer, for edits.
const (
	smallAdded = `{"id":261,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}`
	smallPre   = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`
	smallPost  = `"post_processor":null`
)

func smallTokenizer(t testing.TB, file string) *Tokenizer {
	t.Helper()
	tok, err := Load(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// must is v; an error ends the test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// splitPre is the pre-tokenizer of a scanner's regex.
func splitPre(t testing.TB, scanner string) string {
	t.Helper()
	s, err := pretokenizer.NewScanner(scanner)
	if err != nil {
		t.Fatal(err)
	}
	q, err := json.Marshal(s.Pattern())
	if err != nil {
		t.Fatal(err)
	}
	return `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":` + string(q) + `},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}`
}

func scannersAll(t testing.TB) (list []*pretokenizer.Scanner) {
	t.Helper()
	for _, name := range pretokenizer.Names() {
		s, err := pretokenizer.NewScanner(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}
