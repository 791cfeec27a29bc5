//go:build !azure

package urls

import (
	"errors"

	"curate/corpus/store"
)

func openAzure(func(string) string) (store.Store, error) {
	return nil, errors.New("this binary was built without azure; build with -tags azure")
}
