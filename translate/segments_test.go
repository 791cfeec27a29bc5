package translate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
	"curate/translate/backends"
	"curate/translate/memory"
	"curate/translate/translatetest"
)

// rankRows are rows that share segments, in two files. Some rows are bound to their language, one cannot be read.
func rankRows() (files [2][]string) {
	for i, w := range words {
		files[i%2] = append(files[i%2],
			chat(fmt.Sprint(i), "Tell me about the "+w+".", "The "+w+" is `old_"+w+"` and quiet.\n\n- one point\n- another point about the "+words[(i+1)%len(words)]),
			fmt.Sprintf(`{"prompt":"Explain the %s.","chosen":"It is the %s of all.","rejected":"It is fire."}`, words[i/2], w))
	}
	files[0] = append(files[0], `{"text":"cut`, chat("g", "Correct the grammar of this sentence: he go.", "He goes."))
	files[1] = append(files[1], chat("c", "Thank you.", "Open `a.txt` now."), chat("d", "Open `b.txt` now.", "Thank you."))
	return files
}

// batchOf makes the batch of a file's lines.
func batchOf(file int, lines []string) *record.Batch {
	b := &record.Batch{}
	at := int64(0)
	for i, l := range lines {
		b.Append(record.MakeID(file, at), int64(i+1), []byte(l))
		at += int64(len(l)) + 1
	}
	b.Parse()
	return b
}

// segmentsOf runs the stage as the engine does: a partial a file, sealed, together.
func segmentsOf(t testing.TB, s *Stage, files [2][]string) []string {
	t.Helper()
	g := s.Segments()
	ws := stagetest.NewWorkspace(64<<20, 2)
	var sealed []stage.Sealed
	for i, lines := range files {
		b := batchOf(i+1, lines)
		if err := g.Key().NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		p := g.NewPartial()
		if err := p.Add(b); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := p.Seal(&out); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, stage.Sealed{Size: int64(out.Len()), Data: nopCloser{bytes.NewReader(out.Bytes())}})
	}
	m, err := g.Finish(t.Context(), sealed, ws)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i, lines := range files {
		b := batchOf(i+1, lines)
		if err := g.Key().NewWorker().Map(t.Context(), b); err != nil { // which settles what is dropped and quarantined
			t.Fatal(err)
		}
		if err := m.NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for k := range b.Records {
			if b.Records[k].Outcome == record.Keep {
				list = append(list, written(b, k))
			}
		}
	}
	return list
}

type nopCloser struct{ io.ReaderAt }

func (nopCloser) Close() error { return nil }

// shared are the lines that are a rank's.
func shared(t testing.TB, rank, world int, lines []string) (list []string) {
	t.Helper()
	b := batchOf(1, lines)
	if err := NewShare(rank, world).Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i := range b.Records {
		if b.Records[i].Outcome == record.Keep {
			list = append(list, lines[i])
		}
	}
	return list
}

// translated are all rows as the stage leaves them: written, or why not.
func translated(t testing.TB, s *Stage, files [2][]string) (list []string) {
	t.Helper()
	for i, lines := range files {
		for k, l := range lines { // a row at a time, so that who asks first is nobody's luck
			b := batchOf(i+1, []string{l})
			b.Records[0].ID = record.MakeID(i+1, int64(k))
			if err := s.NewWorker().Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			switch r := &b.Records[0]; r.Outcome {
			case record.Keep:
				list = append(list, written(b, 0))
			default:
				list = append(list, fmt.Sprintf("%v %s %s %v", r.Outcome, r.Rule, r.Reason, r.Err))
			}
		}
	}
	return list
}

// requestsOf are the requests in an order of their own: which of two that run side by side comes first is luck.
func requestsOf(b *scripted) []string {
	var list []string
	for _, r := range b.asked {
		list = append(list, fmt.Sprintf("%+v", r))
	}
	slices.Sort(list)
	return list
}

