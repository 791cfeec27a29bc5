package contrib

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// TestContainerSees: the builder of the image sees every package of the binary.
func TestContainerSees(t *testing.T) {
	hidden, err := os.ReadFile("container/Containerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := os.Open("../cmd/curate/packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer packages.Close()
	n := 0
	for s := bufio.NewScanner(packages); s.Scan(); {
		name, own := strings.CutPrefix(s.Text(), "curate/")
		if !own {
			continue
		}
		n++
		folder, _, _ := strings.Cut(name, "/")
		for pattern := range strings.Lines(string(hidden)) {
			if strings.TrimSpace(pattern) == folder {
				t.Errorf("%s is part of the binary, and Containerfile.dockerignore hides %s", name, folder)
			}
		}
	}
	if n < 30 {
		t.Errorf("the list has %d packages of this module", n)
	}
}
