package filter

// markdownOwn is the part of docs/filter.md about users' profiles. Its examples run in docs_test.go of the module.
const markdownOwn = `
## Your own profile

A profile of your own is [a YAML file](formats/profile.md). ` + "`" + `--print-profile NAME` + "`" + ` writes any of the profiles below as one to
begin from; most stand on another (` + "`" + `extends` + "`" + `). This one picks pages of LibreOffice's help that explain something:

` + "```" + `console
$ cat examples/pages/guides.yaml
# Pages that explain something, in Basque and in English; docs/filter.md shows what it does.
name: guides
version: 1
summary: pages of prose, in Basque or English, without the reference of the scripting language
extends: basque
language: meta.lang
rules:
  - rule: gopher_quality
    set: {min_doc_words: 40}
    why: with fewer words a page here is a heading and the path of its menu
languages:
  en:
    gopher_quality: {min_doc_words: 50, max_avg_word_length: 10, stop_words: [the, be, to, of, and, that, have, with]}
drop_if:
  scripting: meta.url contains "/python/" or meta.url contains "/sbasic/"
keep_if:
  prose: line_punct > 0.3 and stop_words >= 5
$ curate filter --profile examples/pages/guides.yaml examples/pages/*.jsonl.zst > guides.jsonl
curate: kept 685 of 1,514 (45.2 %); dropped 829: scripting 246, gopher_short_doc 244, prose 187, duplicated_5_n_grams 62, line_punct_ratio 19, 12 other reasons 71
` + "```" + `

Its expressions look at a field of the records (` + "`" + `meta.url` + "`" + `) and at signals of its rules. A page in English is measured with
thresholds of its own, since its ` + "`" + `meta.lang` + "`" + ` is ` + "`" + `en` + "`" + `. ` + "`" + `--explain` + "`" + ` says of one record what every test makes of it, and what it
would take to pass; ` + "`" + `--json` + "`" + ` writes the same for programs:

` + "```" + `console
$ curate filter --profile examples/pages/guides.yaml --explain lohelp/en/scalc/01/02140300 examples/pages/en.jsonl.zst
examples/pages/en.jsonl.zst:129, id "lohelp/en/scalc/01/02140300"
profile guides, version 1; thresholds for language "en"
...
expression
  pass  scripting                    meta.url contains "/python/" or meta.url contains "/sbasic/"
        where meta.url = "https://help.libreoffice.org/7.4/en-US/text/scalc/01/02140300.html"
...
gopher_quality
  pass  gopher_short_doc             words = 57, fails if < 50
...
  pass  gopher_enough_stop_words     stop_words = 3, fails if < 2
...
  pass  line_punct_ratio             line_punct = 0.6666666666666666, fails if < 0.12
...
expression
  FAIL  prose                        line_punct > 0.3 and stop_words >= 5
        where line_punct = 0.6666666666666666, stop_words = 3
        needed: the expression holds
...
dropped: expression:prose
` + "```" + `

Several profiles with commas between are one stage that asks them in order, each about the text that those before it have left.
Reasons stay those of the rules; a signal that is asked for again of another text is ` + "`" + `NAME@2` + "`" + `:

` + "```" + `console
$ curate filter --profile c4,examples/pages/guides.yaml examples/pages/*.jsonl.zst > guides.jsonl
curate: kept 665 of 1,514 (43.9 %); dropped 849: too_few_sentences 423, scripting 156, prose 88, duplicated_5_n_grams 71, gopher_short_doc 40, 12 other reasons 71
` + "```" + `
`
