//go:build unix

package backends

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newTestCommand(t *testing.T, line string, change func(c *Command)) (*command, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var logs []string
	c := Command{Line: line, Timeout: 5 * time.Second, Log: func(format string, args ...any) {
		mu.Lock()
		logs = append(logs, fmt.Sprintf(format, args...))
		mu.Unlock()
	}}
	if change != nil {
		change(&c)
	}
	before := runtime.NumGoroutine()
	b, err := newCommand(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
				break
			}
		}
		// No child is left, not even as a zombie.
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
			t.Errorf("a child is left: %d, %v", pid, err)
		}
	})
	return b, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(logs) }
}

// loop reads lines and runs body for each, in the shell itself, which does not buffer.
func loop(body string) string { return "while read -r l; do " + body + "; done" }

func TestCommand(t *testing.T) {
	b, logs := newTestCommand(t, `echo ready >&2; `+loop(`echo "<$l>"`), nil)
	for i := range 3 {
		a := must(t, b, request("a b", fmt.Sprint(i), `c\d`))
		if want := []string{"<a b>", fmt.Sprintf("<%d>", i), `<c\d>`}; !slices.Equal(a.Texts, want) || slices.Contains(a.Missing, true) {
			t.Errorf("%q", a.Texts)
		}
		if a.Spent.Requests != 1 || a.Spent.Prompt == 0 || !a.Spent.Estimated {
			t.Errorf("%+v", a.Spent)
		}
	}
	for end := time.Now().Add(5 * time.Second); !slices.Equal(logs(), []string{"command: ready"}); time.Sleep(time.Millisecond) {
		if time.Now().After(end) { // once: the process is kept
			t.Fatalf("%q", logs())
		}
	}
	if b.MaxSegments() != 32 || b.Stats().Requests != 3 || b.Stats().Limit != 1 {
		t.Errorf("%d %+v", b.MaxSegments(), b.Stats())
	}
}

func TestCommandFailures(t *testing.T) {
	for _, r := range []struct {
		name, line string
		class      Class
		reason     string
		detail     string
	}{
		{"ends", "exit 3", Failed, "command", "exit status 3"},
		{"ends after a line", "read -r l; echo x", Failed, "command", "exit status 0"},
		{"no such program", "exec /no/such/program", Down, "command", "status 127"},
		{"killed", "kill -9 $$", Failed, "command", "killed"},
		{"too many lines", loop("echo a; echo b"), Failed, "command", "more than"},
		{"never answers", "sleep 600", Failed, "timeout", "each line"},
		{"ignores the end of its input", "trap '' TERM; sleep 600 & wait", Failed, "timeout", "each line"},
		{"a line without end", "tr -d '\\n' </dev/zero", Failed, "command", "more than"},
	} {
		t.Run(r.name, func(t *testing.T) {
			b, _ := newTestCommand(t, r.line, func(c *Command) {
				if r.reason == "timeout" {
					c.Timeout = 100 * time.Millisecond
				}
			})
			for range 2 {
				_, err := b.Translate(context.Background(), request("one", "two"))
				e := want(t, err, r.class, r.reason)
				if !strings.Contains(e.Detail, r.detail) {
					t.Errorf("%q", e.Detail)
				}
			}
		})
	}
}

// A process that dies is started again, and what it left running is not.
func TestCommandRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	b, _ := newTestCommand(t, `sleep 600 & echo $! >`+file+"; "+loop(`[ "$l" = die ] && exit 1; echo "$l"`), nil)
	must(t, b, request("one"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if syscall.Kill(pid, 0) != nil {
		t.Fatal("the test's child is not there")
	}
	_, err = b.Translate(context.Background(), request("die"))
	want(t, err, Failed, "command")
	for end := time.Now().Add(5 * time.Second); running(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a grandchild lives on")
		}
	}
	if a := must(t, b, request("two")); a.Texts[0] != "two" {
		t.Errorf("%q", a.Texts)
	}
}

