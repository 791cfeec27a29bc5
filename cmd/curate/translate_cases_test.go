package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"curate/translate/translatetest"
)

// neighbour is a row that must come out whatever stands beside it.
const neighbour = `{"id":"neighbour","messages":[{"role":"user","content":"A plain sentence here."},{"role":"assistant","content":"Another plain sentence."}]}`

// TestTranslateCases runs every case of testdata/translate through the binary, beside a server in its mood.
func TestTranslateCases(t *testing.T) {
	files, err := filepath.Glob("testdata/translate/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
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
			t.Run(c.ID+" "+c.Topic, func(t *testing.T) {
				t.Parallel()
				runCase(t, &c)
			})
		}
	}
}

func runCase(t *testing.T, c *translatetest.Case) {
	srv, err := translatetest.NewServer(c.Backend)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	rows, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	feed := rows
	broken := len(rows) == 1 && strings.Contains(string(c.In), "__raw__")
	if broken {
		feed = []string{neighbour, rows[0], neighbour}
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl")
	quarantine, dropped := filepath.Join(dir, "quarantine.jsonl"), filepath.Join(dir, "dropped.jsonl")
	if err := os.WriteFile(in, []byte(strings.Join(feed, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	timeout, retries := "10s", 3
	if c.Options.Timeout != "" {
		timeout = c.Options.Timeout
	}
	if c.Options.Retries != nil {
		retries = *c.Options.Retries
	}
	args := []string{
		"translate", "--from", c.Src, "--to", c.Tgt, "--backend", "openai", "--base-url", srv.URL, "--model", "fake", "--memory-dir", filepath.Join(dir, "tm"),
		"--timeout", timeout, "--retries", fmt.Sprint(retries), "-j", "4", "--quarantine", quarantine, "--dropped", dropped, "-o", out,
	}
	if n := c.Options.MaxRequests; n > 0 {
		args = append(args, "--max-requests", fmt.Sprint(n))
	}
	args = append(args, in)
	start := func() (*exec.Cmd, *bytes.Buffer) {
		cmd := curate(t, args...)
		cmd.Env = append(cmd.Env, "OPENAI_API_KEY=sk-planted-0123456789abcdef")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &stderr
	}
	began := time.Now()
	cmd, stderr := start()
	if k := c.Expect.KillAfterRequests; k > 0 {
		for time.Since(began) < time.Minute {
			if n, _, _ := srv.Seen(); n >= k {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		cmd, stderr = start()
	}
	limit := 90 * time.Second
	if s := c.Expect.MaxSeconds; s > 0 {
		limit = 3 * time.Duration(s*float64(time.Second)) // other tests run beside this one
	}
	kill := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	if !kill.Stop() {
		t.Fatalf("still running after %v\n%s", limit, stderr)
	}
	took, code := time.Since(began), exitOf(cmd.ProcessState)
	got, rejected := lines(t, out), append(lines(t, quarantine), lines(t, dropped)...)
	requests, segments, texts := srv.Seen()
	defer func() {
		if t.Failed() {
			t.Logf("exit %d after %v, %d requests\n%s\nout: %s\nrejected: %s\nasked: %q", code, took, requests, stderr, strings.Join(got, "\n"), strings.Join(rejected, "\n"), texts)
		}
	}()
	switch e := &c.Expect; e.Row {
	case "ok":
		want := len(rows)
		if e.RowsOut > 0 {
			want = e.RowsOut
		}
		if len(got) != want {
			t.Errorf("%d rows out, %d rejected", len(got), len(rejected))
		}
	case "reject":
		want := 0
		if broken {
			want = 2
		}
		if len(got) != want || len(rejected) == 0 {
			t.Errorf("%d rows out, %d rejected", len(got), len(rejected))
		}
		if e.Reason != "" && !regexp.MustCompile(e.Reason).MatchString(strings.Join(rejected, "\n")) {
			t.Errorf("no rejected row names a reason like %s", e.Reason)
		}
	case "either":
		if len(got)+len(rejected) != len(rows) {
			t.Errorf("%d rows in, %d out, %d rejected", len(rows), len(got), len(rejected))
		}
	case "absent":
		if len(got) > 0 {
			t.Errorf("%d rows out", len(got))
		}
	default:
		t.Fatalf("a row that is expected to be %q", e.Row)
	}
	if e := c.Expect.Exit; e != nil && *e != code {
		t.Errorf("exit code %d, want %d", code, *e)
	}
	if m := c.Expect.RequestsMax; m != nil && requests > *m {
		t.Errorf("%d requests, at most %d", requests, *m)
	}
	if m := c.Expect.RequestsSegmentsMax; m != nil && segments > *m {
		t.Errorf("%d segments asked for, at most %d", segments, *m)
	}
	if s := c.Expect.MinSeconds; took.Seconds() < s {
		t.Errorf("done in %v, not before %v s", took, s)
	}
	if len(got) > 0 && !broken && len(rows) == 1 {
		for _, bad := range c.Check(rows[0], got[0]) {
			t.Error(bad)
		}
	}
	leaks(t, dir, stderr.String(), "sk-planted-0123456789abcdef")
}

// lines of a file; none if it is not there.
func lines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, l := range strings.Split(string(b), "\n") {
		if l != "" {
			list = append(list, l)
		}
	}
	return list
}

// leaks fails if the key is in any file below dir, or in what was said.
func leaks(t *testing.T, dir, said, key string) {
	t.Helper()
	if strings.Contains(said, key) {
		t.Error("the key is in a message")
	}
	err := filepath.Walk(dir, func(name string, st os.FileInfo, err error) error {
		if err != nil || st.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(key)) {
			t.Errorf("the key is in %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTranslateCasesAreSharp checks the checks: the identity passes every structural one and fails every other.
func TestTranslateCasesAreSharp(t *testing.T) {
	files, _ := filepath.Glob("testdata/translate/*.jsonl")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := translatetest.ReadCases(text)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, c := range cases {
			rows, err := c.Rows()
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) > 1 || strings.Contains(string(c.In), "__raw__") {
				continue
			}
			failed := c.Check(rows[0], rows[0])
			want := 0
			for k := range c.Checks {
				if !c.Checks[k].Structural() {
					want++
				}
				n++
			}
			if len(failed) != want {
				t.Errorf("%s: the identity fails %d checks, want %d: %q", c.ID, len(failed), want, failed)
			}
		}
		t.Logf("%s: %d checks", file, n)
	}
}
