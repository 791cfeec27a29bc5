package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// root is the folder of the module curate.
func root() (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "curate").Output()
	if err != nil {
		return "", errors.New("cannot find the module curate: run in bench/, with go on the path")
	}
	return strings.TrimSpace(string(dir)), nil
}

// exampleFiles are the raw files of examples/basque, in order.
func exampleFiles() ([]string, error) {
	dir, err := root()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "examples", "basque", "raw", "*.jsonl.zst"))
	if err == nil && len(files) == 0 {
		err = errors.New("examples/basque/raw is empty")
	}
	return files, err
}

// example is the run directory of examples/basque/recipe.yaml, run once a session.
func (s *session) example() (string, error) {
	run := filepath.Join(s.dir, "example")
	if _, err := os.Stat(run); err == nil {
		return run, nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return "", err
	}
	dir, err := root()
	if err != nil {
		return "", err
	}
	_, err = s.measure(command{argv: []string{bin, "run", "-q", "--set", "run=" + run, "examples/basque/recipe.yaml"}, dir: dir})
	return run, err
}

// exampleClean are the documents that the example's recipe trains its tokenizer on, and exampleTokenizer is that. Its
// steps may be renamed, so they are known by what they make.
func exampleClean(run string) ([]string, error) {
	tokenizer, err := exampleTokenizer(run)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(run, "_curate", "run.json"))
	if err != nil {
		return nil, err
	}
	var is struct {
		Steps []struct {
			Name, Dir string
			From      []string
		}
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	var files []string
	for _, step := range is.Steps { // in the order in which they read one another
		dirs[step.Name] = filepath.Join(run, filepath.FromSlash(step.Dir))
		if dirs[step.Name] != filepath.Dir(tokenizer) {
			continue
		}
		for _, from := range step.From {
			parts, err := filepath.Glob(filepath.Join(dirs[from], "part-*.jsonl.zst"))
			if err != nil {
				return nil, err
			}
			files = append(files, parts...)
		}
	}
	if len(files) == 0 {
		return nil, errors.New("the example's recipe keeps no documents for its tokenizer")
	}
	return files, nil
}

func exampleTokenizer(run string) (string, error) {
	files, err := filepath.Glob(filepath.Join(run, "*", "tokenizer.json"))
	if err != nil || len(files) != 1 {
		return "", errors.Join(err, fmt.Errorf("the example's recipe makes %d tokenizers, one is needed", len(files)))
	}
	return files[0], nil
}