// moody answers as a backend that needs the whole ladder for some segments and cannot do others: what it answers depends on the
// request alone.
func moody(_ int, r *backends.Request) (*backends.Answer, error) {
	a := good(r)
	for i, g := range r.Segments {
		switch {
		case strings.Contains(g, "mountain"): // never
			a.Texts[i] = g
		case strings.Contains(g, "garden") && r.Seed == 0: // with others, or cold
			a.Texts[i] = ""
		case strings.Contains(g, "old_"), r.Placeholder != "" && strings.Contains(g, "quiet"): // loses what is masked
			a.Texts[i] = strings.ReplaceAll(a.Texts[i], r.Placeholder, "")
		case strings.Contains(g, "window"): // not among others
			a.Missing[i] = len(r.Segments) > 1
		}
	}
	return a, nil
}

// TestRanks: the requests of any number of ranks together are those of one process that takes one row after the other, to the byte;
// rows that are put together from their memories are its rows, and nobody is asked for them.
func TestRanks(t *testing.T) {
	files := rankRows()
	for _, c := range []struct {
		name    string
		backend func() *scripted
		local   func() backends.Backend
		server  string // its mood
		cfg     Config
	}{
		{name: "good", backend: func() *scripted {
			return newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil })
		}},
		{name: "the ladder", backend: func() *scripted { return newScripted(moody) }},
		{name: "sentences, kept source", backend: func() *scripted { return newScripted(moody) }, cfg: Config{Sentences: true, OnFail: OnFailKeepSource, KeepSource: true, Annotate: true}},
		{name: "a model in this process", local: func() backends.Backend {
			return NewLocal(&translatetest.Engine{Loses: "XQ"}, LocalOptions{Family: "pseudo"})
		}},
		{name: "a server that loses segments", server: "drop_segment"},
		{name: "a server that mangles placeholders", server: "mangle_placeholders"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := func() int { return 0 } // to the server, so far
			if c.server != "" {
				srv, err := translatetest.NewServer(c.server)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(srv.Close)
				sent = func() int {
					n, _, _ := srv.Seen()
					return n
				}
				c.local = func() backends.Backend {
					b, err := backends.NewOpenAI(backends.OpenAI{BaseURL: srv.URL, Model: "fake"})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = b.Close() })
					return b
				}
			}
			backend := func() (backends.Backend, *scripted) {
				if c.local != nil {
					return c.local(), nil
				}
				b := c.backend()
				return b, b
			}
			b, asked := backend()
			dir := t.TempDir()
			at := func(name string) func(context.Context) (*memory.Store, error) {
				_, o := open(t, filepath.Join(dir, name))
				return o
			}
			plain := newStage(t, c.cfg, Parts{Backend: b, Memory: at("plain")})
			translated(t, plain, files)
			one := sent()
			if c.server != "" && one < 10 {
				t.Fatalf("%d requests", one)
			}
			want := translated(t, plain, files) // from its memory: what was given up is told of without its last answer
			if c.local == nil && len(asked.asked) < 10 {
				t.Fatalf("%d requests", len(asked.asked))
			}
			for _, world := range []int{1, 3, 16} {
				empty, none := backend()
				segments := segmentsOf(t, newStage(t, c.cfg, Parts{Backend: empty}), files)
				if none != nil && len(none.asked) > 0 {
					t.Fatalf("somebody was asked for segments: %v", none.asked)
				}
				before := sent()
				var requests []string
				var folders []string
				had := 0
				for rank := range world {
					lines := shared(t, rank, world, segments)
					had += len(lines)
					b, asked := backend()
					name := fmt.Sprintf("%d/rank-%05d", world, rank)
					folders = append(folders, filepath.Join(dir, name))
					opened := at(name)
					s := newStage(t, c.cfg, Parts{Backend: b, Memory: opened})
					for _, l := range lines {
						out := batchOf(1, []string{l})
						if err := s.Fetch().NewWorker().Map(t.Context(), out); err != nil {
							t.Fatal(err)
						}
						if r := &out.Records[0]; r.Outcome != record.Keep {
							t.Errorf("%s: %v", l, r.Err)
						}
					}
					if asked != nil {
						requests = append(requests, requestsOf(asked)...)
					}
					m, _ := opened(t.Context())
					if err := m.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				if had != len(segments) {
					t.Errorf("%d ranks have %d of %d records", world, had, len(segments))
				}
				if n := sent() - before; n != one {
					t.Errorf("%d ranks send %d requests, one process %d", world, n, one)
				}
				before = sent()
				slices.Sort(requests)
				if asked != nil && !slices.Equal(requests, requestsOf(asked)) {
					t.Errorf("%d ranks: %d requests, and other ones than the %d of one process", world, len(requests), len(asked.asked))
				}
				rand.Shuffle(len(folders), func(i, j int) { folders[i], folders[j] = folders[j], folders[i] })
				all, err := memory.Open(t.Context(), "", memory.Options{Read: folders})
				if err != nil {
					t.Fatal(err)
				}
				b, asked := backend()
				opened := func(context.Context) (*memory.Store, error) { return all, nil }
				got := translated(t, newStage(t, c.cfg, Parts{Backend: b, Memory: opened, Offline: true}), files)
				if !slices.Equal(got, want) {
					for i := range want {
						if i < len(got) && got[i] != want[i] {
							t.Errorf("%d ranks: %s\nwant %s", world, got[i], want[i])
						}
					}
				}
				if asked != nil && len(asked.asked) > 0 || sent() > before {
					t.Error("somebody was asked for rows")
				}
				// Nothing is left to ask for.
				if left := segmentsOf(t, newStage(t, c.cfg, Parts{Backend: b, Memory: opened}), files); len(left) > 0 {
					t.Errorf("%d ranks have left %q", world, left)
				}
				if err := all.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestNotFetched: a segment that no memory has ends the run, or its row, and nobody is asked.
func TestNotFetched(t *testing.T) {
	_, opened := open(t, "")
	known, unknown := chat("a", "Tell me about the river.", "7"), chat("b", "Tell me about the garden.", "7")
	b := newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) { return good(r), nil })
	if _, err := mapped(t, t.Context(), newStage(t, Config{}, Parts{Backend: b, Memory: opened}), known); err != nil {
		t.Fatal(err)
	}
	n := len(b.asked)
	_, err := mapped(t, t.Context(), newStage(t, Config{}, Parts{Backend: b, Memory: opened, Offline: true}), known, unknown)
	if e, ok := errors.AsType[*NotFetchedError](err); !ok || e.Row != record.MakeID(1, int64(len(known))+1) || !strings.Contains(err.Error(), `not_fetched in /messages/0/content: no memory has it; source "Tell me about the garden."`) {
		t.Errorf("%v", err)
	}
	out, err := mapped(t, t.Context(), newStage(t, Config{}, Parts{Backend: b, Memory: opened, Offline: true, SetAside: true}), known, unknown)
	if err != nil || out.Records[0].Outcome != record.Keep || out.Records[1].Outcome != record.Quarantine {
		t.Errorf("%v, %v, %v", err, out.Records[0].Err, out.Records[1].Err)
	}
	if len(b.asked) != n {
		t.Errorf("asked for %v", b.asked[n:])
	}
}

