package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"curate/internal/human"
	"curate/train/generate"
	"curate/train/serve"
)

const (
	defaultQueue = 128
	// serveSpare is what requests and their answers may take at most, beside the model.
	serveSpare = 256 << 20
)

func newServe(env environment) *cobra.Command {
	var f stageFlags
	var c computing
	var host, name, keyEnv string
	var port, parallel, queue int
	g := generating{options: generate.Options{Sampling: generate.Greedy(), MaxTokens: 1, Apart: true}, samples: 1, chats: chatSettings{truncate: "none"}}
	g.name = func(name string) string {
		if name == "length" {
			name = "context"
		}
		return flagName(name)
	}
	cmd := &cobra.Command{
		Use:   "serve MODEL",
		Short: "Answer requests of OpenAI's API with a language model",
		Long: `Answer requests of OpenAI's API with a language model: POST /v1/completions and /v1/chat/completions (whole, or streamed as
it is written), GET /v1/models and /health. Clients of OpenAI's API, lm-eval's local-completions and curate translate --backend
openai work with it; docs/serve.md says what requests may have in them.

MODEL is a folder as Hugging Face has it, a checkpoint, or the folder of a training run, whose last checkpoint is taken. When
it is loaded, the address for clients, which ends in /v1, is written to standard output; --port 0 chooses a free port.

Requests are answered together, a token of each at a time; one comes in and goes out between tokens. What is written for one
depends on it alone: with temperature 0, or with a seed, it is what curate generate writes. --parallel are written at once, as far
as --memory has room for their keys and values; --queue more wait, and further ones are refused with status 429.

The server listens on the loopback alone. With --host it may be reached from other machines: then let clients give a key
(--api-key-env), and put a proxy with TLS before it. It reads and writes no files for requests, and keeps nothing of them.

SIGINT and SIGTERM end it when what is in hand is answered; a second one ends it at once.`,
		Example: `  curate serve runs/chat
  curate serve runs/base --port 9000 --parallel 8 --context 4096
  curl http://127.0.0.1:8080/v1/chat/completions -d '{"messages":[{"role":"user","content":"Kaixo!"}]}'`,
		Args: oneArg("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "host", "name", "api-key-env", "tokenizer", "chat-template", "date", "memory"); err != nil {
				return err
			}
			given := cmd.Flags().Changed
			switch {
			case port < 0 || port > 65535:
				return usage("--port %d: from 0, which is any that is free, to 65535", port)
			case given("context") && g.length < 1:
				return usage("--context %d: at least 1", g.length)
			case parallel < 1 || parallel > 1024:
				return usage("--parallel %d: from 1 to 1024", parallel)
			case queue < 0 || queue > 1<<20:
				return usage("--queue %d: from 0 to %d", queue, 1<<20)
			}
			if err := f.checkLog(); err != nil {
				return err
			}
			if err := g.settle(g.name); err != nil {
				return err
			}
			g.model, g.options.Together = args[0], parallel
			key := ""
			if keyEnv != "" {
				if key = os.Getenv(keyEnv); key == "" {
					return usage("--api-key-env %s: there is no such environment variable, or it is empty", keyEnv)
				}
			}
			if name == "" {
				path, err := filepath.Abs(g.model)
				if err != nil {
					return err
				}
				name = filepath.Base(path)
			}
			if !utf8.ValidString(name) || len(name) > 256 || hasControl(name) {
				return usage("--name %q: UTF-8 without control characters, at most 256 bytes", name)
			}
			show := newDisplay(env.stderr, &f)
			defer show.close()
			_, memory, err := c.settle()
			if err != nil {
				return err
			}
			pool, precision, err := c.pool()
			if err != nil {
				return err
			}
			defer pool.Close()
			// A port that is taken is told of before a model is loaded.
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err != nil {
				return fmt.Errorf("--host %s, --port %d: %w", host, port, err)
			}
			defer l.Close()
			g.spare = min(serveSpare, memory/8)
			w, err := g.open(cmd.Context(), storage(), pool, precision, memory)
			if err != nil {
				return err
			}
			defer w.close()
			address := "http://" + l.Addr().String() + "/v1"
			show.log.Info(fmt.Sprintf("%s is at %s: up to %s at a time, of %s each, with memory for %s", name, address,
				count(int64(w.options.Together), "text"), count(int64(w.options.Context), "token"), count(int64(w.options.Room), "token")))
			if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
				said := "other machines can reach this server, and what passes between is not encrypted"
				if key == "" {
					said += "; whoever can reach it can use it: give --api-key-env VAR"
				}
				show.log.Warn(said)
			}
			s := serve.New(serve.Config{
				Writer: w.Writer, Prompts: w.prompts, Chats: w.chats, Tokenizer: w.tokenizer, Context: w.options.Context, Vocabulary: w.vocabulary,
				Name: name, Key: key, Parallel: w.options.Together, Queue: queue, Memory: g.spare, Defaults: generate.Greedy(),
				Log: func(line string) { show.log.Debug(line) },
			})
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), address); err != nil {
				return err
			}
			err = s.Run(cmd.Context(), l)
			answered, refused, tokens, _ := s.Counts()
			show.log.Info(fmt.Sprintf("%s answered, %s refused or given up, %s written", count(answered, "request"), human.Thousands(refused), count(tokens, "token")))
			if err == nil {
				err = errors.New("the server has ended") // it does not by itself
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&host, "host", "127.0.0.1", "`ADDRESS` to listen at; 0.0.0.0 is all of the machine's")
	fs.IntVar(&port, "port", 8080, "`N` of the port; 0 is any that is free")
	fs.StringVar(&name, "name", "", "`NAME` of the model in requests; default that of its folder")
	fs.StringVar(&keyEnv, "api-key-env", "", "`NAME` of the environment variable with the key that clients must give; it is in no output and no message")
	fs.IntVar(&g.length, "context", 0, "`N` tokens that the model sees at most, prompt and completion; default what it was trained on, or else "+strconv.Itoa(untrainedContext))
	fs.IntVar(&parallel, "parallel", generate.DefaultTogether, "`N` texts that are written at a time, at most. Each takes room for its keys and values")
	fs.IntVar(&queue, "queue", defaultQueue, "`N` requests more that may wait")
	fs.StringVar(&g.tokenizer, "tokenizer", "", "`PATH` of the model's tokenizer; default that in its folder")
	g.chats.registerTemplate(fs)
	g.chats.registerVariables(fs)
	g.flags(fs)
	c.flags(fs)
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "a message for each request, without its texts")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	return cmd
}

func hasControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return true
		}
	}
	return false
}
