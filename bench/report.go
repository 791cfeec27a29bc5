package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// session is one call of the program.
type session struct {
	options options
	dir     string // temporary
	started time.Time
	machine machine
	core    int
	curate  string // the built command
	corpus  result // of prepareTask
	raw     *os.File
}

// measurement is a line of the raw run, and one of the values behind a line of the table.
type measurement struct {
	Bench   string  `json:"bench"`
	Name    string  `json:"name"`
	Round   int     `json:"round"` // from 1
	MBs     float64 `json:"mb_per_cpu_s"`
	Unit    string  `json:"unit"` // what the MB (10^6 bytes) are of: JSONL or text
	Process bool    `json:"whole_process"`
	result
	Load string         `json:"load"`
	More map[string]any `json:"more,omitempty"`
}

// row is a line of the table: the measurements of one thing in all rounds.
type row struct {
	name string
	all  []measurement
	note string
}

func (s *session) open() (err error) {
	s.core = s.options.core
	if s.core < 0 {
		s.core = lastCore()
	}
	if s.options.out != "" {
		if err := os.MkdirAll(filepath.Dir(s.options.out), 0o755); err != nil {
			return err
		}
		if s.raw, err = os.OpenFile(s.options.out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return err
		}
	}
	s.corpus, _, err = s.child(task{Name: "prepare", Files: s.options.data, Out: filepath.Join(s.dir, "in"), MB: s.options.mb}, false)
	return err
}

func (s *session) close() error {
	if s.raw == nil {
		return nil
	}
	return s.raw.Close()
}

func (s *session) head() {
	m, c := s.machine, s.corpus
	fmt.Printf("%s, %d cores, %s, kernel %s, %s, commit %s, load %s, core %d where one is used\n",
		m.CPU, m.Cores, m.OS, m.Kernel, m.Go, m.Commit, load(), s.core)
	for _, p := range []string{"github.com/klauspost/compress", "github.com/go-json-experiment/json"} {
		fmt.Printf("%s %s\n", p, m.Versions[p])
	}
	fmt.Printf("data: %.1f MB of JSONL (%.1f MB of it once, then repeated), %d documents, %d files, %.1f MB compressed\n",
		mb(c.Bytes), mb(c.Unique), c.Docs, len(c.Files), mb(c.Packed))
}

// scaling compares the clocks of one core and of two workers, round by round, since the machine may be faster or
// slower in the next: the median of the ratios, their range, and how many cores two workers kept busy.
func scaling(one, two *row) string {
	var ratios, busy []float64
	for i := range two.all {
		ratios = append(ratios, one.all[i].Wall/two.all[i].Wall)
		busy = append(busy, two.all[i].CPU/two.all[i].Wall)
	}
	slices.Sort(ratios)
	slices.Sort(busy)
	return fmt.Sprintf("wall of -j 1 / wall of -j 2 = %.2f (%.2f–%.2f), with %.2f cores busy", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1], busy[len(busy)/2])
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// add keeps a measurement in its row and in the raw run.
func (s *session) add(r *row, m measurement) {
	if m.CPU > 0 {
		m.MBs = mb(m.Bytes) * float64(m.Passes) / m.CPU
	}
	m.Files, m.Verdict, m.Check, m.Set, m.Answer, m.Load = nil, nil, nil, nil, nil, load()
	r.all = append(r.all, m)
	s.write(m)
}

// write appends a line to the raw run: v, and where and when it was measured.
func (s *session) write(m measurement) {
	if s.raw == nil {
		return
	}
	line := struct {
		Date string `json:"date"`
		measurement
		Corpus  map[string]any `json:"corpus"`
		Machine machine        `json:"machine"`
	}{time.Now().UTC().Format(time.RFC3339), m, map[string]any{
		"bytes": s.corpus.Bytes, "unique_bytes": s.corpus.Unique, "docs": s.corpus.Docs, "files": len(s.corpus.Files), "compressed_bytes": s.corpus.Packed,
	}, s.machine}
	b, err := json.Marshal(line)
	if err == nil {
		_, err = s.raw.Write(append(b, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: raw run:", err)
	}
}

// median of a value over the rounds.
func (r *row) median(value func(measurement) float64) float64 {
	v := make([]float64, 0, len(r.all))
	for _, m := range r.all {
		v = append(v, value(m))
	}
	slices.Sort(v)
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

func speed(m measurement) float64 { return m.MBs }

// table prints rows: medians, and the range of the speeds.
func table(title string, rows ...*row) {
	width := 34
	for _, r := range rows {
		width = max(width, len(r.name))
	}
	fmt.Printf("\n%s\n%-*s %9s %17s %9s %8s %9s %11s %8s  %s\n", title, width, "", "MB/CPU s", "from–to", "CPU s", "wall s", "peak MiB", "allocs/doc", "others s", "unit")
	for _, r := range rows {
		if len(r.all) == 0 {
			continue
		}
		lo, hi := r.all[0].MBs, r.all[0].MBs
		for _, m := range r.all {
			lo, hi = min(lo, m.MBs), max(hi, m.MBs)
		}
		// Times of one pass.
		pass := func(v func(measurement) float64) float64 {
			return r.median(func(m measurement) float64 { return v(m) / float64(m.Passes) })
		}
		allocs := ""
		if a := r.all[0].Allocs; a != nil {
			allocs = fmt.Sprintf("%.4f", r.median(func(m measurement) float64 { return *m.Allocs }))
		}
		fmt.Printf("%-*s %9.4g %17s %9.3f %8.3f %9.0f %11s %8.2f  %s%s\n", width, r.name, r.median(speed), fmt.Sprintf("%.4g–%.4g", lo, hi),
			pass(func(m measurement) float64 { return m.CPU }), pass(func(m measurement) float64 { return m.Wall }),
			r.median(func(m measurement) float64 { return float64(m.PeakRSS) / (1 << 20) }), allocs,
			r.median(func(m measurement) float64 { return m.Foreign }), r.all[0].Unit, r.note)
	}
}

// sectionBytes is how much of the corpus a section goes over, as whole files: more than any cache holds.
const sectionBytes = 64e6

// inMemory are the first files of the corpus, up to sectionBytes of them.
func (s *session) inMemory() []string {
	n := min(len(s.corpus.Files), max(1, int(float64(len(s.corpus.Files))*sectionBytes/float64(s.corpus.Bytes))))
	return s.corpus.Files[:n]
}

// section is one measured in a child: what it says of itself.
func (s *session) section(r *row, bench, unit string, round int, t task) (result, error) {
	res, u, err := s.child(t, true)
	if err != nil {
		return res, err
	}
	res.PeakRSS, res.Foreign = u.RSS, u.Foreign
	s.add(r, measurement{Bench: bench, Name: r.name, Round: round, Unit: unit, result: res})
	return res, nil
}

var errOutput = errors.New("wrong output, so no time counts")
