// Command curate turns raw text into a language model's training diet.
//
// main.go ends the process and holds the exit codes; root.go lists the commands; each command is a file
// cmd_NAME.go that turns flags into a configuration and a configuration into stages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"curate/corpus"
	"curate/pipeline"
)

// Exit codes, as every command's help prints them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitQuarantined = 3
	exitInterrupted = 130
	exitTerminated  = 143
	exitBrokenPipe  = 141
)

const exitHelp = `Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    done, but more records were quarantined than --max-quarantined, or a recipe's quarantine.max, allows
  130  interrupted (SIGINT), 143 terminated (SIGTERM): what was in hand is finished; with -o DIR, and
       for curate run, repeat the command to go on`

func main() {
	// Asking for the signal turns a write to a closed pipe into an error, so that temporary files are removed.
	signal.Notify(make(chan os.Signal, 1), sigPipe...)
	code := run(os.Args[1:], environment{os.Stdin, os.Stdout, os.Stderr})
	if code == exitBrokenPipe {
		dieOfBrokenPipe()
	}
	os.Exit(code)
}

// environment is what a command sees of the process.
type environment struct {
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer
}

// interrupted is the cause with which a signal cancels the context.
type interrupted struct{ sig os.Signal }

func (i interrupted) Error() string { return fmt.Sprintf("stopped by %v", i.sig) }

func run(args []string, env environment) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(env.stderr, "curate: this is a bug of curate, please report it: %v\n%s", p, debug.Stack())
			code = exitFailed
		}
	}()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	sigs := make(chan os.Signal, 2)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(sigs)
	go func() {
		sig, ok := <-sigs
		if !ok {
			return
		}
		cancel(interrupted{sig})
		signal.Stop(sigs) // a second one ends the process at once
	}()
	root := newRoot(env)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil && !errors.As(err, new(interrupted)) { // before the run has begun
		err = context.Cause(ctx)
	}
	if log := eventLog(cmd, env); log != nil {
		code = conclude(err, func(err error, code int) {
			log.Error(err.Error(), pipeline.Event("error"), slog.Int("exit", code))
		})
		log.Info("", pipeline.Event("run.finished"), slog.Int("exit", code))
		return code
	}
	return conclude(err, func(err error, _ int) { fmt.Fprintf(env.stderr, "curate: %v\n", err) })
}

// conclude says what ended the command and chooses the exit code.
func conclude(err error, say func(err error, code int)) (code int) {
	var (
		usage      *pipeline.UsageError
		input      *corpus.InputError
		quarantine *pipeline.QuarantineError
		stopped    interrupted
	)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, syscall.EPIPE):
		return exitBrokenPipe
	case errors.As(err, &stopped):
		if code = exitInterrupted; stopped.sig == syscall.SIGTERM {
			code = exitTerminated
		}
	case errors.As(err, &quarantine):
		code = exitQuarantined
	case errors.As(err, &usage), errors.As(err, &input):
		code = exitUsage
	default:
		code = exitFailed
	}
	say(err, code)
	return code
}
