// Package stats counts documents, bytes, characters, words and lines, in all or by group: by the value of a
// field, such as the language or the source.
//
// [Of] counts one text. [New] makes the stage, a reducer that needs no second look at the records: its Map side
// counts each text where it was read, what it learns of a split is a sorted list of groups, and its result is
// the file stage.ResultFile with a JSON object a group. [Table] shows that file to people.
//
// Read count.go first, then group.go, stats.go (the stage) and sealed.go (the format between its halves).
package stats
