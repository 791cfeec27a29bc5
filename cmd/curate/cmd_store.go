package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus/store"
	"curate/corpus/store/urls"
)

func newStore(environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look at the storage that URLs lead to",
		Long: `Look at the storage that URLs lead to: ` + strings.Join(urls.Schemes(), ", ") + `.
Wherever a command reads or writes files, a path may be such a URL.`,
		Example: `  curate store check s3://corpora/eu`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreCheck())
	return cmd
}

func newStoreCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check URL",
		Short: "Try what a run does with storage, and say what is not allowed",
		Long: `Try below URL, a folder, what a run does with storage: write an object, read it whole and from the middle, see it in a
listing, give up a file of several parts, and delete the object. It has a folder of its own, and nothing else is touched;
about 20 MB are sent.

One line a trial says how it went. The exit code is 1 if one failed; who only reads from there can do without those
of writing.`,
		Example: `  curate store check s3://corpora/eu
  AWS_ENDPOINT_URL=http://localhost:9000 curate store check s3://corpora`,
		Args: oneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !store.IsURL(args[0]) {
				return usage("%s: is no URL; give one such as s3://BUCKET/FOLDER", args[0])
			}
			return checkStore(cmd.Context(), storage(), args[0], cmd.OutOrStdout())
		},
	}
}

// Sizes of what is tried: a small object, and a file of three parts of package s3, which is given up.
const (
	probeSize  = 100_000
	manyPieces = 20 << 20
)

// errNotTried is a trial that rests on one that failed.
var errNotTried = errors.New("not tried")

// checkStore tries what a run does below dir, and says of each trial how it went.
func checkStore(ctx context.Context, st store.Store, dir string, out io.Writer) error {
	folder := store.Join(dir, ".curate-check-"+strings.ToLower(rand.Text()[:12])) // so that the listing is short
	name := store.Join(folder, "probe")
	probe := make([]byte, probeSize)
	if _, err := rand.Read(probe); err != nil {
		return err
	}
	var written, failed bool
	trials := []struct {
		what string
		do   func() error
	}{
		{"write an object", func() error {
			err := writeTo(ctx, st, name, probe)
			written = err == nil
			return err
		}},
		{"say its size", func() error {
			if !written {
				return errNotTried
			}
			info, err := st.Stat(ctx, name)
			if err == nil && info.Size != probeSize {
				err = fmt.Errorf("%d bytes are said to be there of %d", info.Size, probeSize)
			}
			if err == nil && info.Version == "" {
				err = errors.New("it has no ETag, by which a changed file is told")
			}
			return err
		}},
		{"read it from the middle", func() error {
			if !written {
				return errNotTried
			}
			r, err := st.Open(ctx, name, probeSize/2)
			if err != nil {
				return err
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err == nil && !bytes.Equal(got, probe[probeSize/2:]) {
				err = errors.New("other bytes came than were written")
			}
			return err
		}},
		{"list a folder", func() error {
			all, err := st.List(ctx, folder)
			if !written && errors.Is(err, fs.ErrNotExist) {
				return nil // it may be asked for, and is empty
			}
			if err == nil && (len(all) != 1 || all[0].Name != name) {
				err = errors.New("the object is not in the listing")
			}
			return err
		}},
		{"give up a file of several parts", func() error {
			w, err := st.Create(ctx, name+"-parts")
			if err != nil {
				return err
			}
			for n := 0; n < manyPieces && err == nil; n += len(probe) {
				_, err = w.Write(probe)
			}
			if err = errors.Join(err, w.Abort()); err != nil {
				return err
			}
			if _, err := st.Stat(ctx, name+"-parts"); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("something is there under its name: %w", err)
			}
			return nil
		}},
		{"delete the object", func() error {
			if !written {
				return errNotTried
			}
			if err := st.Remove(ctx, name); err != nil {
				return err
			}
			if _, err := st.Stat(ctx, name); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("it is still there (%v); delete %s by hand", err, name)
			}
			return nil
		}},
	}
	for _, t := range trials {
		err := t.do()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		verdict := "yes"
		switch {
		case err == errNotTried:
			verdict = "not tried"
		case err != nil:
			failed, verdict = true, "no: "+err.Error()
		}
		if _, err := fmt.Fprintf(out, "%-32s %s\n", t.what, verdict); err != nil {
			return err
		}
	}
	if failed {
		return fmt.Errorf("%s: not all of what a run needs is allowed", store.URL(dir))
	}
	return nil
}

// writeTo makes a small file.
func writeTo(ctx context.Context, st store.Store, name string, b []byte) error {
	w, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}
