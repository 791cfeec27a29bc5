package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"curate/corpus"
)

// List names the files of Workspace in dir and below, sorted. It is for what another program has put there, whose names nobody
// knows: what ranks make they know by name, since a listing may be stale. No dir is no files.
func (s *Shared) List(ctx context.Context, dir string) ([]string, error) {
	root := sharedWorkspace{s}.path("")
	infos, err := s.job.Store.List(ctx, path.Join(root, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = strings.TrimPrefix(info.Name, root+"/")
	}
	return names, err
}

// Within is the path of a file or folder of Workspace within the output directory, for who opens it with another program.
func (s *Shared) Within(name string) string { return path.Join(corpus.Dir, ranksDir, name) }
