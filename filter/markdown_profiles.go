package filter

// markdownOwn is the part of docs/filter.md about users' profiles. Its examples run in docs_test.go of the module.
const markdownOwn = `
## Your own profile

A profile of your own is [a YAML file](formats/profile.md). ` + "`--print-profile NAME`" + ` writes any of the profiles below as one to begin from;
most begin from ` + "`extends`" + `:

` + "```console" + `
$ cat examples/pages/guides.yaml
` + "```" + `
`
