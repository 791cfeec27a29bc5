package stage

import (
	"errors"
	"io"
)

// Close closes the stages that hold something, such as a connection. Whoever made them calls it behind the run.
func Close(stages []Stage) error {
	var errs []error
	for _, s := range stages {
		if c, ok := s.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
