package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"curate/corpus"
)

const (
	sparkFiles  = 16
	sparkMaster = "local-cluster[2,1,1024]" // two executor JVMs of one core and 1 GiB each
	sparkAlive  = time.Hour                 // longest run of the driver
)

// runSpark has contrib/spark do what one process does, on executors that are processes of their own, of which one is killed
// with -9 in the middle of a task of each kind: a call of curate, and a shuffle. The directories must be the same.
func runSpark(s *session) error {
	if s.options.sparkPython == "" {
		fmt.Println("spark: skipped: -spark-python names no Python with pyspark")
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	home, err := root()
	if err != nil {
		return err
	}
	in := filepath.Join(s.dir, "spark-in")
	docs, size, err := edited(s.corpus.Files, in, int64(s.options.sparkMB)*1e6)
	if err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{"docs": docs, "bytes": size}}
	flags := []string{"--threshold", "0.7", "--max-record", "16MiB"}
	local := filepath.Join(s.dir, "spark-local")
	one, err := s.measure(command{argv: append(append([]string{bin, "dedup", "-q", "-j", "2", "-o", local, "--dropped", filepath.Join(s.dir, "spark-dropped.jsonl.zst")}, flags...), in)})
	if err != nil {
		return err
	}
	want, err := directory(local)
	if err != nil {
		return err
	}
	var summary struct {
		Dropped int64 `json:"dropped_documents"`
	}
	if err := json.Unmarshal(want["_curate/dedup.json"], &summary); err != nil {
		return err
	}
	v.printf("%d documents, %.1f MB in %d files; one process drops %d in %.1f s, %.1f CPU s", docs, mb(size), sparkFiles, summary.Dropped, one.Wall, one.CPU)
	if summary.Dropped == 0 {
		v.failf("one process drops nothing: this shows nothing")
	}
	for _, mode := range []struct {
		name string
		more []string
		kill []moment
	}{
		{"schedule only", []string{"--schedule-only"}, []moment{{"a call of curate dedup sign", callOf("sign")}}},
		{"shuffles", nil, []moment{{"the shuffle of stars", writing("stars")}, {"a call of curate dedup sets", callOf("sets")}}},
	} {
		run := filepath.Join(s.dir, "spark-run")
		if err := os.RemoveAll(run); err != nil {
			return err
		}
		argv := append([]string{filepath.Join(filepath.Dir(s.options.sparkPython), "spark-submit"), "--master", sparkMaster,
			"--conf", "spark.task.maxFailures=4", "--conf", "spark.sql.shuffle.partitions=8", "--conf", "spark.ui.enabled=false", "--driver-memory", "1g",
			"--conf", "spark.local.dir=" + s.dir,
			filepath.Join(home, "contrib", "spark", "dedup_spark.py"), "--run", run, "--curate", bin, "--ranks", strconv.Itoa(sparkFiles), "--memory", "256MiB", "--single-memory", "1GiB"}, mode.more...)
		argv = append(append(append(argv, in, "--"), flags...), "--ranges", "8")
		began := time.Now()
		log, killed, err := submit(argv, s.options.sparkPython, s.dir, run, mode.kill)
		took := time.Since(began).Seconds()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", mode.name, err, lastLines(strings.Join(ownLines.FindAllString(log, -1), "\n"), 30))
		}
		lost, retried := len(lostExecutor.FindAllString(log, -1)), len(lostTask.FindAllString(log, -1))
		v.printf("%s: %.1f s; killed in %s; the log has %d lost executors and %d tasks that were lost with them", mode.name, took, strings.Join(killed, " and in "), lost, retried)
		v.Numbers[mode.name] = map[string]any{"wall": took, "lost_executors": lost, "lost_tasks": retried, "rounds": strings.Count(log, "curate: components, round ")}
		if len(killed) < len(mode.kill) {
			v.failf("%s: %d moments to kill came, of %d", mode.name, len(killed), len(mode.kill))
		}
		if lost < len(mode.kill) || retried < len(mode.kill) {
			v.failf("%s: an executor that was killed was not missed, or was not at a task: this shows nothing", mode.name)
		}
		got, err := directory(run)
		if err != nil {
			return err
		}
		before := len(v.Failures)
		delete(got, "_curate/ranks.json")
		for name, w := range want {
			if g, ok := got[name]; !ok || !bytes.Equal(g, w) {
				v.failf("%s: %s has %d bytes that differ from %d", mode.name, name, len(g), len(w))
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				v.failf("%s: %s should not be there", mode.name, name)
			}
		}
		if len(v.Failures) == before {
			v.printf("%s: the %d files of the directory are those of one process", mode.name, len(want))
		}
	}
	return s.say("spark", v)
}

var (
	lostExecutor = regexp.MustCompile(`ERROR TaskSchedulerImpl: Lost executor \d+`)
	ownLines     = regexp.MustCompile(`(?m)^(curate: |\w+Error: ).*`) // not Spark's
	lostTask     = regexp.MustCompile(`Lost task .*ExecutorLostFailure`)
)

