package dedup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// TestExactOwnIDs: whatever records were sealed together, the rows of evidence and of the summary's samples have the own
// ids of both records, and only where they have one.
func TestExactOwnIDs(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 4))
	most := strings.Repeat("m", maxSignID-2)
	kinds := map[string]int{}
	for round := range 60 {
		cfg := ExactConfig{Keep: []string{"first", "best:n"}[round%2], Findings: Findings{Evidence: true}}
		if cfg.URL = round%3 == 0; cfg.URL {
			cfg.IDField = record.MustPath("meta.id")
		}
		e := mustExact(t, cfg)
		if round%4 > 0 {
			small(e)
		}
		var lines []string
		own := map[string]string{}
		for i := range 1 + rng.IntN(120) {
			id := fmt.Sprint(int64(record.MakeID(1, int64(i))))
			text := fmt.Sprintf(`"text":"%d"`, rng.IntN(30))
			if cfg.URL {
				text = fmt.Sprintf(`"text":"t","url":"%s"`, []string{"", fmt.Sprintf("http://a.b/%d", rng.IntN(30))}[min(rng.IntN(9), 1)])
			}
			json, has := "", true
			switch rng.IntN(6) {
			case 0:
				json, has = `null`, false
			case 1:
				json, has = `"`+most+`m"`, false
			case 2:
				json = `"` + most + `"`
			case 3:
				json = fmt.Sprint(-i)
			default:
				json = fmt.Sprintf(`"é\u00e9/%d"`, i)
			}
			if has {
				own[id] = json
			}
			if cfg.URL {
				json = `{"id":` + json + `}`
				lines = append(lines, fmt.Sprintf(`{"meta":%s,"n":%d,%s}`, json, rng.IntN(5), text))
				continue
			}
			lines = append(lines, fmt.Sprintf(`{"id":%s,"n":%d,%s}`, json, rng.IntN(5), text))
		}
		var sealed []stage.Sealed
		for _, part := range parted(t, rng, e, lines) {
			var b bytes.Buffer
			if err := part.Seal(&b); err != nil {
				t.Fatal(err)
			}
			sealed = append(sealed, stage.Sealed{Size: int64(b.Len()), Data: inMemory{bytes.NewReader(b.Bytes())}})
		}
		if k := len(sealed); k > 1 && round%2 == 0 { // some of them are merged
			var b bytes.Buffer
			var in []io.Reader
			for _, s := range sealed[1:] {
				in = append(in, io.NewSectionReader(s.Data, 0, s.Size))
			}
			if err := e.Merge(&b, in); err != nil {
				t.Fatal(err)
			}
			sealed = []stage.Sealed{{Size: int64(b.Len()), Data: inMemory{bytes.NewReader(b.Bytes())}}, sealed[0]}
		}
		ws := stagetest.NewWorkspace(16<<20, 2)
		if _, err := e.Finish(t.Context(), sealed, ws); err != nil {
			t.Fatal(err)
		}
		if names := withoutFindings(ws.Names()); !slices.Equal(names, []string{decisionsFile}) {
			t.Fatalf("files %v are left", names)
		}
		name := "dedup.evidence.jsonl.zst"
		rows := bytes.Split(bytes.TrimSpace(found(t, ws, name)), []byte("\n"))
		summary := found(t, ws, "dedup.json")
		for _, row := range rows {
			if len(row) == 0 {
				continue
			}
			r := rowsOf(t, row)[0]
			for _, side := range []string{"dropped", "kept"} {
				want, has := own[r[side].(string)]
				_, there := r["id_"+side]
				if has != there || has && !bytes.Contains(row, []byte(`"id_`+side+`":`+want)) {
					t.Fatalf("round %d: %s has the own id %s: %s", round, side, want, row)
				}
				kinds[fmt.Sprint(side, has)]++
			}
			if len(rows) <= maxSamples && strings.Count(string(summary), `"id_`) == 0 && len(own) > 0 && bytes.Contains(row, []byte(`"id_`)) {
				t.Fatalf("round %d: no own id in the summary %s", round, summary)
			}
		}
	}
	for _, kind := range []string{"droppedtrue", "droppedfalse", "kepttrue", "keptfalse"} {
		if kinds[kind] < 50 {
			t.Errorf("only %d rows with %s", kinds[kind], kind)
		}
	}
}

// parted puts records at random into a few Partials, and joins some of these.
func parted(t *testing.T, rng *rand.Rand, e *Exact, lines []string) []stage.Partial {
	t.Helper()
	parts := make([]stage.Partial, 1+rng.IntN(6))
	batches := make([]record.Batch, len(parts))
	for i, l := range lines {
		batches[rng.IntN(len(parts))].Append(record.MakeID(1, int64(i)), int64(i+1), []byte(l))
	}
	for i := range parts {
		parts[i] = e.NewPartial()
		batches[i].Parse()
		if err := e.Key().NewWorker().Map(t.Context(), &batches[i]); err != nil {
			t.Fatal(err)
		}
		if err := parts[i].Add(&batches[i]); err != nil {
			t.Fatal(err)
		}
	}
	for len(parts) > 1 && rng.IntN(2) == 0 {
		last := len(parts) - 1
		if err := parts[0].Join(parts[last]); err != nil {
			t.Fatal(err)
		}
		parts = parts[:last]
	}
	return parts
}

// TestExactWithoutEvidence: where nobody asks, nothing of own ids is sealed.
func TestExactWithoutEvidence(t *testing.T) {
	e := mustExact(t, ExactConfig{})
	p := e.NewPartial()
	if err := p.Add(keyed(t, e, `{"id":"abc","text":"a"}`)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Seal(&b); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("abc")) {
		t.Errorf("sealed is %q", b.Bytes())
	}
}

// FuzzExactSealed: of whatever bytes, Merge and openOwns answer with ErrSets or agree.
func FuzzExactSealed(f *testing.F) {
	e, err := NewExact(ExactConfig{Findings: Findings{Evidence: true}})
	if err != nil {
		f.Fatal(err)
	}
	p := e.NewPartial()
	if err := p.Add(keyed(f, e, `{"id":"abc","text":"a"}`, `{"text":"b"}`, `{"id":7,"text":"a"}`)); err != nil {
		f.Fatal(err)
	}
	var good bytes.Buffer
	if err := p.Seal(&good); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:60])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var merged bytes.Buffer
		mergeErr := e.Merge(&merged, []io.Reader{bytes.NewReader(b)})
		if mergeErr == nil && !bytes.Equal(merged.Bytes(), b) {
			t.Fatalf("Merge of one file gives others: %d bytes of %d", merged.Len(), len(b))
		}
		files, _, err := openHeads([]stage.Sealed{sealedBytes(b)})
		var ids []stage.Sealed
		if err == nil {
			ids, _, err = openOwns(files)
		}
		if err == nil {
			var all *owns
			if all, err = ownsOf(ids, 1<<20); err == nil {
				var last record.ID
				for n := 0; ; n++ {
					var r *ownReader
					if r, err = all.next(); err != nil || r == nil {
						break
					}
					if n > 0 && r.id <= last {
						t.Fatalf("record %d comes behind record %d", r.id, last)
					}
					last = r.id
				}
			}
		}
		if err != nil && (mergeErr == nil || !errors.Is(err, ErrSets) && !errors.Is(err, errSources)) {
			t.Fatalf("error %v, and of Merge %v", err, mergeErr)
		}
	})
}
