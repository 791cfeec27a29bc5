package filter

// markdownSidecar is the part of docs/filter.md about signals as data.
const markdownSidecar = `
## Signals as data

` + "`--signals PATH`" + ` writes [a row for every record](formats/signals.md), kept or dropped, in the order of the input: its ID and all signals
of the profile. From it thresholds are tried without reading the text again:

* ` + "`curate filter apply --profile NAME SIGNALS…`" + ` writes verdict, rule and reason of each row and the ledger's summary. Decisions
  are those of the profile on the text. The signals must hold what the profile compares, computed as it computes
  it; else the error names what is missing. In Parquet only the columns that are compared are read.
* ` + "`curate filter compare A B INPUT…`" + ` says which documents change between two profiles: how many both keep, one alone or none; which
  reason becomes which; and examples of each with the signal that decided. ` + "`--signals`" + ` takes sidecars instead of text, ` + "`--json`" + ` writes JSON.

A rule that edits the text (` + "`c4_quality`" + `) hands its edit on only where the document passes it. So its own thresholds may be
changed where no rule stands behind it, and must stay as they were where one does: in ` + "`fineweb`" + ` those of ` + "`c4_quality`" + ` are
fixed, in ` + "`c4`" + ` they are free.

With ` + "`--signals`" + ` every test is made of every document, and the verdict of a dropped record has all signals.

## A profile for another language

` + "`curate filter fit --language eu --reference pages.en.jsonl.zst pages.eu.jsonl.zst`" + ` proposes one from the signals of texts in the
language, as FineWeb-2 has one for each of its languages (Penedo et al. 2025, arXiv:2506.20920): Gopher's rules and FineWeb's rules
of lines, in FineWeb-2's order, with what it sets for every language alike; the words that are 0.8 % of all words or more as
stop words, at least eight; and thresholds by one of five methods, rounded as FineWeb-2's are, to three decimals, word
lengths to whole characters, away from the texts.

| method | a threshold is |
|---|---|
| ` + "`10tail`" + ` | where it drops a tenth of the texts (` + "`--tail`" + `) |
| ` + "`english`" + ` | that for English |
| ` + "`meanstd`" + ` | as many standard deviations from the mean as that for English is on the reference |
| ` + "`medianratio`" + ` | that for English, times the ratio of the medians of texts and reference |
| ` + "`quantile`" + ` | where it drops the share of the texts that the one for English drops of the reference |

The reference is texts in English, best translations of the same ones: the shares then say what the language does and not
what the pages are. The proposal is a YAML file with the reason for each threshold and with what each test drops of the texts, by
itself and as the first that fails. It is a proposal: a method knows numbers, and not whether what it drops is bad. Of a threshold
that would be 0, English's stays. Quantiles are exact to a thousandth of their value, shares of words to 1/100,000 of all words;
memory does not grow with the input, which is read twice.
`
