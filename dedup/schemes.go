package dedup

// schemes is sorted by name; docs/dedup-schemes.md says of each where it comes from.
var schemes = []Scheme{
	{
		Name: "datasketch1", Version: 1, Normal: "lower", Gram: Words, Length: 5, Hash: "sha1-32",
		Permutations: "mersenne61-pairs", Seed: 1, Precision: 32, Values: 128, Bands: 9, Rows: 13, ByThreshold: true, Short: "whole",
		About: "MinHash of datasketch before 2.0 (its scheme legacy), of 5-grams of words",
	},
	{
		Name: "datasketch2", Version: 1, Normal: "lower", Gram: Words, Length: 5, Hash: "sha1-32-mixed",
		Permutations: "affine32", Seed: 1, Precision: 32, Values: 128, Bands: 9, Rows: 13, ByThreshold: true, Short: "whole",
		About: "MinHash of datasketch 2.0 with its defaults (its scheme affine32), of 5-grams of words",
	},
	{
		Name: "datasketch2@affine64", Version: 1, Normal: "lower", Gram: Words, Length: 5, Hash: "sha1-64-mixed",
		Permutations: "affine64", Seed: 1, Precision: 64, Values: 128, Bands: 9, Rows: 13, ByThreshold: true, Short: "whole",
		About: "the same with its scheme affine64",
	},
	{
		Name: "datatrove", Version: 1, Normal: "simplified", Gram: Words, Length: 5, Hash: "xxh64",
		Permutations: "mersenne61", Seed: 1, Precision: 64, Bands: 14, Rows: 8, Short: "none",
		About: "signatures of datatrove 0.10 with its defaults: 5-grams of English words of the simplified text",
	},
	{
		Name: "datatrove@sha1-32", Version: 1, Normal: "simplified", Gram: Words, Length: 5, Hash: "sha1-32",
		Permutations: "mersenne61", Seed: 1, Precision: 32, Bands: 14, Rows: 8, Short: "none",
		About: "the same with HashConfig(precision=32, hash_fc=\"sha1\")",
	},
	{
		Name: "datatrove@sha1-64", Version: 1, Normal: "simplified", Gram: Words, Length: 5, Hash: "sha1-64",
		Permutations: "mersenne61", Seed: 1, Precision: 64, Bands: 14, Rows: 8, Short: "none",
		About: "the same with HashConfig(hash_fc=\"sha1\"), with which FineWeb was made",
	},
	{
		Name: "datatrove@xxh32", Version: 1, Normal: "simplified", Gram: Words, Length: 5, Hash: "xxh32",
		Permutations: "mersenne61", Seed: 1, Precision: 32, Bands: 14, Rows: 8, Short: "none",
		About: "the same with HashConfig(precision=32)",
	},
	{
		Name: "slimpajama", Version: 1, Normal: "slimpajama", Gram: Characters, Length: 13, Hash: "sha1-32",
		Permutations: "mersenne61-pairs", Seed: 1, Precision: 32, Values: 128, Bands: 9, Rows: 13, ByThreshold: true, Short: "none",
		About: "signatures of SlimPajama as its README has them: 13-grams of characters of the cleaned text, datasketch1's hashes",
	},
	{
		Name: "slimpajama@6-grams", Version: 1, Normal: "slimpajama", Gram: Characters, Length: 6, Hash: "sha1-32",
		Permutations: "mersenne61-pairs", Seed: 1, Precision: 32, Values: 128, Bands: 9, Rows: 13, ByThreshold: true, Short: "none",
		About: "the same as its code has them unless it is told otherwise: 6-grams",
	},
	{
		Name: "text-dedup", Version: 1, Normal: "text-dedup", Gram: Words, Length: 5, Least: 5, Hash: "xxh3-32",
		Permutations: "mersenne61", Seed: 42, Precision: 32, Values: 112, Bands: 14, Rows: 8, Short: "whole",
		About: "signatures of text-dedup 0.4 with num_perm 112, bands 14, rows 8, ngram_size 5",
	},
	{
		Name: "text-dedup@1-gram", Version: 1, Normal: "text-dedup", Gram: Words, Length: 1, Least: 5, Hash: "xxh3-32",
		Permutations: "mersenne61", Seed: 42, Precision: 32, Values: 128, Bands: 9, Rows: 13, ByThreshold: true, Short: "whole",
		About: "the same with num_perm 128 and the rest as it is by default: single words, bands and rows from the threshold",
	},
	{
		Name: "text-dedup@2-grams", Version: 1, Normal: "text-dedup", Gram: Words, Length: 2, Least: 5, Hash: "xxh3-32",
		Permutations: "mersenne61", Seed: 42, Precision: 32, Values: 200, Bands: 50, Rows: 4, Short: "whole",
		About: "the same with the numbers of its benchmark CORE: num_perm 200, bands 50, rows 4, ngram_size 2",
	},
	{
		Name: "text-dedup@sha1-32", Version: 1, Normal: "text-dedup", Gram: Words, Length: 5, Least: 5, Hash: "sha1-32",
		Permutations: "prime32", Seed: 42, Precision: 32, Values: 112, Bands: 14, Rows: 8, Short: "whole",
		About: "text-dedup with hash_bits 32 and hash_func_name sha1",
	},
	{
		Name: "words", Version: 1, Normal: "lower", Gram: Words, Length: 5, Hash: "xxh64",
		Permutations: "mersenne61", Seed: 1, Precision: 64, Bands: 20, Rows: 5, Short: "whole",
		About: `the set of 5-grams of lower-cased words (\w+); a text of fewer words is one gram`,
	},
}