// directory are the files of an output directory, less those that say times.
func directory(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch d.Name() {
		case "journal", "timing.json", "lock":
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(name)
		return err
	})
	if err == nil && len(files) < 3 {
		err = fmt.Errorf("%w: %s has %d files", errOutput, dir, len(files))
	}
	return files, err
}

// edited writes texts of files, and as many copies of them and of copies, with words that were changed, as files of dir.
func edited(files []string, dir string, size int64) (docs int, bytesOf int64, err error) {
	rng := rand.New(rand.NewPCG(14, 3))
	var texts []string
	read := int64(0)
	for _, name := range files {
		b, err := decodedFile(name)
		if err != nil {
			return 0, 0, err
		}
		for line := range bytes.Lines(b) {
			var doc struct{ Text string }
			if json.Unmarshal(line, &doc) == nil && doc.Text != "" && read < size/2 {
				texts = append(texts, doc.Text)
				read += int64(len(doc.Text))
			}
		}
	}
	if len(texts) == 0 {
		return 0, 0, errors.New("the data has no texts")
	}
	for ; read < size; read += int64(len(texts[len(texts)-1])) {
		words := strings.Split(texts[rng.IntN(len(texts))], " ")
		for range rng.IntN(2 + len(words)/20) {
			words[rng.IntN(len(words))] = fmt.Sprintf("w%d", rng.IntN(5000))
		}
		texts = append(texts, strings.Join(words, " "))
	}
	rng.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, err
	}
	for i := range sparkFiles {
		var lines []byte
		for n := i * len(texts) / sparkFiles; n < (i+1)*len(texts)/sparkFiles; n++ {
			b, err := json.Marshal(map[string]any{"id": n, "text": texts[n]})
			if err != nil {
				return 0, 0, err
			}
			lines = append(append(lines, b...), '\n')
		}
		bytesOf += int64(len(lines))
		packed, err := encoded(lines)
		if err != nil {
			return 0, 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.jsonl.zst", i)), packed, 0o644); err != nil {
			return 0, 0, err
		}
	}
	return len(texts), bytesOf, nil
}

// moment is when to kill an executor.
type moment struct {
	name string
	// come gives the executor, or 0 as long as it is not the moment yet.
	come func(driver int, run string) int
}

// submit runs the driver, and kills an executor at each moment, in turn.
func submit(argv []string, python, dir, run string, moments []moment) (log string, killed []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), sparkAlive)
	defer cancel()
	name := filepath.Join(dir, "spark.log")
	out, err := os.Create(name)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "PYSPARK_PYTHON="+python)
	if err := cmd.Start(); err != nil {
		return "", nil, errors.Join(err, out.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(2 * time.Millisecond):
			if len(killed) == len(moments) {
				continue
			}
			if pid := moments[len(killed)].come(cmd.Process.Pid, run); pid != 0 {
				// It is of our own driver, so it is ours to kill; what it had begun may end, as after a lost node.
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					killed = append(killed, moments[len(killed)].name)
				}
			}
		}
	}
	err = errors.Join(err, out.Close())
	b, readErr := os.ReadFile(name)
	return string(b), killed, errors.Join(err, readErr)
}

// executor is the JVM of an executor among the processes above pid, if our driver is above that; else 0.
func executor(pid, driver int) int {
	found := 0
	for pid > 1 && pid != driver {
		if found == 0 && slices.Contains(arguments(pid), "org.apache.spark.executor.CoarseGrainedExecutorBackend") {
			found = pid
		}
		pid = parent(pid)
	}
	if pid != driver {
		return 0
	}
	return found
}

func arguments(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
	return strings.Split(string(b), "\x00")
}

func parent(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, fields, ok := strings.Cut(string(b), ") ") // the name before may hold anything
	if f := strings.Fields(fields); ok && len(f) > 1 {
		n, _ := strconv.Atoi(f[1])
		return n
	}
	return 0
}

func processes() (list []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// callOf is when a task calls a verb of curate dedup.
func callOf(verb string) func(driver int, run string) int {
	return func(driver int, run string) int {
		for _, pid := range processes() {
			if a := arguments(pid); len(a) > 4 && a[1] == "dedup" && a[2] == verb && slices.Contains(a, run) {
				if e := executor(pid, driver); e != 0 {
					return e
				}
			}
		}
		return 0
	}
}

// writing is when a task of an executor writes a file of a folder of the exchange.
func writing(folder string) func(driver int, run string) int {
	return func(driver int, run string) int {
		unfinished := filepath.Join(run, corpus.Dir, "ranks", "exchange", folder, "_temporary")
		if _, err := os.Stat(unfinished); err != nil {
			return 0
		}
		for _, pid := range processes() {
			if executor(pid, driver) != pid {
				continue
			}
			open := fmt.Sprintf("/proc/%d/fd", pid)
			files, _ := os.ReadDir(open) // it may have ended
			for _, f := range files {
				if to, err := os.Readlink(filepath.Join(open, f.Name())); err == nil && strings.HasPrefix(to, unfinished) {
					return pid
				}
			}
		}
		return 0
	}
}
