package report_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/report"
)

// memory is a store of a few files that are only read.
type memory struct {
	store.Store
	files map[string]string
}

func (m memory) Stat(_ context.Context, name string) (store.Info, error) {
	if c, ok := m.files[path.Clean(name)]; ok {
		return store.Info{Name: name, Size: int64(len(c))}, nil
	}
	return store.Info{}, fs.ErrNotExist
}

func (m memory) Open(_ context.Context, name string, _ int64) (io.ReadCloser, error) {
	if c, ok := m.files[path.Clean(name)]; ok {
		return io.NopCloser(strings.NewReader(c)), nil
	}
	return nil, fs.ErrNotExist
}

func (m memory) List(_ context.Context, dir string) (list []store.Info, err error) {
	for name := range m.files {
		if strings.HasPrefix(name, path.Clean(dir)+"/") {
			list = append(list, store.Info{Name: name})
		}
	}
	if list == nil {
		return nil, fs.ErrNotExist
	}
	return list, nil
}

// FuzzRead gives it files as nobody wrote them: an error or a page, and no markup of the files' on it.
func FuzzRead(f *testing.F) {
	tests := `{"step":{"stages":[{"name":"filter","version":1,"config":{"tests":[{"compare":"above","reason":"short","rule":"r","signal":"words","threshold":5}]}}]}}`
	f.Add(ledger(1, "r:short", `"words@3":1,"words@0":2,"x":1`), tests,
		`{"id":1,"text":"x","curate":{"filter":{"verdict":"drop","rule":"r","reason":"short","duplicate_of":"1099511627776","similarity":0.5}}}`+"\n",
		`{"file":"a","offset":1,"line":null,"error":"at 5","raw_base64":"/w=="}`+"\n")
	f.Add(`{"stages":[{"name":"read","read":-1,"kept":9223372036854775807,"dropped":{"":-5},"measured":{"words":-1}}]}`, `{"step":{"stages":[{}]}}`, "{}\n", "{}\n")
	f.Fuzz(func(t *testing.T, ledger, config, dropped, quarantine string) {
		st := memory{files: map[string]string{
			"out/_curate/done": "", "out/_curate/ledger.json": ledger, "out/_curate/config.json": config, "out/_curate/manifest.json": `{"files":[{"number":1,"path":"a"}]}`,
			"out/_curate/dropped/part-00001-00000.jsonl": dropped, "out/_curate/quarantine/part-00001-00000.jsonl": quarantine,
		}}
		r, err := report.Read(t.Context(), st, "out")
		if err != nil {
			if !strings.Contains(err.Error(), "out") && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		var html, other bytes.Buffer
		if err := errors.Join(r.WriteHTML(&html), r.WriteJSON(&other), r.WriteFunnel(&other)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(html.String()), "<script") {
			t.Error("a script on the page")
		}
	})
}
