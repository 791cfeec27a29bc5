package compress

import "testing"

func TestSniff(t *testing.T) {
	for head, want := range map[string]Kind{
		"":                         None,
		"{\"text\":\"":             None,
		"BZh":                      None,
		"BZh0":                     None,
		"BZh1":                     Bzip2,
		"BZh91AY&":                 Bzip2,
		"BZhello":                  None,
		"\x1f\x8b":                 None,
		"\x1f\x8b\x08":             Gzip,
		"\x1f\x8b\x07":             None,
		"\x28\xb5\x2f\xfd":         Zstd,
		"\x28\xb5\x2f":             None,
		"\x50\x2a\x4d\x18":         Zstd, // skippable, first
		"\x5f\x2a\x4d\x18\x00":     Zstd, // skippable, last
		"\x60\x2a\x4d\x18":         None,
		"\xfd7zXZ\x00":             Xz,
		"\xfd7zXZ":                 None,
		"\xef\xbb\xbf{\"a\":1}":    None, // BOM
		"\xfd7zXZ\x00\x00\x04\xe6": Xz,
		"PAR1":                     None,
		"\x1e\xb5\x2f\xfd\x00\x00": None, // zstd before its format was final
	} {
		if got := Sniff([]byte(head)); got != want {
			t.Errorf("Sniff(%q) = %v, want %v", head, got, want)
		}
	}
}

func TestByName(t *testing.T) {
	for name, want := range map[string]struct {
		kind Kind
		stem string
	}{
		"":                 {None, ""},
		"x":                {None, "x"},
		"x.jsonl":          {None, "x.jsonl"},
		"x.jsonl.zst":      {Zstd, "x.jsonl"},
		"x.jsonl.zstd":     {Zstd, "x.jsonl"},
		"x.jsonl.ZST":      {Zstd, "x.jsonl"},
		"x.jsonl.gz":       {Gzip, "x.jsonl"},
		"x.jsonl.bz2":      {Bzip2, "x.jsonl"},
		"x.jsonl.xz":       {Xz, "x.jsonl"},
		"raw.gz/x.jsonl":   {None, "raw.gz/x.jsonl"},
		"raw.zst/x":        {None, "raw.zst/x"},
		"x.gz.zst":         {Zstd, "x.gz"},
		".gz":              {Gzip, ""},
		"x.":               {None, "x."},
		"x.zst~":           {None, "x.zst~"},
		"part-00001.Gz":    {Gzip, "part-00001"},
		"eu.jsonl.gz.part": {None, "eu.jsonl.gz.part"},
	} {
		if kind, stem := ByName(name); kind != want.kind || stem != want.stem {
			t.Errorf("ByName(%q) = %v, %q, want %v, %q", name, kind, stem, want.kind, want.stem)
		}
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[Kind]string{None: "none", Zstd: "zstd", Gzip: "gzip", Bzip2: "bzip2", Xz: "xz", 9: "Kind(9)"} {
		if kind.String() != want {
			t.Errorf("%d: %q, want %q", kind, kind, want)
		}
	}
}
