//go:build !nolingua && unix

package langid

import (
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkHelp measures CPU time, the collector's included, on every tenth page of the help in nine languages, and on the
// texts of the accuracy table. It collects as often as the command does. Pin it to a core, and take the best of several:
//
//	taskset -c 1 go test ./langid -run xxx -bench Help -benchtime 3x -count 3 -lohelp FOLDER
func BenchmarkHelp(b *testing.B) {
	texts := map[string][][]byte{}
	for _, lang := range strings.Fields("ca de en es eu fr gl it pt") {
		for i, p := range helpRows[page](b, lang) {
			if i%10 == 0 {
				texts["pages"] = append(texts["pages"], []byte(p.Text))
			}
		}
	}
	for _, x := range helpTexts(b) {
		texts[x.class] = append(texts[x.class], []byte(x.text))
	}
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent))
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"fasttext", Config{Engine: "fasttext"}},
		{"cascade", Config{}},
		{"cascade-keep-eu", Config{Keep: []string{"eu"}}},
	} {
		for _, of := range []string{"pages", "a sentence", "100", "500", "2,000"} {
			b.Run(c.name+"/"+of, func(b *testing.B) {
				id := mustIdentifier(b, c.cfg)
				if w, ok := id.(*cascadeIdentifier); ok {
					w.e.lingua.Load()
				}
				size, asked := 0, 0
				for _, text := range texts[of] {
					size += len(text)
				}
				before := cpuTime(b)
				for b.Loop() {
					asked = 0
					for _, text := range texts[of] {
						if id.Identify(text).Opinions[1].Engine != "" {
							asked++
						}
					}
				}
				cpu := (cpuTime(b) - before).Seconds() / float64(b.N)
				b.ReportMetric(float64(size)/1e6/cpu, "cpu-MB/s")
				b.ReportMetric(float64(len(texts[of]))/cpu, "texts/cpu-s")
				b.ReportMetric(100*float64(asked)/float64(len(texts[of])), "%asked")
			})
		}
	}
}

func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
