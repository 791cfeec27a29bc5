package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"
)

// served is a process of curate serve.
type served struct {
	*exec.Cmd
	address string // up to and with /v1
	stderr  bytes.Buffer
}

// startServe starts one on a port that is free, and waits until it says where it is.
func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{Cmd: curate(t, append([]string{"serve", "--port", "0"}, args...)...)}
	s.Cmd.Stderr = &s.stderr
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.ProcessState == nil {
			_ = s.Process.Kill()
			_ = s.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = s.Wait()
		t.Fatalf("%v: %s", err, s.stderr.String())
	}
	s.address = strings.TrimSuffix(line, "\n")
	return s
}

// stop ends it with SIGTERM.
func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = s.Wait()
	if code := exitOf(s.ProcessState); code != exitTerminated || !strings.HasSuffix(s.stderr.String(), "stopped by terminated\n") {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
}

// ask sends a body, and gives the texts of the choices.
func (s *served) ask(t *testing.T, path, body string) []string {
	t.Helper()
	r, err := http.Post(s.address+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%s is answered with %d %s, %v", body, r.StatusCode, b, err)
		return nil
	}
	var answer struct {
		Choices []struct {
			Text    string `json:"text"`
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		t.Error(err)
	}
	var texts []string
	for _, c := range answer.Choices {
		texts = append(texts, c.Text+c.Message.Content)
	}
	return texts
}

// TestServe: requests that come at the same time get, each, what curate generate writes.
func TestServe(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	tiny := filepath.Join("..", "..", "train", "eval", "testdata", "tiny")
	const length, most = "300", "60"
	prompts := []string{"Kaixo, ", "The document", "Ω", "Gorde dokumentua leihoa itxi aurretik.", "1"}
	chat := `{"messages":[{"role":"user","content":"Kaixo!"}]}`
	generate := func(input string, args ...string) []any {
		cmd := curate(t, append([]string{"generate", tiny, "--kernels", "portable", "-q", "--max-tokens", most, "--length", length, "--chat-template", "chatml"}, args...)...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var list []any
		for line := range bytes.Lines(out) {
			var row struct {
				Completion any `json:"completion"`
			}
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			list = append(list, row.Completion)
		}
		return list
	}
	type question struct {
		path, body string
		want       []string
	}
	var all []question
	// Draws go by the record's number in the input: a request is record 0.
	for _, p := range prompts {
		row := fmt.Sprintf("{\"text\":%q}\n", p)
		greedy := generate(row, "--temperature", "0")[0].(string)
		all = append(all, question{"/completions", fmt.Sprintf(`{"prompt":%q,"temperature":0,"max_tokens":%s}`, p, most), []string{greedy}})
		drawn := question{"/completions", fmt.Sprintf(`{"prompt":%q,"temperature":0.8,"seed":9,"n":2,"top_p":0.9,"max_tokens":%s}`, p, most), nil}
		for _, text := range generate(row, "--temperature", "0.8", "--seed", "9", "-n", "2", "--top-p", "0.9")[0].([]any) {
			drawn.want = append(drawn.want, text.(string))
		}
		all = append(all, drawn)
	}
	all = append(all, question{"/chat/completions", `{"temperature":0,"max_tokens":` + most + `,` + chat[1:], []string{generate(chat, "--temperature", "0")[0].(string)}})

	s := startServe(t, tiny, "--kernels", "portable", "--context", length, "--chat-template", "chatml", "--parallel", "7", "-v")
	var wg sync.WaitGroup
	for range 4 {
		for _, q := range all {
			wg.Go(func() {
				if got := s.ask(t, q.path, q.body); !slices.Equal(got, q.want) {
					t.Errorf("%s is answered with %q, want %q", q.body, got, q.want)
				}
			})
		}
	}
	wg.Wait()
	s.stop(t)
	for _, want := range []string{
		"curate: tiny is at " + s.address + ": up to 7 texts at a time, of 300 tokens each, with memory for ", "curate: POST /v1/chat/completions 200, ", "curate: 44 requests answered, 0 refused or given up, ",
	} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("%q is not in %s", want, s.stderr.String())
		}
	}
	if strings.Contains(s.stderr.String(), "Kaixo") {
		t.Error("messages have texts in them")
	}
}

