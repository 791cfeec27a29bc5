package progress

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"curate/corpus/store/storetest"
	"curate/pipeline"
)

// dir is a run directory in memory, with a clock that stands still until it is moved.
type dir struct {
	t  *testing.T
	st *storetest.Memory
	at time.Time
	w  *Watcher
}

func newDir(t *testing.T) *dir {
	d := &dir{t: t, st: storetest.NewMemory(), at: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	d.st.Now = func() time.Time { return d.at }
	d.w = NewWatcher(d.st, "run/", func() time.Time { return d.at })
	return d
}

func (d *dir) wait(seconds int) { d.at = d.at.Add(time.Duration(seconds) * time.Second) }

func (d *dir) put(name, content string) {
	d.t.Helper()
	w, err := d.st.Create(d.t.Context(), "run/"+name)
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *dir) remove(name string) {
	if err := d.st.Remove(d.t.Context(), "run/"+name); err != nil {
		d.t.Fatal(err)
	}
}

// append adds raw bytes to a log.
func (d *dir) append(name, raw string) {
	d.t.Helper()
	l, err := d.st.OpenLog(d.t.Context(), "run/"+name)
	if err == nil {
		err = l.Append([]byte(raw))
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *dir) look() *Run {
	d.t.Helper()
	r, err := d.w.Look(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	// Whoever comes later sees the same, but for what takes two looks.
	late, err := NewWatcher(d.st, "run", func() time.Time { return d.at }).Look(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	text := func(r *Run) string {
		again := *r
		again.Steps = nil
		for _, s := range r.Steps {
			one := *s
			one.Rate, one.Left = nil, nil
			again.Steps = append(again.Steps, &one)
		}
		var b strings.Builder
		if err := again.WriteJSON(&b); err != nil {
			d.t.Fatal(err)
		}
		return b.String()
	}
	if a, b := text(r), text(late); a != b {
		d.t.Errorf("who has watched sees\n%s\nwho comes now\n%s", a, b)
	}
	return r
}

// frame is an entry as docs/formats/journal.md has it.
func frame(payload string) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64String(payload))
	return string(b) + payload
}

func entry(t *testing.T, file, split int, read, kept, quarantined, bytes int64, eof bool) string {
	t.Helper()
	c := pipeline.Counts{Read: read, Kept: kept, Quarantined: quarantined, BytesIn: bytes, Dropped: map[string]int64{"a:b": read - kept - quarantined}}
	payload, err := json.Marshal(pipeline.Entry{File: file, Split: split, Lines: read, End: bytes, EOF: eof, Counts: c})
	if err != nil {
		t.Fatal(err)
	}
	return frame(string(payload))
}

func config(stages, phases string) string {
	return `{"program":"curate test","identity":"id","phases":` + phases + `,"step":{"stages":[{"name":"` + stages + `"}]}}`
}

const twoFiles = `{"files":[{"number":1,"path":"a.jsonl","size":1000},{"number":2,"path":"b.jsonl.zst","size":500}]}`

func (d *dir) want(what string) {
	d.t.Helper()
	r := d.look()
	if got := string(r.State) + ": " + strings.Join(r.Lines(), "; "); got != what {
		d.t.Errorf("got  %s\nwant %s", got, what)
	}
}

// One command with -o DIR, from nothing to its end.
func TestOneDirectory(t *testing.T) {
	d := newDir(t)
	d.want("absent: no run has begun here yet")
	d.put("_curate/manifest.json", twoFiles)
	d.want("absent: no run has begun here yet")
	d.put("_curate/config.json", config("filter", "1"))
	d.wait(10)
	d.want("begun: reading, 0 of 2 files, 0 splits, 0 records, last change 10s ago")
	d.append("_curate/journal", entry(t, 1, 0, 100, 60, 1, 400, false))
	d.want("begun: reading, 0 of 2 files, 1 split, 100 records, 60.0 % kept, 1 quarantined, last change 0s ago")
	whole := entry(t, 2, 0, 300, 200, 0, 2_000_000, true)
	d.append("_curate/journal", whole[:20])
	d.wait(10)
	d.want("begun: reading, 0 of 2 files, 1 split, 100 records, 60.0 % kept, 1 quarantined, 0.0 MB/s, 28s left, last change 10s ago")
	d.append("_curate/journal", whole[20:])
	r := d.look()
	s := r.Steps[0]
	// 400 of 1,000 plain bytes, and all 500 of the other file.
	if s.Share == nil || *s.Share != 900.0/1500 || s.Rate == nil || s.Rate.Bytes != 2_000_400/10. || s.Left == nil {
		t.Errorf("share %v, rate %v, left %v", s.Share, s.Rate, s.Left)
	}
	if s.Records != 400 || s.Kept != 260 || s.Dropped != 139 || s.Quarantined != 1 || s.FilesDone != 1 || s.Phase != 1 || s.Phases != 1 || !slices.Equal(s.Stages, []string{"filter"}) {
		t.Errorf("%+v", s)
	}
	// A split whose parts were lost is made again, and counts once.
	d.append("_curate/journal", entry(t, 1, 0, 100, 50, 0, 400, false)+entry(t, 1, 1, 10, 10, 0, 600, true))
	d.want("begun: finishing, 2 of 2 files, 3 splits, 410 records, 63.4 % kept, 0.2 MB/s, last change 0s ago")
	d.put("_curate/timing.json", `{"attempts":[{"how":"stopped"}]}`)
	d.wait(90)
	d.want("stopped: stopped, 2 of 2 files, 3 splits, 410 records, 63.4 % kept, last change 1m ago")
	d.put("_curate/lock", "pid 1")
	d.want("begun: finishing, 2 of 2 files, 3 splits, 410 records, 63.4 % kept, last change 1m ago")
	d.put("_curate/ledger.json", `{"read":410,"kept":260,"dropped":{"a:b":150},"quarantined":0,"bytes_in":2001000}`)
	d.put("_curate/done", "")
	d.want("done: done, 410 records, 63.4 % kept")
	// Begun anew, while it is looked at.
	d.put("_curate/clearing", "")
	d.want("clearing: clearing, last change 1m ago")
	for _, name := range []string{"done", "ledger.json", "timing.json", "journal", "manifest.json", "config.json", "clearing"} {
		d.remove("_curate/" + name)
	}
	d.want("absent: no run has begun here yet")
	d.put("_curate/manifest.json", twoFiles)
	d.put("_curate/config.json", config("filter", "1"))
	d.append("_curate/journal", entry(t, 1, 0, 7, 7, 0, 400, false))
	d.want("begun: reading, 0 of 2 files, 1 split, 7 records, 100.0 % kept, last change 0s ago")
}

// A journal that is shorter than what was read of it, under the same configuration, and an entry that makes no sense.
func TestJournalCut(t *testing.T) {
	d := newDir(t)
	d.put("_curate/manifest.json", twoFiles)
	d.put("_curate/config.json", config("filter", "1"))
	d.append("_curate/journal", entry(t, 1, 0, 9, 9, 0, 4, false)+entry(t, 1, 1, 9, 9, 0, 4, false))
	d.look()
	d.put("_curate/journal", entry(t, 1, 0, 5, 5, 0, 4, false))
	d.want("begun: reading, 0 of 2 files, 1 split, 5 records, 100.0 % kept, last change 0s ago")
	d.put("_curate/journal", frame(`{"file":1,"unheard":2}`))
	if _, err := NewWatcher(d.st, "run", time.Now).Look(t.Context()); err == nil || !strings.Contains(err.Error(), "run/_curate/journal: journal entry at byte 0") {
		t.Errorf("an entry without sense: %v", err)
	}
}

// Entries longer than what is read at a time, and many of them.
func TestLongJournal(t *testing.T) {
	d := newDir(t)
	d.put("_curate/manifest.json", twoFiles)
	d.put("_curate/config.json", config("filter", "1"))
	long := strings.TrimSuffix(strings.SplitAfterN(entry(t, 2, 0, 1, 1, 0, 4, false), "{", 2)[1], "}")
	d.append("_curate/journal", frame("{"+long+strings.Repeat(" ", 3*piece)+"}"))
	var b strings.Builder
	const n = 20000
	for i := range n {
		b.WriteString(entry(t, 1, i, 1, 1, 0, 4, i == n-1))
	}
	d.append("_curate/journal", b.String())
	if s := d.look().Steps[0]; s.Splits != n+1 || s.Records != n+1 || s.FilesDone != 1 {
		t.Errorf("%d splits, %d records, %d files", s.Splits, s.Records, s.FilesDone)
	}
}

// Several phases, as of a deduplication: the last one has the journal that lies apart.
func TestPhases(t *testing.T) {
	for _, phases := range []string{"3", "0"} { // as an earlier version has it, which does not say it
		d := newDir(t)
		d.put("_curate/manifest.json", twoFiles)
		d.put("_curate/config.json", config("dedup", phases))
		of := " of 3"
		if phases == "0" {
			of = ""
		}
		d.append("_curate/phase1/journal", entry(t, 1, 0, 100, 90, 10, 400, true))
		d.look()
		d.append("_curate/phase1/journal", entry(t, 2, 0, 100, 100, 0, 400, true))
		d.append("_curate/phase1/steps", frame(`{"name":"buckets","size":3}`)+frame(`{"name":"b"}`)+frame(`{"name":"c"}`)[:15])
		if s := d.look().Steps[0]; s.Doing != Deciding || s.Made != 2 {
			t.Errorf("phases %s: %s, %d made", phases, s.Doing, s.Made)
		}
		d.append("_curate/phase2/journal", entry(t, 1, 0, 95, 95, 0, 400, true))
		s := d.look().Steps[0]
		if s.Share == nil || *s.Share != 0.5 || s.Phase != 2 || s.Records != 95 || s.Quarantined != 10 {
			t.Errorf("phases %s: %+v", phases, s)
		}
		d.append("_curate/phase2/journal", entry(t, 2, 0, 95, 95, 0, 400, true))
		d.append("_curate/journal", "")
		d.want("begun: reading, phase 3" + of + ", 0 of 2 files, 0 splits, 0 records, 10 quarantined, last change 0s ago")
		d.append("_curate/journal", entry(t, 1, 0, 95, 40, 0, 400, true)+entry(t, 2, 0, 95, 40, 0, 400, true))
		if s := d.look().Steps[0]; s.Kept != 80 || phases == "3" && s.Doing != Finishing {
			t.Errorf("phases %s: %+v", phases, s)
		}
	}
}

// Processes that share the work: a journal a file, or a split, in any order.
func TestRanks(t *testing.T) {
	d := newDir(t)
	d.put("_curate/manifest.json", `{"files":[{"number":1,"path":"a.jsonl","size":1000},{"number":2,"path":"b.jsonl","size":1000},{"number":3,"path":"c.jsonl","size":1000},{"number":4,"path":"d.jsonl","size":1000}]}`)
	d.put("_curate/config.json", config("dedup", "2"))
	d.put("_curate/ranks.json", `{"version":1,"ranges":2}`)
	d.put("_curate/ranks/attempt", "X\n")
	d.put("_curate/phase1/file-00003", entry(t, 3, 0, 10, 10, 0, 1000, true))
	d.put("_curate/phase1/sealed-00003-00000", "")
	d.put("_curate/phase1/file-00001-00001", entry(t, 1, 1, 10, 10, 0, 500, true))
	d.wait(5)
	want := "begun: reading, phase 1 of 2, 1 of 4 files, 2 splits, 20 records, 100.0 % kept, pairs 0 of 2, sets 0 of 4, verify 0 of 2, rehub 0 of 2, components 0 of 1, decide 0 of 1, missing: files 1-2 4, last change 5s ago"
	d.want(want)
	d.put("_curate/phase1/file-00001-00000", entry(t, 1, 0, 10, 10, 0, 500, false))
	if s := d.look().Steps[0]; s.FilesDone != 2 || *s.Share != 0.5 || !slices.Equal(s.Ranks.First, []int{2, 4}) {
		t.Errorf("%d files, share %v, missing %v", s.FilesDone, *s.Share, s.Ranks.First)
	}
	d.put("_curate/phase1/file-00002", entry(t, 2, 0, 10, 10, 0, 1000, true))
	d.put("_curate/phase1/file-00004", entry(t, 4, 0, 10, 10, 0, 1000, true))
	d.put("_curate/ranks/pairs-001-hubs", "")
	d.put("_curate/ranks/decisions", "")
	s := d.look().Steps[0]
	if s.Doing != Deciding || s.Ranks.Missing != 0 || s.Ranks.Parts[0] != (Part{"pairs", 1, 2}) || s.Ranks.Parts[5].Done != 1 {
		t.Errorf("%+v %+v", s, s.Ranks)
	}
	d.put("_curate/phase1/settled", "{}")
	if s := d.look().Steps[0]; s.Phase != 2 || s.Doing != Reading || s.Ranks.Missing != 4 || *s.Share != 0 {
		t.Errorf("%+v %+v", s, s.Ranks)
	}
	// The folder is cleared for another attempt.
	d.remove("_curate/ranks/attempt")
	d.remove("_curate/phase1/file-00002")
	d.remove("_curate/config.json")
	if r := d.look(); r.State != Absent {
		t.Errorf("%s", r.State)
	}
}

// A recipe: steps, of which one trains.
func TestRecipe(t *testing.T) {
	d := newDir(t)
	run := func(first, second string) {
		d.put("_curate/run.json", `{"version":1,"program":"curate test","recipe":"r.yaml","steps":[
			{"name":"clean","dir":"clean","stages":["filter"],"identity":"`+first+`"},{"name":"model","dir":"model","stages":["train"],"identity":"`+second+`"}]}`)
	}
	run("", "")
	d.want("begun: between two steps, 0 of 2 steps done")
	d.put("clean/_curate/manifest.json", twoFiles)
	d.put("clean/_curate/config.json", config("filter", "1"))
	d.want("begun: clean: reading, 0 of 2 files, 0 splits, 0 records, last change 0s ago, 0 of 2 steps done")
	d.put("clean/_curate/ledger.json", `{"read":2,"kept":1}`)
	d.put("clean/_curate/done", "")
	run("id", "")
	d.want("begun: between two steps, 1 of 2 steps done")
	d.put("model/_curate/manifest.json", `{"files":null}`)
	d.put("model/_curate/config.json", `{"program":"curate test","identity":"id","step":{"stages":[{"name":"train"}],"inputs":{"shards":"x"}}}`)
	d.put("model/train.json", `{"steps":40}`)
	d.append("model/metrics.jsonl", `{"step":8,"tokens":900,"loss":3.5}`+"\n"+`{"step":9,"tokens":1000,"loss":3.25}`+"\n"+`{"step":10,"validation_loss":3.5}`+"\n"+`{"step":1`)
	d.look()
	d.wait(10)
	d.append("model/metrics.jsonl", `0,"tokens":1100,"loss":3.0}`+"\n")
	d.want("begun: model: training, step 11 of 40, 1,100 tokens, loss 3.0000, of held-out rows 3.5000, 10 tokens/s, 4m left, last change 0s ago, 1 of 2 steps done")
	d.put("model/_curate/done", "")
	// run.json of this run does not say yet that the second step was found whole.
	if r := d.look(); r.State != Begun || r.Done != 2 {
		t.Errorf("%s, %d done", r.State, r.Done)
	}
	run("id", "other")
	if r := d.look(); r.State != Begun {
		t.Errorf("another identity: %s", r.State)
	}
	run("id", "id")
	d.want("done: done, 2 steps")
}

// curate train -o DIR alone, and what curate split makes.
func TestOtherFolders(t *testing.T) {
	d := newDir(t)
	d.put("train.json", `{"tokens":1000,"tokens_per_step":300}`)
	d.want("begun: training, step 0 of 4, 0 tokens, loss 0.0000")
	d.put("metrics.jsonl", `{"step":3,"tokens":1200,"loss":1}`+"\n")
	d.put("done", "checkpoints/step-00000004\n")
	d.want("done: done, step 4 of 4, 1,200 tokens, loss 1.0000")

	d = newDir(t)
	d.put("train/_curate/manifest.json", twoFiles)
	d.put("train/_curate/config.json", `{"step":{"stages":[{"name":"split","config":{"held_out":null,"parts":[{"name":"test","share":0.1},{"name":"more","share":0.1}]}}]}}`)
	d.put("test/_curate/manifest.json", twoFiles)
	d.put("test/_curate/config.json", config("split", "1"))
	d.put("train/_curate/ledger.json", `{"read":2,"kept":1}`)
	d.put("train/_curate/done", "")
	d.want("begun: test: reading, 0 of 2 files, 0 splits, 0 records, last change 0s ago, 1 of 3 steps done")
}

// The table keeps to the terminal, whatever its size is.
func TestTable(t *testing.T) {
	d := newDir(t)
	var steps []string
	for i := range 9 {
		steps = append(steps, fmt.Sprintf(`{"name":"step-%d","dir":"s%d","stages":["filter"]}`, i, i))
		if i < 5 {
			d.put(fmt.Sprintf("s%d/_curate/manifest.json", i), twoFiles)
			d.put(fmt.Sprintf("s%d/_curate/config.json", i), config("filter", "2"))
			d.put(fmt.Sprintf("s%d/_curate/ranks/attempt", i), "x")
			d.put(fmt.Sprintf("s%d/_curate/phase1/journal", i), entry(t, 1, 0, 1000, 900, 5, 300, false))
		}
		if i < 4 {
			d.put(fmt.Sprintf("s%d/_curate/done", i), "")
			d.put(fmt.Sprintf("s%d/_curate/ledger.json", i), `{"read":1000,"kept":900,"quarantined":5}`)
		}
	}
	d.put("_curate/run.json", `{"version":1,"recipe":"r","steps":[`+strings.Join(steps, ",")+`]}`)
	d.look()
	d.wait(20)
	r := d.look()
	whole := r.Table(0, 0)
	if len(whole) != 1+9+1+1 || !strings.HasPrefix(whole[5], "step-4  reading") {
		t.Errorf("%s", strings.Join(whole, "\n"))
	}
	for width := 1; width < 130; width++ {
		for height := 1; height < 14; height++ {
			lines := r.Table(width, height)
			if len(lines) > height {
				t.Fatalf("%d lines on %d", len(lines), height)
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > width {
					t.Fatalf("%d characters on %d: %s", n, width, l)
				}
			}
			if text := strings.Join(lines, "\n"); height > 5 && width > 16 && (!strings.Contains(text, "step-4") || !strings.Contains(text, "reading")) {
				t.Fatalf("%d x %d: the step at work is not there:\n%s", width, height, text)
			}
		}
	}
}

// FuzzLook: whatever lies in a run directory, a look ends with what it saw or with an error.
func FuzzLook(f *testing.F) {
	t := &testing.T{}
	whole := entry(t, 1, 0, 10, 5, 1, 500, false) + entry(t, 1, 1, 10, 5, 1, 500, true)
	f.Add([]byte(whole), []byte(twoFiles), []byte(config("filter", "1")), []byte(`{"step":9,"tokens":1000,"loss":3.25}`+"\n"))
	f.Add([]byte(whole[:len(whole)-3]), []byte(`{"files":[{"number":1,"path":"a.zst","size":-1}]}`), []byte(config("filter", "0")), []byte(`{"step":1,"validation_loss":3}`+"\n"))
	f.Add([]byte(frame(`{"file":-1,"split":-1}`)), []byte(`{}`), []byte(`{"phases":3,"step":{"inputs":{}}}`), []byte("\n"))
	f.Add([]byte(frame(`{"file":1,"split":9000000000}`)), []byte(`{}`), []byte(`{"phases":-1}`), []byte("{"))
	f.Fuzz(func(t *testing.T, journal, manifest, config, metrics []byte) {
		d := newDir(t)
		d.put("_curate/manifest.json", string(manifest))
		d.put("_curate/config.json", string(config))
		d.put("_curate/phase1/journal", string(journal))
		d.put("_curate/phase1/file-00001", string(journal))
		d.put("_curate/journal", string(journal))
		d.put("_curate/ranks/attempt", "x")
		d.put("train.json", string(manifest))
		d.put("metrics.jsonl", string(metrics))
		for range 2 {
			r, err := d.w.Look(t.Context())
			if err != nil {
				return
			}
			r.Lines()
			r.Table(40, 5)
			if err := r.WriteJSON(io.Discard); err != nil {
				t.Error(err)
			}
			d.wait(5)
		}
	})
}
