package urls

import "curate/corpus/store"

// scheme is a kind of URL.
type scheme struct {
	name string
	open func(getenv func(string) string) (store.Store, error)
}

// schemes by name.
var schemes = []scheme{
	{"gs", openGoogle},
	{"s3", openS3},
}
