package urls

import (
	"curate/corpus/store"
	"curate/corpus/store/hf"
)

// scheme is a kind of URL.
type scheme struct {
	name string
	open func(getenv func(string) string) (store.Store, error)
}

// schemes by name.
var schemes = []scheme{
	{"abfs", openAzure},
	{"abfss", openAzure},
	{"az", openAzure},
	{"gs", openGoogle},
	{"hf", openHub},
	{"s3", openS3},
}

func openHub(getenv func(string) string) (store.Store, error) { return hf.New(hf.Environment(getenv)) }
