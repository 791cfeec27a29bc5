package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// TestGenerateInterrupted: who stops a model that writes keeps whole records, and is told so.
func TestGenerateInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted there")
	}
	cmd := curate(t, "generate", "../../train/eval/testdata/tiny", "--max-tokens", "40", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	go func() { // until nobody reads any more
		line := bytes.Repeat([]byte("{\"text\":\"a\"}\n"), 1000)
		for {
			if _, err := in.Write(line); err != nil {
				return
			}
		}
	}()
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if b := lines.Bytes(); !bytes.HasPrefix(b, []byte(`{"text":"a","completion":"`)) || !bytes.HasSuffix(b, []byte(`"}`)) {
			t.Fatalf("a line is %q", b)
		}
		if n == 20 {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, ok := cmd.Wait().(*exec.ExitError); !ok || exitOf(cmd.ProcessState) != exitInterrupted || stderr.String() != "curate: stopped by interrupt\n" {
		t.Errorf("exit code %d, it says %q", exitOf(cmd.ProcessState), stderr.String())
	}
}
