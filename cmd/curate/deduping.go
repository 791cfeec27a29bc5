package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"curate/dedup"
)

// characterRecordCost is that of a text of which each byte begins a shingle: beside what any stage takes, it is
// lower-cased and cleaned, and a shingle is 8 bytes.
const characterRecordCost = 24

// schemeFlags choose a MinHash scheme and its numbers.
type schemeFlags struct {
	name                      string
	bands, rows, permutations int
	short                     string
}

// register registers the flags; signs is for a command that makes no bands.
func (s *schemeFlags) register(cmd *cobra.Command, signs bool) {
	of, names := "minhash: ", schemeNames()
	fs := cmd.Flags()
	if signs {
		of = ""
	}
	fs.StringVar(&s.name, "scheme", dedup.DefaultScheme, of+"`NAME` of how shingles and signatures are made: "+strings.Join(names, ", "))
	if !signs {
		fs.IntVar(&s.bands, "bands", 0, "minhash: `N` bands of a signature, with --rows; in place of the scheme's")
		fs.IntVar(&s.rows, "rows", 0, "minhash: `N` values a band")
	}
	about := "minhash: `N` values of a signature (num_perm); without --bands, bands and rows are those that datasketch and text-dedup choose for --threshold"
	if signs {
		about = "`N` values of a signature (num_perm), in place of the scheme's"
	}
	fs.IntVar(&s.permutations, "permutations", 0, about)
	fs.StringVar(&s.short, "short", "", of+"`POLICY` for a text of fewer words than a shingle has, in place of the scheme's: "+strings.Join(dedup.ShortPolicies(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("scheme", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("short", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return dedup.ShortPolicies(), cobra.ShellCompDirectiveNoFileComp
	})
}

// check is what is wrong with flags that were given.
func (s *schemeFlags) check(cmd *cobra.Command) error {
	for _, name := range []string{"bands", "rows", "permutations"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "0" {
			return usage("--%s 0: at least 1", name)
		}
	}
	return notEmpty(cmd, "scheme", "short")
}

// recordCost is what a byte of a long line takes; 0 is the default.
func (s *schemeFlags) recordCost() int64 {
	if scheme, err := dedup.LookupScheme(s.name); err == nil && (scheme.Gram == dedup.Characters || s.short == "characters") {
		return characterRecordCost
	}
	return 0
}

func schemeNames() []string {
	var names []string
	for _, s := range dedup.Schemes() {
		names = append(names, s.Name)
	}
	return names
}

// schemesHelp is a line for each scheme.
func schemesHelp() string {
	width := 0
	for _, s := range dedup.Schemes() {
		width = max(width, len(s.Name))
	}
	var b strings.Builder
	for _, s := range dedup.Schemes() {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, s.Name, s.About)
	}
	return strings.TrimRight(b.String(), "\n")
}
