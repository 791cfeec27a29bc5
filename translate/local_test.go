package translate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/record"
	"curate/translate/backends"
	"curate/translate/marian"
	"curate/translate/memory"
	"curate/translate/protect"
	"curate/translate/translatetest"
)

func newLocal(e Engine) *Local { return NewLocal(e, LocalOptions{Family: "pseudo"}) }

// said is what a Local makes of segments.
func said(t *testing.T, e *translatetest.Engine, placeholder string, segments ...string) (*backends.Answer, error) {
	t.Helper()
	return newLocal(e).Translate(t.Context(), &backends.Request{From: "en", To: "eu", Segments: segments, Placeholder: placeholder})
}

// echo is an engine that changes nothing, so that what reaches it and what is made of it are the same.
const echo = " "

func TestLocalSentences(t *testing.T) {
	e := &translatetest.Engine{}
	a, err := said(t, e, "", "See e.g. the door. It is open!  Is it?", "Good morning", "12. 34.")
	if err != nil {
		t.Fatal(err)
	}
	_, texts := e.Seen()
	if want := []string{"See e.g. the door.", "It is open!", "Is it?", "Good morning"}; !slices.Equal(texts, want) {
		t.Errorf("asked for %q, want %q", texts, want)
	}
	one := func(s string) string { return pseudo.Translate(s) }
	want := []string{one("See e") + "." + one("g") + ". " + one("the door.") + " " + one("It is open!") + "  " + one("Is it?"), one("Good morning"), "12. 34."}
	if !slices.Equal(a.Texts, want) || slices.Contains(a.Missing, true) {
		t.Errorf("%q %v, want %q", a.Texts, a.Missing, want)
	}
	if calls, _ := e.Seen(); calls != 1 {
		t.Errorf("%d calls for one request", calls)
	}
	// The mean of a segment is that of its tokens: sentences of 6, 4 and 3 pieces with one more for the end, in the engine's book.
	var sum, tokens float64
	for _, n := range []float64{9, 5, 4} {
		sum, tokens = sum-n*n/100, tokens+n
	}
	if got := a.LogProb[0]; math.Abs(got-sum/tokens) > 1e-12 || a.LogProb[2] != 0 {
		t.Errorf("log-probabilities %v, the first should be %v", a.LogProb, sum/tokens)
	}
	if s := a.Spent; s.Requests != 1 || s.Cost != 0 || s.Estimated || s.Prompt == 0 || s.Completion == 0 {
		t.Errorf("spent %+v", s)
	}
}

// TestLocalLong: what is too long is cut where a reader would pause, and nothing of it is left out.
func TestLocalLong(t *testing.T) {
	clause := "the old house stands near the quiet river behind the tall trees"
	long := strings.Repeat(clause+", ", 30) + "and nobody lives there."
	e := &translatetest.Engine{Longest: 60, Broken: echo}
	a, err := said(t, e, "", long, "Short one.")
	if err != nil {
		t.Fatal(err)
	}
	if a.Texts[0] != long || a.Texts[1] != "Short one." || slices.Contains(a.Missing, true) {
		t.Errorf("%q %v", a.Texts, a.Missing)
	}
	_, texts := e.Seen()
	for _, s := range texts[1:] {
		if s != "Short one." && !strings.HasSuffix(s, ",") && !strings.HasSuffix(s, ".") {
			t.Errorf("a part ends with %q", s[len(s)-10:])
		}
	}
	// Far too long: the whole is not even tried.
	e = &translatetest.Engine{Longest: 60, Broken: echo}
	book := strings.Repeat(clause+" ", 3000) + "and ends"
	if a, err = said(t, e, "", book, "Short one."); err != nil || a.Texts[0] != book {
		t.Error("a book is not whole: ", err)
	}
	_, texts = e.Seen()
	for _, s := range texts {
		if len(s) > longestClause+10 {
			t.Errorf("%d bytes were asked for", len(s))
		}
	}
	// No place to cut, and holes without number: given up at once.
	e = &translatetest.Engine{}
	glued := protect.Template{Text: []string{"a"}}
	for i := range 100_000 {
		glued.Text, glued.Holes = append(glued.Text, "a"), append(glued.Holes, i)
	}
	if a, err = said(t, e, protect.Aligned().Hole(0), glued.Render(protect.Aligned()), "x"); err != nil || !slices.Equal(a.Missing, []bool{true, false}) {
		t.Error(a, err)
	}
	if _, texts = e.Seen(); len(texts) != 1 {
		t.Errorf("%d texts", len(texts))
	}
	// Scripts without spaces.
	e = &translatetest.Engine{Longest: 7, Broken: "古"}
	chinese := strings.Repeat("古老的房子在安静的河边，", 20) + "没有人住在那里。"
	if a, err = said(t, e, "", chinese, "x"); err != nil || a.Texts[0] != chinese {
		t.Errorf("%v, %v", a, err)
	}
}

