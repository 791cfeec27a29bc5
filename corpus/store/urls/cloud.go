//go:build !nocloud

package urls

import (
	"curate/corpus/store"
	"curate/corpus/store/google"
	"curate/corpus/store/s3"
)

func openS3(getenv func(string) string) (store.Store, error) { return s3.New(s3.Environment(getenv)) }

func openGoogle(getenv func(string) string) (store.Store, error) {
	o := s3.GoogleEnvironment(getenv)
	if o.AccessKey == "" && !o.Anonymous {
		o.Tokens = google.New(getenv)
	}
	return s3.New(o)
}
