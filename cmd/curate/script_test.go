package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden files in the scripts and the generated pages")

// asCurate makes the test binary be curate, for tests that start, kill and measure real processes.
const asCurate = "CURATE_TEST_AS_CURATE"

func TestMain(m *testing.M) {
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
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			return nil
		},
	})
}