// TestLocalHoles: the numbers of holes stay, whatever is cut.
func TestLocalHoles(t *testing.T) {
	text := strings.Repeat("the house with <0> and <1> in it stands near the river, ", 8) + "then comes <2>. A new one has <3>. <4> <5>."
	tpl := holed(text)
	for i := range tpl.Holes {
		tpl.Holes[i] = i
	}
	for _, f := range append(protect.Forms(), protect.Aligned()) {
		e := &translatetest.Engine{Longest: 30, Broken: echo}
		a, err := said(t, e, f.Hole(0), tpl.Render(f), "x")
		if err != nil || a.Missing[0] {
			t.Fatal(f.Name, err)
		}
		if got := f.Read(a.Texts[0]); !sameHoles(got, len(tpl.Holes)) || f.Name != "aligned" && a.Texts[0] != tpl.Render(f) {
			t.Errorf("%s:\n got %s\nwant %s", f.Name, a.Texts[0], tpl.Render(f))
		}
		_, texts := e.Seen()
		for _, s := range texts {
			if strings.ContainsAny(s, "\ue000\ue001") {
				t.Errorf("the model was shown %q", s)
			}
		}
	}
	if _, err := said(t, &translatetest.Engine{}, "XQ1", "a"); !errors.As(err, new(*backends.Error)) {
		t.Errorf("a form that nobody knows: %v", err)
	}
}

func TestLocalFaults(t *testing.T) {
	e := &translatetest.Engine{Endless: "circle", Empty: "nothing"}
	a, err := said(t, e, "", "Turn in a circle.", "Say nothing.", "Open the door.")
	if err != nil || !slices.Equal(a.Missing, []bool{true, true, false}) || a.Texts[0] != "" {
		t.Fatal(a, err)
	}
	_, err = said(t, e, "", "Turn in a circle.")
	if b, ok := errors.AsType[*backends.Error](err); !ok || b.Class != backends.Split || b.Reason != "truncated" || b.Spent.Requests != 1 {
		t.Errorf("alone: %v", err)
	}
	if calls, _ := e.Seen(); calls != 2 {
		t.Errorf("a short text was cut: %d calls", calls)
	}
	// A long one is tried in parts, but not for ever.
	e = &translatetest.Engine{Endless: "e"}
	if _, err = said(t, e, "", strings.Repeat("round we here ", 500)); err == nil {
		t.Error("no end, and no error")
	}
	if _, texts := e.Seen(); len(texts) > 2*(2<<maxHalvings) {
		t.Errorf("%d texts", len(texts))
	}
}

// failing is an engine that can do no more.
type failing struct{ translatetest.Engine }

func (*failing) Translate(context.Context, []string, bool) ([]marian.Translation, error) {
	return nil, errors.New("no memory left")
}

func TestLocalEnds(t *testing.T) {
	l := newLocal(&failing{})
	_, err := l.Translate(t.Context(), &backends.Request{Segments: []string{"One."}})
	if b, ok := errors.AsType[*backends.Error](err); !ok || b.Class != backends.Down || !strings.Contains(err.Error(), "no memory left") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	e := &translatetest.Engine{Pause: time.Millisecond}
	l = newLocal(e)
	many := make([]string, 10000)
	for i := range many {
		many[i] = fmt.Sprintf("Sentence number %d.", i)
	}
	go func() { // when it is at work
		for texts := []string(nil); len(texts) == 0; _, texts = e.Seen() {
			time.Sleep(time.Millisecond)
		}
		cancel(stop)
	}()
	if _, err := l.Translate(ctx, &backends.Request{Segments: many}); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if _, texts := e.Seen(); len(texts) == len(many) {
		t.Error("all were translated after the cancel")
	}
	if _, err := l.Translate(ctx, &backends.Request{Segments: many}); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if s := l.Stats(); s.InFlight != 0 || s.Requests != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLocalForms(t *testing.T) {
	for _, c := range []struct {
		strange string
		want    string // the beginning
		not     string
	}{
		{"[]{}<>⟦⟧〘〙§@_", "XQ0 aligned X0", "[["},
		{"⟦⟧〘〙§", "XQ0 aligned [[P0]] [CODE_0]", "⟦"},
		{"Q⟦", "[[P0]] aligned [CODE_0]", "XQ0"},
		{"7", "aligned", "0"},
	} {
		got := strings.Join(newLocal(&translatetest.Engine{Strange: c.strange}).Forms(), " ")
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("without %s: %s", c.strange, got)
		}
	}
	local := newLocal(&translatetest.Engine{Strange: "⟦"})
	for _, c := range []struct {
		b    backends.Backend
		form string
		want string
	}{
		{newScripted(fine), "aligned", "models in this process"},
		{nil, "aligned", "models in this process"},
		{local, "⟦0⟧", "no pieces"},
		{local, "XQ1", "no placeholder form"},
		{local, "aligned", ""},
		{local, "", ""},
	} {
		_, err := New(Config{From: "en", To: "eu", Placeholder: c.form}, Parts{Backend: c.b})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T with %q: %v", c.b, c.form, err)
		}
	}
}