// running: neither gone nor a zombie that init has yet to collect.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && runtime.GOOS != "linux"
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestCommandGivesUp(t *testing.T) {
	b, _ := newTestCommand(t, "exit 1", nil)
	for i := range commandDown + 2 {
		_, err := b.Translate(context.Background(), request("one"))
		class := Failed
		if i+1 >= commandDown {
			class = Down
		}
		want(t, err, class, "command")
	}
	if n := b.Stats().Requests; n != commandDown {
		t.Errorf("%d requests", n)
	}
}

func TestCommandMissing(t *testing.T) {
	b, _ := newTestCommand(t, loop(`[ "$l" = no ] && echo || printf '%b\n' "$l"`), nil)
	a := must(t, b, request("one", "no", `\0377`))
	if !slices.Equal(a.Missing, []bool{false, true, true}) || a.Texts[0] != "one" || a.Texts[2] != "" {
		t.Errorf("%q %v", a.Texts, a.Missing)
	}
	_, err := b.Translate(context.Background(), request("a\nb"))
	want(t, err, Failed, "bad_request")
	_, err = b.Translate(context.Background(), request(make([]string, 33)...))
	want(t, err, Split, "context_length")
}

// More than a pipe holds, both ways, from a program that answers as it reads.
func TestCommandLong(t *testing.T) {
	b, _ := newTestCommand(t, "cat", nil)
	in := make([]string, 32)
	for i := range in {
		in[i] = strings.Repeat("a", 50000+i)
	}
	if a := must(t, b, request(in...)); !slices.Equal(a.Texts, in) {
		t.Error("not what was sent")
	}
}

func TestCommandStderr(t *testing.T) {
	b, logs := newTestCommand(t, `i=0; while [ $i -lt 300 ]; do echo "line $i" >&2; i=$((i+1)); done; `+loop("echo x"), nil)
	must(t, b, request("one"))
	b.Close()
	got := logs()
	if len(got) != stderrLines+1 || got[0] != "command: line 0" || !strings.Contains(got[stderrLines], "not shown") {
		t.Errorf("%d lines, %q", len(got), got[len(got)-1])
	}
}

func TestCommandCancel(t *testing.T) {
	b, _ := newTestCommand(t, loop(`sleep 0.2; echo "$l"`), nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("interrupted")
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	var all sync.WaitGroup
	all.Go(func() {
		if a, err := b.Translate(ctx, request("one")); err != nil || a.Texts[0] != "one" {
			t.Errorf("what was sent is waited for: %v", err)
		}
	})
	time.Sleep(20 * time.Millisecond)
	if _, err := b.Translate(ctx, request("two")); err != cause {
		t.Errorf("what was not: %v", err)
	}
	all.Wait()
	if b.Stats().Requests != 1 {
		t.Error("sent after a cancel")
	}
}

func TestCommandProcessesAndBudget(t *testing.T) {
	b, _ := newTestCommand(t, loop(`echo "$l"`), func(c *Command) { c.Processes = 4; c.Policy.MaxRequests = 20 })
	var all sync.WaitGroup
	var mu sync.Mutex
	good, out := 0, 0
	for i := range 64 {
		all.Go(func() {
			s := fmt.Sprint("text ", i)
			a, err := b.Translate(context.Background(), request(s))
			mu.Lock()
			defer mu.Unlock()
			if err == nil && a.Texts[0] == s {
				good++
			} else if e, _ := errors.AsType[*Error](err); e != nil && e.Class == Budget {
				out++
			} else {
				t.Errorf("%v %v", a, err)
			}
		})
	}
	all.Wait()
	if good != 20 || out != 44 {
		t.Errorf("%d good, %d out of budget", good, out)
	}
	b.Close()
	_, err := b.Translate(context.Background(), request("x"))
	want(t, err, Down, "command")
}