// TestServeKey: the key of the environment is asked for, and told to nobody.
func TestServeKey(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Setenv("SERVE_TEST_KEY", "secret-of-the-test")
	s := startServe(t, filepath.Join("..", "..", "train", "eval", "testdata", "tiny"), "--host", "0.0.0.0", "--api-key-env", "SERVE_TEST_KEY", "--name", "small", "--log", "json")
	_, port, _ := strings.Cut(strings.TrimPrefix(s.address, "http://"), "]:") // of all addresses, IPv6's too
	if port == "" {
		_, port, _ = strings.Cut(strings.TrimPrefix(s.address, "http://"), ":")
	}
	url := "http://127.0.0.1:" + port + "/models"
	for key, want := range map[string]int{"": 401, "secret-of-the-test": 200} {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != want || err != nil || want == 200 && !strings.Contains(string(b), `"id":"small"`) {
			t.Errorf("with %q: %d %s, %v", key, r.StatusCode, b, err)
		}
	}
	if err := s.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = s.Wait()
	if code := exitOf(s.ProcessState); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if said := s.stderr.String(); !strings.Contains(said, "other machines can reach this server") || strings.Contains(said, "secret") || strings.Contains(said, "give --api-key-env") {
		t.Error(said)
	}
}

// TestServeTranslate: curate translate has a model translate that was trained here to know four sentences.
func TestServeTranslate(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a model")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const shot = "Sentences in English and their translations into standard Basque (euskara batua).\n\nEnglish: Good night.\nstandard Basque (euskara batua): Gabon.\n\n"
	pairs := [][2]string{{"The house is red.", "Etxea gorria da."}, {"Where do you live?", "Non bizi zara?"}, {"Thank you very much.", "Eskerrik asko."}, {"The water is cold.", "Ura hotza dago."}}
	var few, rows, want strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&few, "{\"text\":%q}\n", shot+"English: "+p[0]+"\nstandard Basque (euskara batua): "+p[1]+"\n")
		fmt.Fprintf(&rows, "{\"text\":%q}\n", p[0])
		fmt.Fprintf(&want, "{\"text\":%q}\n", p[1])
	}
	for name, text := range map[string]string{
		"few.jsonl": few.String(), "docs.jsonl": strings.Repeat(few.String(), 40), "rows.jsonl": rows.String(), "shots.jsonl": `{"source":"Good night.","target":"Gabon."}` + "\n",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"tokenizer", "train", "--vocab-size", "320", "-q", "-o", in("vocabulary"), in("few.jsonl")},
		{"shards", "build", "--tokenizer", in("vocabulary"), "--pack", "--schedule", "256", "--tokens-per-step", "1Ki", "-q", "-o", in("packed"), in("docs.jsonl")},
		{"train", in("packed"), "-o", in("run"), "--tokenizer", in("vocabulary"), "--width", "48", "--layers", "2", "--heads", "2", "--steps", "120", "--learning-rate", "1e-2", "-q"},
	} {
		if code, said := exitCode(t, curate(t, args...)); code != 0 {
			t.Fatalf("%v ends with %d: %s", args, code, said)
		}
	}
	s := startServe(t, in("run"), "-q")
	cmd := curate(t, "translate", in("rows.jsonl"), "--from", "en", "--to", "eu", "--backend", "openai", "--base-url", s.address, "--model", "run", "--prompt", "completions", "--shots", in("shots.jsonl"), "-q")
	var out bytes.Buffer
	cmd.Stdout = &out
	if code, said := exitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	if out.String() != want.String() {
		t.Errorf("the rows are\n%swant\n%s", out.String(), want.String())
	}
	s.stop(t)
}