// TestFetchAway: what a server could not be asked for is quarantined and not remembered; what is cut out for others ends the run.
func TestFetchAway(t *testing.T) {
	files := [2][]string{{chat("a", "Tell me about the river.", "The old house is quiet.")}}
	lines := segmentsOf(t, newStage(t, Config{}, Parts{Backend: newScripted(moody)}), files)
	if len(lines) != 1 {
		t.Fatal(lines)
	}
	_, opened := open(t, "")
	away := newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) {
		if len(r.Segments) > 1 || strings.Contains(r.Segments[0], "river") {
			return nil, &backends.Error{Class: backends.Failed, Reason: "timeout", Detail: "no answer"}
		}
		return good(r), nil
	})
	away.most = 1
	out := batchOf(1, lines)
	if err := newStage(t, Config{}, Parts{Backend: away, Memory: opened}).Fetch().NewWorker().Map(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if r := &out.Records[0]; r.Outcome != record.Quarantine || !strings.Contains(r.Err.Error(), "timeout in /messages/0/content") {
		t.Errorf("%v %v", r.Outcome, r.Err)
	}
	ok := newScripted(moody)
	out = batchOf(1, lines)
	if err := newStage(t, Config{}, Parts{Backend: ok, Memory: opened}).Fetch().NewWorker().Map(t.Context(), out); err != nil || out.Records[0].Outcome != record.Keep {
		t.Fatal(err, out.Records[0].Err)
	}
	if len(ok.asked) != 1 || len(ok.asked[0].Segments) != 1 {
		t.Errorf("asked for %v", ok.asked)
	}
	for _, cfg := range []Config{{Numbers: true}, {From: "en", To: "fr"}, {Sentences: true}} {
		out = batchOf(1, lines)
		if err := newStage(t, cfg, Parts{Backend: ok}).Fetch().NewWorker().Map(t.Context(), out); !errors.As(err, new(*CutError)) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for _, c := range []struct{ line, want string }{
		{`{"text":"a row"}`, "curate translate segments makes such records"},
		{`{"segments":"none"}`, "segments: "},
		{`{"segments":[{"key":"00","path":"","source":"a"}]}`, "is none"},
		{`{"segments":[{"key":"` + strings.Repeat("0", 32) + `","path":"","source":["a ",1," b"],"values":["x"]}]}`, "hole 0 has the number 1"},
		{`{"segments":[{"key":"` + strings.Repeat("0", 32) + `","path":"","source":["a ",0," b"]}]}`, "1 holes and 0 values"},
		{`{"segments":[{"key":"` + strings.Repeat("0", 32) + `","path":"","source":[0],"more":1}]}`, "segments: "},
	} {
		out = batchOf(1, []string{c.line})
		err := newStage(t, Config{}, Parts{Backend: ok}).Fetch().NewWorker().Map(t.Context(), out)
		if r := &out.Records[0]; err != nil || r.Outcome != record.Quarantine || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%s: %v, %v %v", c.line, err, r.Outcome, r.Err)
		}
	}
}

