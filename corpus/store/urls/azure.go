//go:build azure

package urls

import (
	"curate/corpus/store"
	"curate/corpus/store/azure"
)

func openAzure(getenv func(string) string) (store.Store, error) {
	o, err := azure.Environment(getenv)
	if err != nil {
		return nil, err
	}
	return azure.New(o)
}
