package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// lmEvalTolerance is for log-probabilities, bits a byte and accuracies, and, as a share of them, perplexities.
	lmEvalTolerance = 1e-4
	// lmEvalLength is longer than each text with its prefix: lm-eval cuts longer ones otherwise, as it knows no context but this.
	lmEvalLength = "1024"
	lmEvalData   = "../train/eval/testdata"
)

// lmEvalAnswer is what lm_eval_serve.py prints.
type lmEvalAnswer struct {
	Version  string                        `json:"version"`
	Results  map[string]map[string]float64 `json:"results"`
	LogProbs map[string][][]float64        `json:"log_probs"`
}

// runLMEval has lm-eval ask curate serve for a multiple choice, minimal pairs and perplexities, one request at a time and many
// together, and compares with curate eval.
func runLMEval(s *session) error {
	fmt.Printf("\nlm-eval: lm-evaluation-harness's local-completions against curate serve, and curate eval\n")
	python := s.options.lmEvalPython
	if python == "" {
		fmt.Printf("SKIPPED lm-eval: -lm-eval-python names no Python with lm_eval; README.md says how to make one\n")
		return nil
	}
	if out, err := exec.Command(python, "-c", "import lm_eval, lm_eval.models.openai_completions").CombinedOutput(); err != nil {
		fmt.Printf("SKIPPED lm-eval: %s: %s\n", python, lastLines(string(out), 1))
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	model := cmp.Or(s.options.lmEvalModel, filepath.Join(lmEvalData, "tiny"))
	file := func(name string) string { return filepath.Join(lmEvalData, name+".jsonl") }
	want, err := evalNumbers(bin, model, file)
	if err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{}}
	for _, how := range []struct{ name, batch, concurrent string }{{"one at a time", "1", "1"}, {"lists of 8, 4 at a time", "8", "4"}} {
		got, err := askLMEval(bin, python, model, how.batch, how.concurrent, file)
		if err != nil {
			return err
		}
		pairs := 0.0
		for _, row := range got.LogProbs["pairs"] {
			if len(row) != 2 {
				return fmt.Errorf("lm-eval answers a pair with %v", row)
			}
			pairs += row[0] - row[1]
		}
		has := map[string]float64{
			"choice acc": got.Results["choice"]["acc"], "choice acc_norm": got.Results["choice"]["acc_norm"], "pairs acc": got.Results["pairs"]["acc"],
			"pairs log_p_difference": pairs / float64(len(got.LogProbs["pairs"])),
			"bits bits_per_byte":     got.Results["bits"]["bits_per_byte"], "bits byte_perplexity": got.Results["bits"]["byte_perplexity"], "bits word_perplexity": got.Results["bits"]["word_perplexity"],
		}
		v.printf("%s (lm-eval %s)", how.name, got.Version)
		for _, name := range []string{"choice acc", "choice acc_norm", "pairs acc", "pairs log_p_difference", "bits bits_per_byte", "bits byte_perplexity", "bits word_perplexity"} {
			a, ok := want[name]
			b := has[name]
			off := math.Abs(a - b)
			if strings.HasSuffix(name, "perplexity") {
				off /= a
			}
			v.printf("  %-24s curate eval %.8g, lm-eval %.8g, off by %.2g", name, a, b, off)
			if !ok || !(off <= lmEvalTolerance) {
				v.failf("%s, %s: curate eval has %v, lm-eval %v", how.name, name, a, b)
			}
			v.Numbers[how.name+", "+name] = off
		}
	}
	return s.say("lm-eval", v)
}

// evalNumbers are those of curate eval, by kind and metric.
func evalNumbers(bin, model string, file func(string) string) (map[string]float64, error) {
	cmd := exec.Command(bin, "eval", model, "--length", lmEvalLength, "--choice", file("choice"), "--pairs", file("pairs"), "--bits", file("texts"), "--json", "-q")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var report struct {
		Models []struct {
			Results []struct {
				Kind    string `json:"kind"`
				Metrics []struct {
					Metric string  `json:"metric"`
					Value  float64 `json:"value"`
				} `json:"metrics"`
			} `json:"results"`
		} `json:"models"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, err
	}
	numbers := map[string]float64{}
	for _, m := range report.Models {
		for _, r := range m.Results {
			for _, metric := range r.Metrics {
				numbers[r.Kind+" "+metric.Metric] = metric.Value
			}
		}
	}
	return numbers, nil
}

// askLMEval starts a server, has lm-eval ask it, and ends it.
func askLMEval(bin, python, model, batch, concurrent string, file func(string) string) (a *lmEvalAnswer, err error) {
	server := exec.Command(bin, "serve", model, "--port", "0", "--context", lmEvalLength, "--name", "model", "-q")
	var said bytes.Buffer
	server.Stderr = &said
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer func() {
		if stop := server.Process.Signal(syscall.SIGTERM); err == nil {
			err = stop
		}
		_ = server.Wait() // it ends with 143
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("curate serve: %w: %s", err, lastLines(said.String(), 3))
	}
	cmd := exec.Command(python, "lm_eval_serve.py", strings.TrimSpace(address), "model", model, lmEvalLength, batch, concurrent, file("choice"), file("pairs"), file("texts"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, lastLines(errs.String(), 5))
	}
	a = &lmEvalAnswer{}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return a, json.Unmarshal(lines[len(lines)-1], a)
}
