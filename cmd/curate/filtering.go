package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"curate/corpus/download"
	"curate/filter"
	"curate/record"
)

// profilesNamed is the profile that a flag or key names: one of the table, a file, or several with commas between.
func profilesNamed(names string) (filter.Profile, error) {
	var list []filter.Profile
	for i, name := range strings.Split(names, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return filter.Profile{}, fmt.Errorf("%q: the name number %d of the list is empty; write names with one comma between", names, i+1)
		}
		p, err := profileNamed(name)
		if err != nil {
			return filter.Profile{}, err
		}
		list = append(list, p)
	}
	return filter.Compose(list...), nil
}

func profileNamed(name string) (filter.Profile, error) {
	if !filter.IsProfilePath(name) {
		return filter.Lookup(name)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" { // profiles of the table have slashes, too
			_, err := filter.Lookup(name)
			return filter.Profile{}, fmt.Errorf("%v (and there is no such file)", err)
		}
		return filter.Profile{}, fmt.Errorf("%s: no such file", name)
	}
	if err != nil {
		return filter.Profile{}, err
	}
	return filter.ParseProfile(filepath.ToSlash(name), data, smallFile)
}

// filterConfig is what every filter of this program has in common.
func filterConfig(ctx context.Context, textField record.Path) filter.Config {
	var files download.Files
	return filter.Config{TextField: textField, Open: func(name string) (io.ReadCloser, error) { return files.Open(ctx, name) }}
}

// applySettings sets parameters of rules: "RULE.PARAMETER=VALUE", and of a list "RULE.LIST=@FILE", a line each.
func applySettings(p filter.Profile, settings []string) (filter.Profile, error) {
	for _, s := range settings {
		name, value, ok := strings.Cut(s, "=")
		rule, param, dotted := strings.Cut(name, ".")
		if !ok || !dotted {
			return p, fmt.Errorf("%q: write RULE.PARAMETER=VALUE", s)
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			data, err := smallFile(file)
			if err != nil {
				return p, err
			}
			value = string(data)
		}
		var err error
		if p, err = p.Set(rule, param, value); err != nil {
			return p, err
		}
	}
	return p, nil
}

// explaining is what --explain asks for.
type explaining struct {
	id      string // of the record, or FILE:LINE
	idField string
	json    bool
}

// errExplained ends the search.
var errExplained = errors.New("explained")

// run finds the record and writes what the filter says of it.
func (e *explaining) run(ctx context.Context, f *filter.Filter, env environment, textField string, args []string) error {
	idField, err := record.ParsePath(e.idField)
	if err != nil {
		return usage("--id-field: %v", err)
	}
	inputs, err := inputsOr(env.stdin, args, "INPUT")
	if err != nil {
		return err
	}
	place := func(file string, r *record.Record) string { return file + ":" + strconv.FormatInt(r.LineNo, 10) }
	look := looking{maxRecord: lookRecord, textField: textField, bad: func(file string, r *record.Record) error {
		if place(file, r) == e.id {
			return fmt.Errorf("%s: %w", e.id, r.Err)
		}
		return nil
	}}
	err = look.each(ctx, env.stdin, inputs, func(file string, r *record.Record) error {
		id, hasID := idOf(r, idField)
		at := place(file, r)
		if at != e.id && (!hasID || id != e.id) {
			return nil
		}
		x, err := f.Explain(r)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		where := map[string]any{"file": file, "line": r.LineNo}
		if hasID {
			where["id"] = id
		}
		if e.json {
			err = x.WriteJSON(env.stdout, where)
		} else {
			head := at
			if hasID {
				head += fmt.Sprintf(", %s %q", e.idField, id)
			}
			if _, err = fmt.Fprintln(env.stdout, head); err == nil {
				err = x.WriteText(env.stdout)
			}
		}
		if err != nil {
			return err
		}
		return errExplained
	})
	switch {
	case errors.Is(err, errExplained):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("no record with the %s %q, nor is it FILE:LINE of one (--id-field says where records have their ids)", e.idField, e.id)
}

// idOf is a record's id as people write it: a text, or a number as it stands there.
func idOf(r *record.Record, field record.Path) (string, bool) {
	if s, ok := textOf(r, field); ok {
		return s, true
	}
	v, ok := r.Value(field)
	if !ok || len(v) == 0 || v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return "", false
	}
	return string(v), true
}
