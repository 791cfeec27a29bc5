// Package contrib has what runs curate on other people's schedulers and engines, a folder each, so that the binary can hand out
// what goes with its version.
package contrib

import "embed"

// Files are those of all folders.
//
//go:embed */*
var Files embed.FS
