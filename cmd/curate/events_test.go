package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/pipeline"
)

// TestEventsPage compares the table of docs/formats/events.md with that of the program; -update rewrites it.
func TestEventsPage(t *testing.T) {
	if !slices.IsSortedFunc(events, func(a, b eventSpec) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the events are not sorted by name")
	}
	const page = "../../docs/formats/events.md"
	is, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(is), "| event | fields |")
	fresh := head + eventTable()
	if *update {
		if err := os.WriteFile(page, []byte(fresh), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if string(is) != fresh {
		t.Errorf("%s is not what the table says (go test ./cmd/curate -update makes it)", page)
	}
}

// eventLines reads what a command has written with --log json. Each line begins with time, level and event; the event is in the table,
// with these fields.
func eventLines(t *testing.T, text string) (list []map[string]any, short []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		var names []string
		d := jsontext.NewDecoder(strings.NewReader(line))
		if _, err := d.ReadToken(); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		m := map[string]any{}
		for d.PeekKind() == '"' {
			name, err := d.ReadToken()
			if err != nil {
				t.Fatal(err)
			}
			key := name.String()
			value, err := d.ReadValue()
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(value, &v); err != nil {
				t.Fatal(err)
			}
			names, m[key] = append(names, key), v
		}
		if len(names) < 3 || !slices.Equal(names[:3], []string{"time", "level", "event"}) {
			t.Fatalf("a line does not begin with time, level and event: %s", line)
		}
		event := m["event"].(string)
		i := slices.IndexFunc(events, func(e eventSpec) bool { return e.name == event })
		if i < 0 {
			t.Fatalf("the table has no event %q: %s", event, line)
		}
		fields := strings.Split(events[i].fields, ", ")
		var at []string
		for _, name := range names[3:] {
			if name != "msg" && name != "step" && !slices.Contains(fields, name) {
				t.Errorf("the table has no field %q of %q", name, event)
			}
			if name == "step" || name == "phase" || name == "file" || name == "split" || name == "exit" || name == "kept" || name == "stage" {
				value, err := json.Marshal(m[name])
				if err != nil {
					t.Fatal(err)
				}
				at = append(at, name+" "+strings.Trim(string(value), `"`))
			}
		}
		list = append(list, m)
		short = append(short, strings.TrimSpace(event+" "+strings.Join(at, ", ")))
	}
	return list, short
}

// A recipe tells the same events in the same order, if one worker reads one file.
func TestEvents(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("in.jsonl", `{"text":"one and the same"}`+"\n"+`{"text":"one and the same"}`+"\n"+`{"text":`+"\n"+`{"text":"another one"}`+"\n")
	write("recipe.yaml", `version: 1
run: run
quarantine: {max: 50%}
steps:
  - name: clean
    read: in.jsonl
    dedup: {exact: {}}
`)
	run := func(args ...string) (int, string) {
		cmd := curate(t, args...)
		cmd.Dir = dir
		return exitCode(t, cmd)
	}
	code, said := run("run", "recipe.yaml", "--log", "json", "-j", "1")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	list, got := eventLines(t, said)
	golden := filepath.Join("testdata", "events.golden")
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("events\n%s\nwant\n%s", text, want)
	}
	if list[0]["command"] != "curate run" || list[0]["program"] != program() {
		t.Errorf("the first line is %v", list[0])
	}

	// An error has its exit code; -q leaves it, and what is to be heeded.
	if code, said = run("dedup", "in.jsonl", "--log", "json", "-q"); code != exitQuarantined {
		t.Fatalf("exit %d: %s", code, said)
	}
	list, got = eventLines(t, said)
	if !slices.Equal(got, []string{"quarantine.record", "error exit 3"}) || !strings.HasPrefix(list[1]["msg"].(string), "1 of 4 records were quarantined") {
		t.Errorf("%q: %v", got, list)
	}
	if code, said = run("filter", "--profile", "none", "in.jsonl", "--log", "json"); code != exitUsage {
		t.Fatalf("exit %d: %s", code, said)
	}
	if _, got = eventLines(t, said); !slices.Equal(got, []string{"run.started", "error exit 2", "run.finished exit 2"}) {
		t.Errorf("%q", got)
	}
}

// Text has no fields, and nothing of an event that has no message.
func TestEventsInText(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(&plainHandler{out: &b}).With(slog.String("step", "x"))
	log.Info("said", pipeline.Event("counts"), slog.Int("read", 3))
	log.Info("", pipeline.Event("split.started"))
	if b.String() != "curate: said\n" {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	log = slog.New(newEventHandler(&b, slog.LevelWarn)).With(slog.String("step", "x"))
	log.Info("said")
	log.Warn("heed")
	log.Error("end", slog.Group("g", slog.String("msg", "m")))
	got := regexp.MustCompile(`"time":"[^"]+",`).ReplaceAllString(b.String(), "")
	if want := `{"level":"WARN","event":"warning","step":"x","msg":"heed"}` + "\n" + `{"level":"ERROR","event":"error","step":"x","g":{"msg":"m"},"msg":"end"}` + "\n"; got != want {
		t.Errorf("%s", got)
	}
}
