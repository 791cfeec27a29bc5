package main

import (
	"bufio"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"curate/translate"
	"curate/translate/memory"
	"curate/translate/protect"
)

func newTranslateMemory(environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Export and import translation memories",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMemoryExport(), newMemoryImport())
	return cmd
}

func newMemoryExport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Write a translation memory as JSON Lines",
		Long: `Write a translation memory as JSON Lines: an object a segment, with its source, its target and how it came
about. Masked spans are numbers: ["Open ",0," now."]. The same memory gives the same bytes. Memories in folders of
DIR, as ranks of curate translate fetch leave them, are written with it, as one.`,
		Example: `  curate translate memory export tm | jq -r 'select(.rung=="cut")'
  curate translate memory export tm -o tm.jsonl`,
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			m, err := openMemory(cmd, args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			if out != "" && out != "-" {
				return writeWhole(cmd.Context(), out, m.Export)
			}
			w := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			if err := m.Export(w); err != nil {
				return err
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`PATH` of a file; default standard output")
	return cmd
}

func openMemory(cmd *cobra.Command, dir string) (*memory.Store, error) {
	read, err := memory.Folders(dir)
	if err != nil {
		return nil, err
	}
	if len(read) == 0 {
		return nil, usage("%s: no translation memory is there", dir)
	}
	own := dir
	if isThere(filepath.Join(dir, memory.LogName)) != nil {
		own = ""
	}
	return memory.Open(cmd.Context(), own, memory.Options{Read: read, MaxIndex: 1 << 40, Waiting: func(owner string) {
		fmt.Fprintf(cmd.ErrOrStderr(), "curate: %s is in use by %s; waiting for it\n", dir, owner)
	}})
}

func newMemoryImport() *cobra.Command {
	var cfg translate.Config
	var as, glossary string
	cmd := &cobra.Command{
		Use:   "import DIR FILE…",
		Short: "Read JSON Lines into a translation memory",
		Long: `Read JSON Lines into a translation memory, which is made if need be: what curate translate memory export
writes, or parallel texts, {"en":…,"eu":…} or {"source":…,"target":…} a line. Texts are cut into segments and
masked as curate translate does it; those in which a masked span is missing on one side are not used.

Texts are corrections, which win over every backend, unless --engine says whose answers they are.`,
		Example: `  curate translate memory import tm corrections.jsonl --from en --to eu`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%s", []string{"DIR and FILE are missing", "FILE is missing"}[len(args)])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var g *protect.Glossary
			if glossary != "" {
				var err error
				if g, err = (&translating{glossary: glossary}).terms(); err != nil {
					return usage("%v", err)
				}
			}
			for _, name := range args[1:] {
				if err := isThere(name); err != nil {
					return usage("%v", err)
				}
			}
			m, err := memory.Open(cmd.Context(), args[0], memory.Options{MaxIndex: 1 << 40, Waiting: func(owner string) {
				fmt.Fprintf(cmd.ErrOrStderr(), "curate: %s is in use by %s; waiting for it\n", args[0], owner)
			}})
			if err != nil {
				return err
			}
			defer m.Close()
			for _, name := range args[1:] {
				in, err := importFile(m, name, importer(cfg, g, as))
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "curate: %s: %s\n", name, importedLine(in))
			}
			return m.Sync()
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&cfg.From, "from", "", "`CODE` of the language of the sources, for lines that do not say it")
	fs.StringVar(&cfg.To, "to", "", "`CODE` of the language of the targets")
	fs.StringVar(&as, "engine", "", "`NAME` of the engine whose answers they are, as an export has it; default: corrections")
	fs.StringVar(&glossary, "glossary", "", "`FILE` of terms, if curate translate runs with one")
	fs.BoolVar(&cfg.Numbers, "mask-numbers", false, "mask numbers, if curate translate runs so")
	return cmd
}
