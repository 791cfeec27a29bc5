package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"curate/langid"
)

var update = flag.Bool("update", false, "rewrite the golden files in the scripts and the generated pages")

// asCurate makes the test binary be curate, for tests that start, kill and measure real processes.
const asCurate = "CURATE_TEST_AS_CURATE"

// peakFile names the file to which it writes its /proc/self/status at the end.
const peakFile = "CURATE_TEST_PEAK_FILE"

func TestMain(m *testing.M) {
	usePseudoEngine()
	if name := os.Getenv(peakFile); name != "" {
		code := run(os.Args[1:], environment{os.Stdin, os.Stdout, os.Stderr})
		status, err := os.ReadFile("/proc/self/status")
		if err == nil {
			err = os.WriteFile(name, status, 0o666)
		}
		if err != nil {
			panic(err)
		}
		os.Exit(code)
	}
	if os.Getenv(asCurate) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"curate": main})
}

// TestScripts runs testdata/script/COMMAND_case.txtar, each in a folder of its own, with the real binary.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "s3": s3Command, "sametree": sameTrees},
		// [nolingua]: the binary has no engine that identifies languages; [azure]: it has the client of az://.
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "nolingua":
				return !hasLingua(), nil
			case "azure":
				return hasAzure, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			parquet, err := filepath.Abs("../../corpus/parquet/testdata")
			e.Setenv("PARQUET", parquet)
			if err != nil {
				return err
			}
			tokenizers, err := filepath.Abs("../../tokenize/testdata")
			e.Setenv("TOKENIZERS", tokenizers)
			if err != nil {
				return err
			}
			models, err := filepath.Abs("../../train/testdata")
			e.Setenv("MODELS", models)
			if err != nil {
				return err
			}
			lid, err := filepath.Abs("../../langid/models/lid.176.ftz")
			e.Setenv("LID", lid)
			if err != nil {
				return err
			}
			eval, err := filepath.Abs("../../train/eval/testdata")
			e.Setenv("EVAL", eval)
			if err != nil {
				return err
			}
			examples, err := filepath.Abs("../../examples")
			e.Setenv("EXAMPLES", examples)
			return err
		},
	})
}

// hasLingua says whether this binary was built with lingua.
func hasLingua() bool {
	_, err := langid.New(langid.Config{})
	return err == nil
}

// exits is the script command "exits CODE PROGRAM ARG…": exec that wants this very exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// sameTrees is the script command "sametree A B": the files below both are the same, but for times, locks and the order in
// journals.
func sameTrees(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sametree A B")
	}
	var trees [2]map[string]string
	for i := range trees {
		var err error
		trees[i], err = filesBelow(ts.MkAbs(args[i]))
		ts.Check(err)
	}
	for name, b := range trees[1] {
		if a, ok := trees[0][name]; !ok {
			ts.Fatalf("%s has no %s", args[0], name)
		} else if a != b {
			ts.Fatalf("%s/%s differs", args[0], name)
		}
	}
	for name := range trees[0] {
		if _, ok := trees[1][name]; !ok {
			ts.Fatalf("%s/%s should not be there", args[0], name)
		}
	}
}
