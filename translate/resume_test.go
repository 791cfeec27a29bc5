package translate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/translate/backends"
	"curate/translate/memory"
)

// TestMemoryTellsAll: a run that finds everything in the memory, what was given up included, says of it what the run said that asked:
// in rows, in the quarantine and in the ledger, whichever of the ladder's ends it came to.
func TestMemoryTellsAll(t *testing.T) {
	long := strings.Repeat("ibaia eta mendia ", 40) + "\xff" + strings.Repeat("etxea ", 40)
	bad := func(answer func(segment string) string) func(int, *backends.Request) (*backends.Answer, error) {
		return func(_ int, r *backends.Request) (*backends.Answer, error) {
			a := good(r)
			for i, s := range r.Segments {
				if strings.Contains(s, "castle") || strings.Contains(s, "harbour") {
					a.Texts[i] = answer(s)
				}
			}
			return a, nil
		}
	}
	missing := func(_ int, r *backends.Request) (*backends.Answer, error) {
		a := good(r)
		for i, s := range r.Segments {
			a.Missing[i] = strings.Contains(s, "castle")
		}
		return a, nil
	}
	refused := func(_ int, r *backends.Request) (*backends.Answer, error) {
		if holds(r, "castle") {
			return nil, &backends.Error{Class: backends.Refused, Reason: "content_filter", Detail: "not this"}
		}
		return good(r), nil
	}
	cases := map[string]func(int, *backends.Request) (*backends.Answer, error){
		"echo":         bad(func(s string) string { return s }),
		"empty":        bad(func(string) string { return "" }),
		"loop":         bad(func(string) string { return long }),
		"holes":        bad(func(s string) string { return strings.NewReplacer("[", "", "]", "").Replace(pseudo.Translate(s)) }),
		"missing":      missing,
		"refused":      refused,
		"nothing else": fine,
	}
	var lines []string
	some := words[9:]
	for i, w := range some {
		lines = append(lines, chat(fmt.Sprint(i), "Tell me about the "+w+" in `"+w+".txt` and 12 others.", "The "+some[(i+3)%len(some)]+" is old. Nobody lives there."))
	}
	for name, answer := range cases {
		for _, judged := range []bool{false, true} {
			for _, onFail := range []string{OnFailQuarantine, OnFailKeepSource} {
				t.Run(fmt.Sprintf("%s, judged %v, %s", name, judged, onFail), func(t *testing.T) {
					cfg := Config{OnFail: onFail, Annotate: onFail == OnFailKeepSource, MinScore: 0.5}
					// say is what a run over the memory in dir says of all rows; of another one it read others before.
					say := func(dir string, others ...string) (said []string, asked int) {
						m, err := memory.Open(t.Context(), dir, memory.Options{MaxIndex: 1 << 30, Read: others})
						if err != nil {
							t.Fatal(err)
						}
						defer m.Close()
						b := newScripted(answer)
						p := Parts{Backend: b, Memory: func(context.Context) (*memory.Store, error) { return m, nil }}
						if judged {
							p.Judge = strict{}
						}
						out, err := mapped(t, t.Context(), newStage(t, cfg, p), lines...)
						if err != nil {
							t.Fatal(err)
						}
						for i := range out.Records {
							if r := &out.Records[i]; r.Outcome == record.Keep {
								said = append(said, written(out, i))
							} else {
								said = append(said, r.Err.Error())
							}
						}
						sums := map[string]int64{}
						for _, k := range out.TakeTallies() {
							sums[k.Name] += k.N
						}
						for _, k := range slices.Sorted(maps.Keys(sums)) {
							said = append(said, fmt.Sprint(k, " ", sums[k]))
						}
						return said, len(b.asked)
					}
					first, second := t.TempDir(), t.TempDir()
					want, asked := say(first)
					if asked == 0 {
						t.Fatal("nobody was asked")
					}
					for what, dirs := range map[string][]string{"its memory": {first}, "another's memory": {second, first}} {
						got, asked := say(dirs[0], dirs[1:]...)
						if asked > 0 {
							t.Errorf("%s: asked %d times", what, asked)
						}
						for i := range max(len(got), len(want)) {
							if i >= len(got) || i >= len(want) || got[i] != want[i] {
								t.Fatalf("%s:\n%q, without\n%q", what, got[i:], want[i:])
							}
						}
					}
				})
			}
		}
	}
}

// strict is a judge that one word does not pass. It may be used from any goroutine.
type strict struct{}

func (strict) Name() string { return "strict" }
func (strict) Close() error { return nil }
func (strict) Score(_ context.Context, _, _ string, _, targets []string) (list []float64, _ backends.Spent, _ error) {
	for _, target := range targets {
		score := 0.9
		if strings.Contains(target, pseudo.Translate("village")) {
			score = 0.1
		}
		list = append(list, score)
	}
	return list, backends.Spent{Requests: 1}, nil
}
