package marian

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// files are what a model's folder may hold that a translation depends on.
var files = []string{"config.json", "generation_config.json", safeName, torchName, "source.spm", "target.spm", "target_vocab.json", "tokenizer_config.json", "vocab.json"}

// rulesVersion is raised whenever the same files give other translations.
const rulesVersion = 1

// digest identifies a model and how it is run.
func digest(dir, precision string, beams int) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "marian %d %s %d\n", rulesVersion, precision, beams)
	for _, name := range files {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		fmt.Fprintf(h, "%s %x\n", name, sum.Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