// TestSegmentsStage and TestShareStage are the contract.
func TestSegmentsStage(t *testing.T) {
	files := rankRows()
	var lines [][]byte
	for _, l := range slices.Concat(files[0], files[1])[8:] {
		lines = append(lines, []byte(l))
	}
	_, opened := open(t, "") // that has some
	some := newStage(t, Config{}, Parts{Backend: newScripted(moody), Memory: opened})
	if _, err := mapped(t, t.Context(), some, string(lines[0]), string(lines[5])); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, Config{}, Parts{Backend: newScripted(func(_ int, r *backends.Request) (*backends.Answer, error) {
		t.Errorf("asked for %q", r.Segments)
		return good(r), nil
	}), Memory: opened})
	stagetest.Reducer(t, s.Segments(), lines)
}

func TestShareStage(t *testing.T) {
	var lines [][]byte
	for _, l := range segmentsOf(t, newStage(t, Config{}, Parts{Backend: newScripted(moody)}), rankRows()) {
		lines = append(lines, []byte(l))
	}
	stagetest.Mapper(t, NewShare(1, 3), append(lines, []byte(`{"a":1}`), []byte(`{`)))
}

// FuzzSegments: whatever a record holds, it is a record's fault or another engine's, and what Segments writes is read as it was.
func FuzzSegments(f *testing.F) {
	for _, l := range segmentsOf(f, newStage(f, Config{}, Parts{Backend: newScripted(moody)}), rankRows()) {
		f.Add([]byte(l))
	}
	f.Add([]byte(`{"segments":[{"key":"0123456789abcdef0123456789abcdef","path":"/text","source":["a ",0],"values":["x"]}],"sentences":true}`))
	s := newStage(f, Config{}, Parts{Backend: newScripted(moody), Memory: func(context.Context) (*memory.Store, error) { return nil, errors.New("none") }})
	f.Fuzz(func(t *testing.T, line []byte) {
		out := &record.Batch{}
		out.Append(record.MakeID(1, 0), 1, line)
		out.Parse()
		rec := &out.Records[0]
		if rec.Outcome != record.Keep {
			return
		}
		r := &rowWork{rec: rec}
		if err := s.t.parse(rec, r); err != nil {
			return
		}
		for _, w := range r.list {
			if len(w.values) != len(w.template.Holes) || w.key != memory.KeyOf(s.t.engine, "en", "eu", w.template) {
				t.Errorf("%+v", w)
			}
			w.template.Fill(w.values)
		}
	})
}
