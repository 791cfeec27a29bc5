//go:build nolingua

package langid

import "fmt"

// newLingua says why there is no such engine.
func newLingua(cfg Config) (Engine, error) {
	return nil, fmt.Errorf("this binary was built without lingua (-tags nolingua), which the engine %q asks; the engine \"fasttext\" is in it", cfg.Engine)
}
