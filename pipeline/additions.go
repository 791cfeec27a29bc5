package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/corpus/store"
	"curate/internal/human"
)

// What looks at all documents cannot grow as Mappers do (grow.go). Where it keeps an index of what it has kept, an output directory grows
// by directories: an addition is an output directory of its own, below the first, of files that have come since, compared with the
// index. Who reads the first reads its additions, too, behind it, and refuses it while one of them is not whole.

// AdditionDir is the nth directory, from 2, of an output directory that grows by additions; the first is root itself. Its name sorts behind
// those of root's parts, since readers go by names.
func AdditionDir(root string, n int) string {
	return fmt.Sprintf("%s/%s%05d", strings.TrimRight(root, "/"), additionPrefix, n)
}

const additionPrefix = "parts-"

var additionName = regexp.MustCompile(`^` + additionPrefix + `(\d{5,})$`)

// Additions are the directories below root that have been begun, in order. It costs a look at the storage for each, and one for the first
// that is not there.
func Additions(ctx context.Context, st store.Store, root string) (dirs []string, err error) {
	for n := 2; ; n++ {
		dir := AdditionDir(root, n)
		_, err := (&Job{Store: st, Out: Target{Path: dir}}).dir().current(ctx, configFile)
		if errors.Is(err, fs.ErrNotExist) {
			return dirs, nil
		}
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
}

// Identity is that of an output directory, as its config.json has it.
func Identity(ctx context.Context, st store.Store, dir string) (string, error) {
	c, err := configOf(ctx, st, dir)
	return c.Identity, err
}

// MaxRecord is the bound of records that an output directory was begun with, in bytes. Its additions are to have the same, whatever the
// memory of the machine that makes them.
func MaxRecord(ctx context.Context, st store.Store, dir string) (int, error) {
	c, err := configOf(ctx, st, dir)
	return c.Step.MaxRecord, err
}

func configOf(ctx context.Context, st store.Store, dir string) (c config, err error) {
	d := (&Job{Store: st, Out: Target{Path: dir}}).dir()
	raw, err := d.current(ctx, configFile)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, &damagedConfig{path.Join(d.own, configFile), err}
	}
	return c, nil
}

// JoinIdentities is the identity of an output directory with its additions: that of the first, where it has none.
func JoinIdentities(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return hex.EncodeToString(sum[:])
}

// ReadCounts are those of an output directory that is whole, as its ledger has them.
func ReadCounts(ctx context.Context, st store.Store, dir string) (c Counts, err error) {
	d := (&Job{Store: st, Out: Target{Path: dir}}).dir()
	raw, err := d.read(ctx, ledgerFile)
	if err == nil {
		if err = json.Unmarshal(raw, &c); err != nil {
			err = fmt.Errorf("%s: %w", path.Join(d.own, ledgerFile), err)
		}
	}
	return c, err
}

// Tidy removes from a directory that is whole what was only needed until then, where a kill came before that was done. [Job.Run] does
// it, too.
func (j *Job) Tidy(ctx context.Context) error {
	phs, err := j.phases()
	if err != nil {
		return err
	}
	return j.dir().tidy(ctx, phs)
}

// SumCounts are those of an output directory with its additions, which have the same stages.
func SumCounts(all ...Counts) (sum Counts, err error) {
	for i := range all {
		c := &all[i]
		if i > 0 && !slices.EqualFunc(c.Stages, sum.Stages, func(a, b StageCounts) bool { return a.Name == b.Name && a.Version == b.Version }) {
			return sum, errors.New("the accounts of an addition are of other stages than those of the first directory")
		}
		if i == 0 {
			sum = Counts{Dropped: map[string]int64{}}
			for _, s := range c.Stages {
				sum.Stages = append(sum.Stages, StageCounts{Name: s.Name, Version: s.Version, Dropped: map[string]int64{}})
			}
		}
		sum.add(c)
	}
	return sum, nil
}

// Growth says of how many files one is that grows, in words.
func Growth(added, had int) string {
	return fmt.Sprintf("%s, %s done before", count64(added, "new file"), human.Thousands(int64(had)))
}

// RemoveAdditions removes the additions behind the first keep directories (1 is root alone) of root, the last one first, and what is left of
// any whose removal was stopped.
func RemoveAdditions(ctx context.Context, st store.Store, root string, keep int, log *slog.Logger) error {
	root = strings.TrimSuffix(path.Clean(root), "/")
	files, err := st.List(ctx, root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var there []int
	for _, f := range files {
		name, rest, _ := strings.Cut(strings.TrimPrefix(path.Clean(f.Name), root+"/"), "/")
		m := additionName.FindStringSubmatch(name)
		if m == nil || !strings.HasPrefix(rest, corpus.Dir+"/") {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil && n > keep && path.Base(AdditionDir("", n)) == name && !slices.Contains(there, n) {
			there = append(there, n)
		}
	}
	slices.Sort(there)
	for _, n := range slices.Backward(there) {
		d := (&Job{Store: st, Out: Target{Path: AdditionDir(root, n)}, Log: log}).dir()
		l, err := takeLock(path.Join(d.own, lockFile), d.root, log)
		if err != nil {
			return err
		}
		err = d.clear(ctx, nil)
		l.release(err == nil)
		if err != nil {
			return err
		}
		if err := st.Remove(ctx, path.Join(d.own, lockFile)); err != nil { // of a disk without locks
			return err
		}
		removeEmptyFolders(d.root)
	}
	return nil
}

// removeEmptyFolders removes dir and the folders below it, as far as there are no files in them.
func removeEmptyFolders(dir string) {
	if store.IsURL(dir) {
		return // folders are but names there
	}
	var folders []string
	_ = filepath.WalkDir(filepath.FromSlash(dir), func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			folders = append(folders, name)
		}
		return nil
	})
	for _, name := range slices.Backward(folders) { // those below come behind
		_ = os.Remove(name) // only empty ones can be removed
	}
}
