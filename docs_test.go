package curate_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the output in the documents' examples")

// copyTree copies what a user clones: the examples of a document run in a copy and leave no trace.
func copyTree(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			// Of what tests have, documents use one small model.
			if name != "." && (strings.HasPrefix(name, ".") || name == "bench" || d.Name() == "testdata" && filepath.ToSlash(name) != "train/eval/testdata") {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o777)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestExamples runs every ```console block of the documents with a shell, in order, each document in a copy of
// the tree with a fresh curate on the PATH; as many documents at a time as -parallel says. Lines that begin
// with "$ " are commands; what follows is what they print, standard error included. A line "..." stands for any number
// of lines.
func TestExamples(t *testing.T) {
	docs := []string{"README.md", "CONTRIBUTING.md"}
	more, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("docs/formats/*.md")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "curate"), "./cmd/curate").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	blocks := 0
	t.Run("of", func(t *testing.T) { // ends when the parallel ones have ended
		for _, doc := range append(append(docs, more...), deeper...) {
			text, err := os.ReadFile(doc)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(text, []byte("\n```console\n")) {
				continue
			}
			blocks += len(block.FindAll(text, -1))
			t.Run(doc, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				copyTree(t, dir)
				fresh := block.ReplaceAllFunc(text, func(b []byte) []byte {
					return runBlock(t, doc, dir, bin, b)
				})
				if *update && !bytes.Equal(fresh, text) {
					if err := os.WriteFile(doc, fresh, 0o666); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
	if blocks < 5 {
		t.Errorf("only %d examples in all documents", blocks)
	}
}

var block = regexp.MustCompile("(?ms)^```console\n.*?^```$")

func runBlock(t *testing.T, doc, dir, bin string, b []byte) []byte {
	lines := strings.Split(string(b), "\n")
	fresh := lines[:1:1]
	for i := 1; i < len(lines)-1; {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			t.Errorf("%s: %q stands before any command", doc, lines[i])
			return b
		}
		fresh = append(fresh, lines[i])
		i++
		for strings.HasSuffix(command, `\`) {
			command += "\n" + lines[i]
			fresh = append(fresh, lines[i])
			i++
		}
		var want []string
		for ; i < len(lines)-1 && !strings.HasPrefix(lines[i], "$ "); i++ {
			want = append(want, lines[i])
		}
		sh := exec.Command("sh", "-c", command)
		sh.Dir = dir
		sh.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GOFLAGS=-buildvcs=false")
		out, err := sh.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Errorf("%s: %s: %v", doc, command, err)
		}
		got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(out) == 0 {
			got = nil
		}
		if !matches(want, got) && !*update {
			t.Errorf("%s: %s\nprints\n%s\nthe document says\n%s", doc, command, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if matches(want, got) {
			got = want // keeps "..."
		}
		fresh = append(fresh, got...)
	}
	return []byte(strings.Join(append(fresh, lines[len(lines)-1]), "\n"))
}

// matches compares lines, with "..." for any number of them.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "..." {
		for n := range len(got) + 1 {
			if matches(want[1:], got[n:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && want[0] == got[0] && matches(want[1:], got[1:])
}

// codeSpan stands on one line; the spans of the documents hold no backtick.
var codeSpan = regexp.MustCompile("`[^`]+`")

// withoutCode takes out fenced lines and code spans.
func withoutCode(s string) string {
	var b strings.Builder
	fence := ""
	for line := range strings.Lines(s) {
		switch {
		case fence != "":
			if strings.HasPrefix(line, fence) {
				fence = ""
			}
		case strings.HasPrefix(line, "```"), strings.HasPrefix(line, "~~~"):
			fence = line[:3]
		default:
			b.WriteString(codeSpan.ReplaceAllString(line, ""))
		}
	}
	return b.String()
}

// TestLinks finds links of the documents to files that are not there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	n := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".md") || strings.HasPrefix(name, "bench") || strings.HasPrefix(name, ".") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		// What stands in code is no link.
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("no link found in any document")
	}
}