// TestLocalLadder: what helps against each fault, and that nothing is asked again as it was.
func TestLocalLadder(t *testing.T) {
	for _, c := range []struct {
		name, text string
		e          *translatetest.Engine
		fallback   backends.Backend
		rung       string // "" given up
		most       int    // texts
	}{
		{"fine", "Open `a.txt` in the old house.", &translatetest.Engine{}, nil, RungFirst, 1},
		{"placeholders lost", "Open `a.txt` in the old house, and `b.txt` beside the door.", &translatetest.Engine{Loses: "XQ"}, nil, RungForm, 2},
		{"no placeholder is known, and none is enough", "Open [the house](x.html) near the river, and `b.txt` beside the door.", &translatetest.Engine{Strange: "0", Reverse: true}, nil, RungFirst, 2},
		{"in the opposite order", "Open `a.txt` in the old house, and `b.txt` beside the door.", &translatetest.Engine{Loses: "XQ", Reverse: true}, nil, RungForm, 2},
		{"one sentence copied", "The old house stands near the river.", &translatetest.Engine{Broken: "old house stands near"}, nil, RungCut, 3},
		{"one of two copied", "The old house stands near the river and is very quiet, although many people live there. They sleep.", &translatetest.Engine{Broken: "near the river and is very quiet, although many"}, nil, RungCut, 6},
		{"all copied", "The old house stands near the river and is very quiet.", &translatetest.Engine{Broken: echo}, nil, "", 3},
		{"all copied, with a fallback", "The old house has `a.txt` near the river and is very quiet.", &translatetest.Engine{Broken: echo}, newScripted(fine), RungFallback, 5},
		{"no end", "Turn the wheel in a circle and then stop.", &translatetest.Engine{Endless: "wheel in a circle"}, nil, RungCut, 4},
		{"no end at all", "Turn the wheel in a circle and then stop.", &translatetest.Engine{Endless: "e"}, nil, "", 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Config{}, Parts{Backend: newLocal(c.e), Fallback: c.fallback})
			out, err := mapped(t, t.Context(), s, chat("a", c.text, "7"))
			if err != nil {
				t.Fatal(err)
			}
			_, texts := c.e.Seen()
			rung := ""
			for _, y := range out.TakeTallies() {
				if name, ok := strings.CutPrefix(y.Name, TallyRung); ok {
					rung = name
				}
			}
			if r := &out.Records[0]; rung != c.rung || (r.Outcome == record.Keep) != (rung != "") || len(texts) > c.most {
				t.Errorf("rung %q, want %q; %d texts, at most %d: %q; %v", rung, c.rung, len(texts), c.most, texts, r.Err)
			}
		})
	}
}

// TestLocalFallbackForm: another backend is never asked with holes taken out.
func TestLocalFallbackForm(t *testing.T) {
	fallback := newScripted(fine)
	s := newStage(t, Config{Placeholder: "aligned"}, Parts{Backend: newLocal(&translatetest.Engine{Broken: echo}), Fallback: fallback})
	out, err := mapped(t, t.Context(), s, chat("a", "The old house has `a.txt` near the river and is very quiet.", "7"))
	if err != nil || out.Records[0].Outcome != record.Keep {
		t.Fatal(err, out.Records[0].Err)
	}
	if len(fallback.asked) != 1 || fallback.asked[0].Placeholder != "[[P0]]" {
		t.Errorf("%+v", fallback.asked)
	}
}

// TestFallbackForm: the fallback begins with the form that was chosen, where it takes it.
func TestFallbackForm(t *testing.T) {
	for want, b := range map[string]backends.Backend{"XQ0": newScripted(echoed), "X0": newLocal(&translatetest.Engine{Broken: echo, Strange: "Q[_"})} {
		fallback := newScripted(fine)
		form := want
		if want == "X0" {
			form = ""
		}
		s := newStage(t, Config{Placeholder: form}, Parts{Backend: b, Fallback: fallback})
		out, err := mapped(t, t.Context(), s, chat("a", "The old house has `a.txt` near the river and is very quiet.", "7"))
		if err != nil || out.Records[0].Outcome != record.Keep || fallback.asked[0].Placeholder != want {
			t.Errorf("%s: %v, %+v", want, err, fallback.asked)
		}
	}
}

