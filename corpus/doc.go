// Package corpus knows the files of a corpus: the manifest, the formats and compressions by name and magic
// bytes, and how a file becomes chunks of records. It knows bytes and no meaning.
//
// Read manifest.go first, then source.go. A new format is a folder beside jsonl/ and a line in codecs.go; a
// new compression is a line in compress/.
package corpus
