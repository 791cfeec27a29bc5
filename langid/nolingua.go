//go:build nolingua

package langid

import "errors"

// newLingua says why there is no such engine.
func newLingua(Config) (Engine, error) {
	return nil, errors.New("this binary was built without lingua (-tags nolingua); build it without that tag to identify languages")
}