// TestLocalFormIsTheSegments: a row with a text that looks like a placeholder changes nothing for the others of its segments, so
// that it does not matter which row comes first.
func TestLocalFormIsTheSegments(t *testing.T) {
	const shared = "Open `a.txt` in the old house."
	lines := []string{chat("a", shared, "The list is AXQ1 and `b.txt` is XQ0 of it."), chat("b", shared, "7")}
	var got [2]string
	for i := range got {
		e := &translatetest.Engine{}
		s := newStage(t, Config{}, Parts{Backend: newLocal(e)})
		for k := range lines {
			if out, err := mapped(t, t.Context(), s, lines[(k+i)%2]); err != nil || out.Records[0].Outcome != record.Keep {
				t.Fatal(err, out.Records[0].Err)
			}
		}
		_, texts := e.Seen()
		slices.Sort(texts)
		got[i] = strings.Join(texts, "\n")
	}
	if got[0] != got[1] {
		t.Errorf("%s\n\n%s", got[0], got[1])
	}
}

// TestLocalSameBytes: rows come out the same whatever is in hand with them, in any order, from any number of goroutines, and whatever
// of it the memory has.
func TestLocalSameBytes(t *testing.T) {
	var lines []string
	for i, w := range words {
		for k, x := range words[:4] {
			lines = append(lines, chat(fmt.Sprint(i, k), fmt.Sprintf("Tell me about the %s, please. Where is `%s.txt`?", w, x),
				fmt.Sprintf("- The %s is old (`quiet_%d`) and AXQ%d.\n- Nobody lives there.\n\nIt has number %d, and [a door](https://x.org/%s) too.", x, k, i, i%3, w)))
		}
	}
	e := &translatetest.Engine{Loses: "XQ", Broken: "lives", Longest: 8, Reverse: true}
	run := func(seed uint64, had func(context.Context) (*memory.Store, error)) string {
		r := rand.New(rand.NewPCG(seed, 1))
		order := r.Perm(len(lines))
		s := newStage(t, Config{}, Parts{Backend: newLocal(e), Memory: had})
		got := make([]string, len(lines))
		var wg sync.WaitGroup
		for len(order) > 0 {
			n := min(1+r.IntN(16), len(order))
			some := order[:n]
			order = order[n:]
			wg.Go(func() {
				var batch []string
				for _, i := range some {
					batch = append(batch, lines[i])
				}
				out, err := mapped(t, t.Context(), s, batch...)
				if err != nil {
					t.Error(err)
					return
				}
				for k, i := range some {
					got[i] = written(out, k)
					if err := out.Records[k].Err; err != nil {
						got[i] = err.Error()
					}
				}
			})
		}
		wg.Wait()
		return strings.Join(got, "\n")
	}
	_, half := open(t, "")
	want := run(0, half)
	if !strings.Contains(want, "quiet_2`") {
		t.Error("nothing is whole: ", want)
	}
	for range 8 {
		seed := rand.Uint64()
		memory := half
		if seed%2 == 0 {
			_, memory = open(t, "")
		}
		if got := run(seed, memory); got != want {
			t.Fatalf("seed %d:\n%s\n\nwant\n%s", seed, got, want)
		}
	}
}

// TestLocalCases: the adversarial rows of the command survive a model in the process, with placeholders and without, in the order
// of the source and in the opposite one.
func TestLocalCases(t *testing.T) {
	files, err := filepath.Glob("../cmd/curate/testdata/translate/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	type way struct {
		from, to, form string
		reverse        bool
	}
	stages := map[way]*Stage{}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := translatetest.ReadCases(text)
		if err != nil {
			t.Fatal(file, err)
		}
		for _, c := range cases {
			lines, err := c.Rows()
			if err != nil {
				t.Fatal(err)
			}
			if c.Backend != "ok" || c.Expect.Row != "ok" || len(lines) != 1 || strings.Contains(string(c.In), "__raw__") {
				continue
			}
			n++
			for _, form := range []string{"", "aligned"} {
				for _, reverse := range []bool{false, true} {
					by := way{c.Src, c.Tgt, form, reverse}
					if stages[by] == nil {
						stages[by] = newStage(t, Config{From: c.Src, To: c.Tgt, Placeholder: form}, Parts{Backend: newLocal(&translatetest.Engine{Reverse: reverse})})
					}
					out, err := mapped(t, t.Context(), stages[by], lines[0])
					if err != nil {
						t.Fatal(err)
					}
					if r := &out.Records[0]; r.Outcome != record.Keep {
						t.Errorf("%s %s, form %q, reversed %v: %v", c.ID, c.Topic, form, reverse, r.Err)
						continue
					}
					if reverse { // which puts numbers out of order that are no masks, as no model would
						continue
					}
					for _, bad := range c.Check(lines[0], written(out, 0)) {
						t.Errorf("%s %s, form %q, reversed %v: %s\n%s", c.ID, c.Topic, form, reverse, bad, written(out, 0))
					}
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d cases", n)
	}
}
