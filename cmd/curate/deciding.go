package main

import (
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/corpus/parquet"
	"curate/dedup"
	"curate/pipeline"
	"curate/record"
)

// decidingHelp is what there is to say of decidingFlags.
const decidingHelp = `--keep says which of the duplicates stays: first in the order of the inputs; longest, in bytes of text (not exact,
where all are equal); best:FIELD, the greatest number at that dotted path, where a record without a number comes
behind all that have one, and is not lost for that; source-order, of the first source of --priority, sources that
are not named there last. Equal ones go by the order of the inputs. A record's source is the value of
--source-field, if that is a string, a number or a boolean of at most 256 bytes, and else its input: input-3 is the
third. 1,000 sources are told apart.

--verify says how minhash compares a pair: exact, its sets of shingles; sketch, its signatures, whose share of
equal values only estimates the similarity (of 100 values with a standard error of 0.04 at 0.8), for an eighth or so
of the disk; none, not at all: whoever shares a band with another is its duplicate, and a document may go for one
that it is not like.

What was found lies in _curate/ of an output directory: dedup.json, a summary (docs/formats/dedup-summary.md) with
the documents and bytes that each source loses and to which; dedup.evidence.jsonl.zst with a row for each dropped
document, and dedup.clusters.jsonl.zst with one for each cluster (docs/formats/dedup-evidence.md); of several methods in
one run each has its own, with its name: dedup_url.json, dedup_url.evidence.jsonl.zst. --evidence and
--clusters write these to a file, with or without a directory. A source that loses more than --alarm of its
documents is a warning.`

// decidingFlags say which duplicates go, and what is told of it.
type decidingFlags struct {
	verify             string
	priority           []string
	sourceField, alarm string
	idField            string
	evidence, clusters string
	source, id         record.Path
	findings           dedup.Findings // that ask has found
}

func (d *decidingFlags) register(cmd *cobra.Command) {
	d.registerSome(cmd, "minhash: ", true)
}

// registerSome registers them without those that write files, unless these are wanted. of is what begins the usage of
// those that belong to minhash alone.
func (d *decidingFlags) registerSome(cmd *cobra.Command, of string, files bool) {
	fs := cmd.Flags()
	fs.StringSliceVar(&d.priority, "priority", nil, "`LIST` of sources for --keep source-order, the one that stays first")
	fs.StringVar(&d.sourceField, "source-field", dedup.DefaultSourceField, "dotted `PATH` of a record's source, in place of its input")
	fs.StringVar(&d.verify, "verify", dedup.VerifyExact, of+"`HOW` a pair is compared: exact; sketch, by estimate; none, and documents may go for one they are not like")
	if files {
		fs.StringVar(&d.evidence, "evidence", "", "`PATH` (.jsonl, .jsonl.gz, .jsonl.zst, .parquet) for a row for each dropped document: for which it goes, and why")
		fs.StringVar(&d.clusters, "clusters", "", "`PATH` (as --evidence) for a row for each cluster")
	}
	fs.StringVar(&d.idField, "id-field", "id", "dotted `PATH` of a record's own id: the evidence has it beside the record ID, the report finds documents by it, and --index keeps it")
	fs.StringVar(&d.alarm, "alarm", "50%", "`SHARE` of a source's documents: when more go, that is a warning")
}

// check is what is wrong with flags that were given.
func (d *decidingFlags) check(cmd *cobra.Command) error {
	for _, name := range []string{"source-field", "verify", "evidence", "clusters", "id-field", "alarm"} {
		if cmd.Flags().Lookup(name) == nil { // not all commands have files
			continue
		}
		if err := notEmpty(cmd, name); err != nil {
			return err
		}
	}
	var err error
	if d.source, err = record.ParsePath(d.sourceField); err != nil {
		return usage("--source-field: %v", err)
	}
	if d.id, err = record.ParsePath(d.idField); err != nil {
		return usage("--id-field: %v", err)
	}
	for i := range d.priority {
		d.priority[i] = strings.TrimSpace(d.priority[i])
	}
	return nil
}

func (d *decidingFlags) alarmShare() (float64, error) {
	share, err := parseShare("--alarm", d.alarm)
	if err == nil && share == 0 {
		err = usage("--alarm %s: a share above 0%%, at most 100%%", d.alarm)
	}
	return share, err
}

// ask finds out what is asked for, and asks the job for the files. indexed says that there is an index.
func (d *decidingFlags) ask(flags *stageFlags, s *settings, chosen []*dedupMethod, indexed bool) error {
	var finding []*dedupMethod
	for _, m := range chosen {
		if m.finds {
			finding = append(finding, m)
		}
	}
	f := &d.findings
	var err error
	if f.Alarm, err = d.alarmShare(); err != nil {
		return err
	}
	inDir := s.out.Path != "" && s.out.Path != "-" && !s.out.File
	f.Evidence, f.Clusters = inDir || d.evidence != "", inDir || d.clusters != ""
	if len(finding) == 0 {
		return nil
	}
	var evidence, clusters []string
	similar := false
	for _, m := range finding {
		name := findingsName(m.name, len(chosen) > 1)
		evidence, clusters = append(evidence, dedup.EvidenceName(name)), append(clusters, dedup.ClustersName(name))
		similar = similar || m.name == "minhash"
	}
	for _, w := range []struct {
		flag, path string
		names      []string
		columns    []parquet.Column
	}{
		{"--evidence", d.evidence, evidence, evidenceColumns(similar, indexed)},
		{"--clusters", d.clusters, clusters, clusterColumns(similar)},
	} {
		if w.path == "" {
			continue
		}
		to, err := pipeline.ParseTarget(w.path, corpus.DefaultFormat)
		if err != nil {
			return usage("%s %v", w.flag, err)
		}
		flags.findings = append(flags.findings, pipeline.Finding{Names: w.names, Flag: w.flag, To: to, Columns: w.columns})
	}
	return nil
}

// evidenceColumns are those of the evidence that every file has. Own ids have the type that they come with. similar says that
// method minhash has made some of it.
func evidenceColumns(similar, indexed bool) []parquet.Column {
	columns := []parquet.Column{{Name: "dropped", Type: parquet.String}, {Name: "kept", Type: parquet.String}}
	if similar {
		columns = append(columns, parquet.Column{Name: "similarity", Type: parquet.Float64, Optional: true})
	}
	columns = append(columns, parquet.Column{Name: "cluster", Type: parquet.String}, parquet.Column{Name: "source_dropped", Type: parquet.String, Optional: true},
		parquet.Column{Name: "source_kept", Type: parquet.String, Optional: true})
	if indexed {
		columns = append(columns, parquet.Column{Name: "file_kept", Type: parquet.String, Optional: true})
	}
	return append(columns, parquet.Column{Name: "method", Type: parquet.String})
}

func clusterColumns(similar bool) []parquet.Column {
	columns := []parquet.Column{{Name: "cluster", Type: parquet.String}, {Name: "size", Type: parquet.Int64}, {Name: "kept", Type: parquet.Int64}, {Name: "dropped", Type: parquet.Int64}}
	if similar {
		columns = append(columns, parquet.Column{Name: "least_similarity", Type: parquet.Float64, Optional: true})
	}
	return append(columns, parquet.Column{Name: "method", Type: parquet.String})
}
