package main

import (
	"io/fs"
	"path/filepath"
	"time"
)

// watch keeps in most how many bytes the files below dir have at their largest, until stop is called.
func watch(dir string, most *int64) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(50 * time.Millisecond):
			}
			size := int64(0)
			_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // files come and go meanwhile
				if err == nil && d.Type().IsRegular() {
					if info, err := d.Info(); err == nil {
						size += info.Size()
					}
				}
				return nil
			})
			*most = max(*most, size)
		}
	}()
	return func() { close(quit); <-done }
}
