package protect

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filePath is a path of Unix or Windows, beginning with a root, ~, . or .., a drive or two backslashes. What begins with a word is
// one only if it ends in a file name: "and/or" and "km/h" are none.
func filePath(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && strings.IndexByte(`./\~<`, s.text[i-1]) >= 0 {
		return 0
	}
	switch s.text[i] {
	case '/':
		if c := s.at(i + 1); classes[c]&(letter|under) == 0 && c != '.' && c != '{' && c != '*' {
			return 0
		}
		end := s.pathEnd(i + 1)
		if one := s.text[i+1 : max(i+1, end)]; s.run(i+1, letter, "") == end && (classes[s.text[i+1]]&upper != 0 || slices.Contains(slashed, one)) {
			return 0 // "Cut /Insert", "he /she"
		}
		return moreThan(i+1, end)
	case '~':
		if s.at(i+1) == '/' {
			return s.pathEnd(i + 1)
		}
	case '.':
		for _, p := range [...]string{"./", "../", `.\`, `..\`} {
			if s.has(i, p) && (s.letterAt(i+len(p)) || strings.IndexByte("._*{/", s.at(i+len(p))) >= 0 && i+len(p) < len(s.text)) {
				if p[len(p)-1] == '\\' {
					return s.windowsEnd(i + len(p))
				}
				return s.pathEnd(i + len(p))
			}
		}
	case '\\':
		if s.at(i+1) == '\\' && s.letterAt(i+2) {
			return s.windowsEnd(i + 2)
		}
		if i > 0 && strings.IndexByte("}>)%", s.text[i-1]) >= 0 && s.letterAt(i+1) { // {install}\share\x
			return s.windowsEnd(i + 1)
		}
	case '$', '%': // $HOME/x, %APPDATA%\x
		end := variable(s, i)
		if end > 0 && s.at(end) == '/' {
			return s.pathEnd(end)
		}
		if end > 0 && s.at(end) == '\\' {
			return s.windowsEnd(end + 1)
		}
	case '*': // *.dbf
		if s.at(i+1) == '.' && (i == 0 || s.text[i-1] != '*') {
			if end := s.run(i+2, alnum, "*"); end > i+2 && end-i < 12 {
				return end
			}
		}
	}
	return 0
}

// slashed are words that a loose slash stands before in prose.
var slashed = []string{"and", "he", "her", "hers", "him", "his", "it", "no", "not", "or", "she", "their", "them", "they", "yes"}

// moreThan is end, or 0 if nothing is left behind start.
func moreThan(start, end int) int {
	if end <= start {
		return 0
	}
	return end
}

// pathWord is filePath from a word on.
func pathWord(s *scanner, i int, w word) int {
	if s.latinBefore(i) || i > 0 && strings.IndexByte(`/\<.`, s.text[i-1]) >= 0 {
		return 0
	}
	if at := s.at(w.end); at == ':' && w.end == i+1 && w.class&letter != 0 {
		switch {
		case s.at(w.end+1) == '\\':
			return s.windowsEnd(w.end + 2)
		case s.at(w.end+1) == '/' && s.at(w.end+2) != '/':
			return s.pathEnd(w.end + 1)
		}
		return 0
	} else if at == '\\' { // folder\file.ext
		if i < s.path {
			return 0
		}
		end := s.windowsEnd(w.end)
		s.path = max(end, w.end)
		if last := strings.LastIndexByte(s.text[i:max(i, end)], '\\'); last > 0 && isFileName(s.text[i+last+1:end]) {
			return end
		}
		return 0
	}
	if i < s.path {
		return 0
	}
	slash := s.run(w.end, ident, ".-")
	if s.at(slash) != '/' {
		s.path = slash
		return 0
	}
	end := s.pathEnd(slash)
	s.path = max(end, slash)
	if end <= slash {
		return 0
	}
	last := i + strings.LastIndexByte(s.text[i:end], '/') + 1
	if name := s.text[last:end]; isFileName(name) || strings.HasPrefix(name, "*.") {
		return end
	}
	return 0
}

// pathEnd is the end of a path with slashes that reads well up to i.
func (s *scanner) pathEnd(i int) int {
	end := i
	for end < len(s.text) {
		c := s.text[end]
		if c < utf8.RuneSelf {
			if classes[c] == 0 && strings.IndexByte("/.-~%+@:=&?#,{}*$[]", c) < 0 {
				break
			}
			if c == '}' && strings.IndexByte(s.text[i:end], '{') < 0 || c == ']' && strings.IndexByte(s.text[i:end], '[') < 0 {
				break
			}
			end++
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[end:])
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			break
		}
		end += size
	}
	return s.trim(i, end)
}

// windowsEnd is the end of a path with backslashes whose first component begins at i. A component may hold spaces, if a backslash
// follows it soon: C:\Program Files\LibreOffice 5\program\soffice.exe.
func (s *scanner) windowsEnd(i int) int {
	end := i
	for {
		start := end
		for end < len(s.text) && (s.text[end] >= utf8.RuneSelf && s.letterAt(end) || s.text[end] >= utf8.RuneSelf && !utf8.RuneStart(s.text[end]) ||
			classes[s.text[end]] != 0 || strings.IndexByte(".-~%+@=&,{}*$()'#!", s.text[end]) >= 0) {
			end++
		}
		if s.at(end) == '\\' || s.at(end) == '/' {
			end++
			continue
		}
		if s.at(end) == ' ' && end > start {
			k := end
			for k < len(s.text) && k-start < 40 && (classes[s.text[k]] != 0 || strings.IndexByte(" -_().&'", s.text[k]) >= 0) {
				k++
			}
			if s.at(k) == '\\' && s.text[k-1] != ' ' && strings.Count(s.text[start:k], " ") < 4 {
				end = k + 1
				continue
			}
		}
		break
	}
	for end > i && strings.IndexByte(`.,;:!?'"*_~([{)`, s.text[end-1]) >= 0 {
		if s.text[end-1] == ')' && strings.Count(s.text[i:end], "(") >= strings.Count(s.text[i:end], ")") {
			break
		}
		end--
	}
	return end
}

// fileName is name.ext with an extension that is known, ".ext" by itself, and names that need none, such as Makefile.
func fileName(s *scanner, i int, w word) int {
	if s.latinBefore(i) || s.at(w.end) != '.' && s.at(w.end) != '-' {
		return 0
	}
	end := s.chunkAt(i)
	if end == 0 {
		return 0
	}
	name := withoutSuffix(s.text[i:end])
	if !isFileName(name) {
		return 0
	}
	return i + len(name)
}

// extension is ".ext" by itself: a file type.
func extension(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && strings.IndexByte(".)]/", s.text[i-1]) >= 0 {
		return 0
	}
	end := s.run(i+1, alnum, "")
	if end-i > 9 || !extensions[strings.ToLower(s.text[i+1:end])] || s.letterAt(end) || s.at(end) == '_' {
		return 0
	}
	return end
}

// isFileName says whether name ends in a known extension, in small letters or capitals.
func isFileName(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name)-dot > 9 {
		return false
	}
	ext := name[dot+1:]
	return extensions[ext] || ext == strings.ToUpper(ext) && extensions[strings.ToLower(ext)] && ext != strings.ToLower(ext)
}

