package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// childArg as the first argument makes this program one measurement. Its stdin is a task, its stdout a result.
const childArg = "child"

// task is what a child is asked to do.
type task struct {
	Name    string
	Files   []string // inputs
	Out     string   // path of what is written
	MB, N   int
	Profile string // file for a CPU profile

	Arg       string  // what the task's name leaves open: a filter profile, a MinHash scheme, a language
	With      string  // path of a further file to read
	Threshold float64 // similarity; seconds; standard deviation
	Precision string  // of products: f32 or bf16
	Workers   int     // of kernels
	Rank      int     // of adapters that are trained; 0: all weights are
}

// result is what a child says. CPU and Wall are of the measured section; the parent puts those of the whole
// process beside them.
type result struct {
	Bytes   int64     `json:"bytes,omitempty"`   // of one pass over the input, in the unit of the measurement
	Docs    int64     `json:"docs,omitempty"`    // of one pass
	Passes  int       `json:"passes,omitempty"`  // over the input
	CPU     float64   `json:"cpu_s,omitempty"`   // user + system, all passes
	Sys     float64   `json:"sys_s,omitempty"`   // the system's part of CPU, of a whole process
	Wall    float64   `json:"wall_s,omitempty"`  // all passes
	Foreign float64   `json:"other_s,omitempty"` // CPU seconds of others on the one core, or on all, while the process ran
	Kept    int64     `json:"kept,omitempty"`    // documents of one pass
	Allocs  *float64  `json:"allocs,omitempty"`  // a document, in steady state
	Digest  string    `json:"digest,omitempty"`  // of the bytes that were made or read
	Files   []string  `json:"files,omitempty"`   // that were written
	Unique  int64     `json:"unique,omitempty"`  // bytes of JSONL before they were repeated
	Packed  int64     `json:"packed,omitempty"`  // compressed bytes of Files
	Verdict []string  `json:"verdict,omitempty"` // a document each: "" or the reason of the drop
	PeakRSS int64     `json:"peak_rss,omitempty"`
	Tokens  int64     `json:"tokens,omitempty"`
	Check   *verdict  `json:"check,omitempty"` // of a task that checks
	Set     *setViews `json:"set,omitempty"`   // digests of a shard set

	Answer json.RawMessage `json:"answer,omitempty"` // what a peer's script would print
}

// tasks are the children by name.
var tasks = map[string]func(task) (result, error){
	"apart":          apartTask,
	"bytes":          bytesTask,
	"check":          checkTask,
	"copy":           copyTask,
	"cut":            cutTask,
	"decode":         decodeTask,
	"decodetext":     decodeTextTask,
	"digest":         digestTask,
	"encode":         encodeTask,
	"encodecold":     encodeColdTask,
	"encodeids":      encodeIDsTask,
	"encodelong":     encodeLongTask,
	"encodemany":     encodeManyTask,
	"encodewarm":     encodeWarmTask,
	"gemm":           gemmTask,
	"gemmcompare":    gemmCompareTask,
	"gemmpool":       gemmPoolTask,
	"identify":       identifyTask,
	"head":           headTask,
	"injected":       injectedTask,
	"interleave":     interleaveTask,
	"labels":         labelsTask,
	"langidtexts":    langidTextsTask,
	"lines":          linesTask,
	"llmcfiles":      llmcFilesTask,
	"map":            mapTask,
	"mapped":         mappedTask,
	"marian":         marianTask,
	"marianpairs":    marianPairsTask,
	"marianquantize": marianQuantizeTask,
	"merges":         mergesTask,
	"overlaps":       overlapsTask,
	"parse":          func(t task) (result, error) { return parseTask(t, false) },
	"parsetext":      func(t task) (result, error) { return parseTask(t, true) },
	"peerpairs":      peerPairsTask,
	"pieces":         piecesTask,
	"prepare":        prepareTask,
	"randommodel":    randomModelTask,
	"readable":       readableTask,
	"recall":         recallTask,
	"sample":         sampleTask,
	"sequences":      sequencesTask,
	"scale":          scaleTask,
	"short":          shortTask,
	"sound":          soundTask,
	"tokens":         tokensTask,
	"train":          trainTask,
	"trainmodel":     trainModelTask,
	"twice":          twiceTask,
	"unique":         uniqueTask,
	"verdicts":       verdictsTask,
	"vocab":          vocabTask,
	"writing":        writingTask,
	"writingquality": writingQualityTask,
}