// extensions of files that texts for computers speak of. Words of English are not among them, since a full stop without a space
// behind it is a common slip.
var extensions = func() map[string]bool {
	t := map[string]bool{}
	for _, e := range strings.Fields(`7z aac apk arff asm avi awk bak bas bash bat bib bin blend bmp bz2 c cc cfg clj cmake cmd
		conf cpp cs csproj css csv cu cxx db dbf deb dic dll dmg doc docm docx dot dotx dtd dump dxf ejs emf env eot eps epub erl
		ex exe exs feather fish flac fodg fodp fods fodt fs gif gitignore go gpg gql gradle graphml gz h h5 hdf5 hh hpp hs htm
		html hxx ico ics idx ini ipynb iso j2 jar java jl jpeg jpg js jsonl json jsx kdbx ko kt kts less lisp log lua lz4 lzma
		m4a mak markdown md mdb mdx mjs mkv ml mli mov mp3 mp4 mpeg mpg msg msi nfo nim npy npz o obj odb odf odg odm odp ods odt
		ogg onnx orc otf otg otp ots ott oxt parquet patch pdb pdf pem perl pgn php pickle pkl pl plist pm png po pot pps ppt
		pptm pptx proto ps ps1 psd pt pth pub py pyc pyi r rar rb rdb rdf rkt rmd rpm rs rst rtf safetensors sass sav sbt scala
		scss sdc sdw sed sh slk sln so sql sqlite srt stc std sti stw sub svelte svg swift sxc sxd sxi sxw tar tbz tcl tex tgz tif
		tiff tmp tmx toml tpl ts tsv tsx ttf txt vbs vcf vcxproj vim vue war wasm wav webm webp wmf woff woff2 wsdl xba xcf xcu
		xhtml xlb xlf xliff xls xlsb xlsm xlsx xltx xml xsd xsl xslt xz yaml yml zig zip zsh zst`) {
		t[e] = true
	}
	return t
}()