func childMain([]string) {
	var t task
	err := json.NewDecoder(os.Stdin).Decode(&t)
	var res result
	if err == nil {
		res, err = tasks[t.Name](t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", t.Name+":", err)
		os.Exit(1)
	}
	res.PeakRSS = peakRSS()
	_ = json.NewEncoder(os.Stdout).Encode(res) // the parent misses it if it fails
}

// command is a process to measure.
type command struct {
	argv  []string
	env   []string
	stdin []byte
	dir   string // to run in
	one   bool   // on one core, with GOMAXPROCS=1
}

// usage is what a whole process took.
type usage struct {
	CPU, Sys, Wall float64
	Foreign        float64 // CPU seconds of others on the one core, or on all, meanwhile
	RSS            int64
	Out            []byte
}

// measure runs a process to its end. The parent holds no data, because Linux counts the memory of the
// process that starts another into the peak of the new one.
func (s *session) measure(c command) (usage, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), c.env...), c.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.stdin), &stdout, &stderr
	start := func() error { return cmd.Start() }
	core := anyCore
	if c.one {
		core = s.core
	}
	began, busy := time.Now(), busySeconds(core)
	var err error
	if c.one {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1", "OMP_NUM_THREADS=1")
		err = pinned(s.core, start)
	} else {
		err = start()
	}
	if err == nil {
		err = cmd.Wait()
	}
	wall := time.Since(began).Seconds()
	if err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", strings.Join(c.argv[:min(len(c.argv), 3)], " "), err, lastLines(stderr.String(), 15))
	}
	u := usage{CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), Sys: cmd.ProcessState.SystemTime().Seconds(), Wall: wall, Out: stdout.Bytes()}
	u.Foreign = max(0, busySeconds(core)-busy-u.CPU)
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.RSS = int64(ru.Maxrss)
		if runtime.GOOS != "darwin" { // which counts bytes
			u.RSS <<= 10
		}
	}
	return u, nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// child runs a task in a process of its own, on the one core if asked.
func (s *session) child(t task, one bool) (result, usage, error) {
	in, err := json.Marshal(t)
	if err != nil {
		return result{}, usage{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return result{}, usage{}, err
	}
	u, err := s.measure(command{argv: []string{self, childArg}, stdin: in, one: one})
	if err != nil {
		return result{}, u, err
	}
	var res result
	if err := json.Unmarshal(u.Out, &res); err != nil {
		return res, u, fmt.Errorf("%s: %w", t.Name, err)
	}
	if res.PeakRSS > 0 {
		u.RSS = res.PeakRSS
	}
	return res, u, nil
}

// leastCPU is how long a section is repeated, in CPU seconds: long beside the clock's steps.
const leastCPU = 0.5

// section repeats pass until it took leastCPU and fills in passes and times.
func (r *result) section(pass func() error) error {
	if err := pass(); err != nil { // unmeasured: buffers grow, pages come in
		return err
	}
	runtime.GC()
	cpu0, began := cpuSeconds(), time.Now()
	for r.CPU < leastCPU {
		if err := pass(); err != nil {
			return err
		}
		r.Passes++
		r.CPU = cpuSeconds() - cpu0
	}
	r.Wall = time.Since(began).Seconds()
	return nil
}

func cpuSeconds() float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err) // it has no error but wrong arguments
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
}

// peakRSS is the highest resident memory of this process alone; 0 if the system does not say.
func peakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// buildCurate makes the command of this checkout.
func (s *session) buildCurate() (string, error) {
	if s.curate != "" {
		return s.curate, nil
	}
	dir, err := root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(s.dir, "curate")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/curate")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/curate: %w\n%s", err, out)
	}
	s.curate = bin
	return bin, nil
}
