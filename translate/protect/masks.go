package protect

import (
	"slices"
	"strings"
)

// Kind is a kind of what is protected.
type Kind struct {
	Name     string
	Summary  string // what it is
	Source   string // what defines it, or why it is here
	Examples []string

	markup bool                                // it stands around text or in it without white space, so that it may be cut off from a word
	starts string                              // the ASCII bytes other than letters, digits, _ that it begins with; "⟦" is any rune beyond
	symbol func(s *scanner, i int) int         // its end at such a byte, or 0
	word   func(s *scanner, i int, w word) int // its end at the beginning of a word, or 0
}

// Kinds are all kinds, sorted by name. In Examples ⟪ and ⟫ stand around what is protected; one without them shows what is not.
func Kinds() []Kind { return slices.Clone(table) }

// beyond in starts says that a kind may begin with a rune beyond ASCII that is no letter.
const beyond = "⟦"

// table is sorted by name. Of two kinds that protect equally much the first gives its name.
var table = []Kind{
	{Name: "address", Summary: "an IP address, with its port or mask, or a MAC address", Source: "RFC 4291 §2.2, IEEE 802",
		Examples: []string{"Ping ⟪192.168.0.1⟫ or ⟪fe80::1⟫.", "Listen on ⟪127.0.0.1:8080⟫ now.", "The card ⟪00:1A:2B:3C:4D:5E⟫ is new.", "It starts at 12:30:45 sharp."},
		starts:   ":", symbol: colonAddress, word: address},
	{Name: "assignment", Summary: "name=value and equations, without spaces", Source: "shells, INI files, formulas in plain text",
		Examples: []string{`Set ⟪size=10⟫ and ⟪title="two words"⟫ here.`, "The line ⟪y=a*ln(x)+b⟫, where ⟪b==0⟫.", "So a = b here, and a=> b there."}, word: assignment},
	{Name: "autolink", Summary: "`<URL>`, `<name@host>`", Source: "CommonMark 0.31 §6.5",
		Examples: []string{"See ⟪<https://example.org/a>⟫ or ⟪<a@example.org>⟫."}, starts: "<", symbol: autolink},
	{Name: "base64", Summary: "base64 of 40 characters or more, with capitals, small letters and digits", Source: "RFC 4648",
		Examples: []string{"The key ⟪dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIDEz⟫ is secret."}, word: base64Run},
	{Name: "bbcode", markup: true, Summary: "markup of forums", Source: "phpBB",
		Examples: []string{"This is ⟪[b]⟫bold⟪[/b]⟫ text.", "Choose file[s] here."}, starts: "[", symbol: bbcode},
	{Name: "brace_field", Summary: "a field of a template in braces, without spaces: `{name}`, `{0:.2f}`", Source: "Python's str.format, ICU MessageFormat",
		Examples: []string{"Hello ⟪{name}⟫, you have ⟪{0:.2f}⟫ left.", "You have ⟪{n, plural, one {# file} other {# files}}⟫ here.", "The sets {1, 2} and {red, green} differ.", "Open the {user profile} folder."}, starts: "{", symbol: braceField},
	{Name: "cell_error", Summary: "what a spreadsheet shows in place of a value", Source: "OpenFormula 1.2 §5.12",
		Examples: []string{"The cell shows ⟪#DIV/0!⟫ then."}, starts: "#", symbol: cellError},
	{Name: "cells", Summary: "references to cells: a range, or one with a `$`", Source: "OpenFormula 1.2 §5.8",
		Examples: []string{"Sum ⟪A1:B20⟫ and ⟪$C$3⟫ of it.", "The range ⟪$Sheet1.$B$3:$B$14⟫ is meant.", "Print on A4 paper."}, starts: "$", symbol: cells, word: cellWord},
	{Name: "chat_token", markup: true, Summary: "tokens of chat templates", Source: "ChatML, Llama 2 and 3, Mistral, DeepSeek",
		Examples: []string{"Then ⟪<|im_start|>⟫user ⟪[INST]⟫ asks ⟪[/INST]⟫ more ⟪<<SYS>>⟫ text."}, starts: "<[", symbol: chatToken},
	{Name: "code_span", Summary: "text between equal runs of backticks", Source: "CommonMark 0.31 §6.1",
		Examples: []string{"Use ⟪`git commit --amend`⟫ or ⟪``a `b` c``⟫ now.", "A lone ` and a `` pair."}, starts: "`", symbol: codeSpan},
	{Name: "comment", markup: true, Summary: "a comment, CDATA, declaration or processing instruction", Source: "HTML Living Standard, XML 1.0",
		Examples: []string{"Here ⟪<!-- do not touch -->⟫ it is."}, starts: "<", symbol: comment},
	{Name: "definition", Summary: "`[label]: target` at the beginning of a line, and the label of a footnote", Source: "CommonMark 0.31 §4.7",
		Examples: []string{"⟪[docs]: https://example.org/x⟫", "⟪[^1]:⟫ It says so.", "[Note]: this is text."}, starts: "[", symbol: definition},
	{Name: "domain", Summary: "a host name without scheme, by its last label, with path", Source: "IANA root zone",
		Examples: []string{"Go to ⟪docs.example.org/a?b=c⟫, then home.", "Open ⟪localhost:8080/admin⟫ now.", "See ⟪example.com⟫-en too.", "That is the end.In fact it is."}, word: domain},
	{Name: "email", Summary: "an address of electronic mail", Source: "RFC 5322, the part of it that is in use",
		Examples: []string{"Mail ⟪first.last+tag@example.org⟫.", "Clone ⟪git@example.org:me/it.git⟫ now.", "Two @ signs @ once."}, word: email},
	{Name: "emoji", markup: true, Summary: "emoji with modifiers, joiners, flags and keycaps, and `:name:`", Source: "UTS #51 §1.4.9",
		Examples: []string{"Well ⟪👩🏽‍💻⟫ done ⟪🇪🇺🎉⟫ and ⟪1️⃣⟫ go.", "Nice ⟪:thumbs_up:⟫ work.", "It took 10:20:30 hours ★★★."},
		starts:   ":#*" + beyond, symbol: anyEmoji, word: keycap},
	{Name: "entity", Summary: "a character reference", Source: "HTML Living Standard §13.5",
		Examples: []string{"Fish⟪&nbsp;⟫and⟪&#8203;⟫chips.", "Salt & pepper; both."}, starts: "&", symbol: entity},
	{Name: "escape", Summary: `an escaped character: \n, \x1b, \u00e9`, Source: "ISO C 6.4.4.4",
		Examples: []string{`End it with ⟪\r\n⟫ or ⟪\u00e9⟫.`, `Both and\or neither.`}, starts: `\`, symbol: escape},
	{Name: "extension", Summary: "a file type, `.ext`, if the extension is known", Source: "a list",
		Examples: []string{"Save it as ⟪.odt⟫ file.", "He said .nothing at all."}, starts: ".", symbol: extension},
	{Name: "file_name", Summary: "a name with a known extension", Source: "a list",
		Examples: []string{"Open ⟪my-file_2.tar.gz⟫ here.", "Edit ⟪README.md⟫-en here.", "The end.That was it."}, word: fileName},
	{Name: "file_path", Summary: "a path with a root, a drive, `~`, `.` or `..`, or one that ends in a file name; `*.ext`", Source: "POSIX.1 §3.271, Windows",
		Examples: []string{"Look at ⟪/usr/lib/x⟫, ⟪~/a⟫ and ⟪./b⟫.", `Run ⟪C:\Program Files\LibreOffice 5\program\soffice.exe⟫ or ⟪C:\new\x.txt⟫.`,
			`On ⟪\\server\share⟫ there is ⟪docs/guide/intro.md⟫.`, "Import ⟪*.dbf⟫ files.", "Yes and/or no, he/she drives 90 km/h.", "Read 1/2 of it."},
		starts: `/~.\$%*`, symbol: filePath, word: pathWord},
	{Name: "footnote", markup: true, Summary: "the mark of a footnote or citation", Source: "Pandoc's Markdown",
		Examples: []string{"It was so⟪[^note-1]⟫ said ⟪[@smith2020]⟫."}, starts: "[", symbol: footnote},
	{Name: "format_verb", Summary: "a verb of printf, strftime or Qt", Source: "ISO C 7.23.6.1, Python, Qt",
		Examples: []string{"Found ⟪%d⟫ files in ⟪%-5.2f⟫ s: ⟪%1$s⟫.", "Dear ⟪%(name)s⟫, page ⟪%1⟫ of ⟪%2⟫.", "About 100 % of it, or 50%discount, 5 %off."}, starts: "%", symbol: formatVerb},
	{Name: "formula", Summary: "a formula of a spreadsheet, from its `=` on, if it has a cell or a call", Source: "OpenFormula 1.2 §5",
		Examples: []string{"Type ⟪=SUM(A1:B2)⟫ into it.", "Enter ⟪=A1*2⟫ there.", "Here =this is not."}, starts: "=", symbol: formula},
	{Name: "glossary", Summary: "a term of the glossary, if one is given", Source: "`--glossary`"},
	{Name: "hashtag", Summary: "`#name`, with a letter in it; colours", Source: "a number behind `#` is a rank in prose, and a heading has a space",
		Examples: []string{"Post it with ⟪#MachineLearning⟫ today.", "Paint it ⟪#ff8800⟫ now.", "The #1 choice.", "# A heading", "C# is a language."}, starts: "#", symbol: hashtag},
	{Name: "hex", Summary: "16 hexadecimal digits or more with letters among them, or any behind 0x", Source: "digests, keys, pointers",
		Examples: []string{"Commit ⟪9f86d081884c7d659a2feaa0c55ad015⟫ at ⟪0x1F⟫.", "A decade faded."}, word: hexNumber},
	{Name: "identifier", Summary: "a name of a program by its shape: snake_case, camelCase, three humps, dots, ::, ->, parentheses", Source: "what help texts of LibreOffice keep in their translations",
		Examples: []string{"Set ⟪max_length⟫ and ⟪MAX_SIZE⟫ in ⟪thisComponent⟫.", "Call ⟪com.sun.star.util.PathSettings⟫ or ⟪FileLen()⟫.",
			"Use ⟪print(\"hello\")⟫ and ⟪getSize(x, 2)⟫ here.", "It says ⟪weather(city=\"new york\", day=2)⟫ then.", "The method ⟪ExecuteBasicScript⟫ and ⟪GAMMA.INV⟫ exist.", "Use ⟪std::vector⟫ then ⟪.append(x)⟫.",
			"LibreOffice and JavaScript have an API, e.g. for PDF.", "Open the file(s) in the U.S.A. for me.", "The end.Next comes more.", "Some _emphasis_ here."},
		starts: ".", symbol: methodCall, word: identifier},
	{Name: "json", Summary: "an object or array with strings, of JSON or Python", Source: "RFC 8259",
		Examples: []string{`It returns ⟪{"status": "ok", "n": [1, 2]}⟫ then.`, `Use ⟪['a', 'b']⟫ here.`, `He said ["maybe" is fine].`}, starts: "{[", symbol: jsonValue},
	{Name: "latex_command", markup: true, Summary: `\name with its arguments; of \textbf{…} and its like only what is around the text`, Source: "LaTeX2e",
		Examples: []string{`Take ⟪\frac{a}{b}⟫ and ⟪\alpha⟫ here.`, `It is ⟪\textbf{⟫very important⟪}⟫ now.`}, starts: `\}`, symbol: latexCommand},
	{Name: "latex_delimited", Summary: `\(…\), \[…\], $$…$$, if a formula is inside`, Source: "LaTeX2e",
		Examples: []string{`So \[citation needed\] for ⟪\(z \ge 0\)⟫ and ⟪\[E = mc^2\]⟫ hold ⟪$$x$$⟫.`}, starts: `\$`, symbol: latexDelimited},
	{Name: "latex_dollar", Summary: "$…$, if it is a formula and not money", Source: "Pandoc's rule for white space and digits; beside it a sign of mathematics or one short piece is asked for",
		Examples: []string{"Solve ⟪$x^2 + y^2 = z^2$⟫ for ⟪$z$⟫, ⟪$f(x)$⟫ and ⟪$10$⟫.", "It costs $5 and not $6.", "From $5=$6 to $7+tax$8.", "I had 5$ and 6$ left."}, starts: "$", symbol: latexDollar},
	{Name: "latex_environment", Summary: `\begin{x} … \end{x}`, Source: "LaTeX2e",
		Examples: []string{`Then ⟪\begin{align} a &= b \end{align}⟫ follows.`}, starts: `\`, symbol: latexEnvironment},
	{Name: "link", Summary: "what stands behind the text of a link: `](target \"title\")`, `][label]`. The text is translated", Source: "CommonMark 0.31 §6.3",
		Examples: []string{`Read [the guide⟪](https://example.org/a_(b) "Title")⟫ first.`, "See ![a cat⟪](cat.png)⟫ and [more⟪][ref]⟫ here."}, starts: "]", symbol: link},
	{Name: "mention", Summary: "`@name`", Source: "networks, decorators of Python",
		Examples: []string{"Ask ⟪@ana_b⟫ or ⟪@scope/package⟫.", "Sold @ 5 euros."}, starts: "@", symbol: mention},
	{Name: "number", Summary: "a number of two digits or more, if asked for", Source: "`--mask-numbers`", word: number},
	{Name: "option", Summary: "an option of a command", Source: "POSIX.1 §12, GNU",
		Examples: []string{"Run it with ⟪--dry-run⟫ or ⟪--level=3⟫ set.", "Then tar ⟪-xzf⟫ it ⟪-v⟫ now.", "He left -- as ever -- early, -as ever- alone."}, starts: "-", symbol: option},
	{Name: "placeholder", Summary: "what looks like a placeholder of this or another tool", Source: "the forms below",
		Examples: []string{`What do ⟪⟦0⟧⟫, ⟪__PH_1__⟫, ⟪<x id="2"/>⟫ and ⟪[[3]]⟫ mean?`, "And ⟪@@0@@⟫ or ⟪XQ0⟫ or ⟪[CODE_0]⟫ too."},
		starts:   "[@<{" + beyond, symbol: placeholder, word: placeholderWord},
	{Name: "slot", Summary: "[NAME] in capitals, to be filled in, and [!NOTE]", Source: "templates of letters and prompts",
		Examples: []string{"Dear ⟪[FIRST_NAME]⟫, see [API⟪](x.html)⟫.", "Dear [YOUR FULL NAME], hello."}, starts: "[", symbol: slot},
	{Name: "tag", markup: true, Summary: "a tag by the grammar of names and attributes", Source: "HTML Living Standard §13.1.2, XML 1.0; chat templates",
		Examples: []string{`Press ⟪<b class="x > y">⟫here⟪</b>⟫ now⟪<br/>⟫then.`, "Tokens ⟪<s>⟫ and ⟪<start_of_turn>⟫ and ⟪<USER_ID>⟫ exist.", "Is 3 < 5 and 7 > 6?", "Say ⟪<FIELD TYPE=DOC FIXED>⟫now⟪</FIELD>⟫.", "Type <your name here> there."}, starts: "<", symbol: tag},
	{Name: "template_tag", markup: true, Summary: "{{x}}, {{#if x}}, {% for … %}, <% … %>", Source: "Jinja, Handlebars, ERB",
		Examples: []string{"If ⟪{{#if user}}⟫ hello ⟪{{ user | upper }}⟫ and ⟪{% endif %}⟫ end."}, starts: "{<", symbol: templateTag},
	{Name: "url", Summary: "scheme://…, www.…, mailto:, data: and others. Brackets are balanced, the punctuation of the sentence is not part of it; -en behind a bare host is a suffix", Source: "RFC 3986",
		Examples: []string{"Read ⟪https://example.org/a_(b)?q=one%20two&lang=en#top⟫, then (⟪www.example.org⟫).", "Write to ⟪mailto:a@b.org⟫ now.", "On ⟪https://a.org⟫-en it is.", "The ratio: one to two."}, word: url},
	{Name: "uuid", Summary: "a UUID", Source: "RFC 9562",
		Examples: []string{"Its id ⟪123e4567-e89b-12d3-a456-426614174000⟫ stays."}, word: uuid},
	{Name: "variable", Summary: "$VAR, ${x}, $(command), %VAR%, #{x}", Source: "POSIX.1 shell, Windows, Ruby",
		Examples: []string{"Set ⟪$HOME⟫ and ⟪${user.name}⟫ or ⟪%PATH%⟫ here.", "It costs $5 more."}, starts: "$%#", symbol: variable},
	{Name: "verbatim_element", Summary: "an element whose content is no prose: code, kbd, pre, math, script, tool_call …", Source: "what Bergamot's HTML mode copies; chat templates",
		Examples: []string{`Press ⟪<kbd>Ctrl</kbd>⟫ and ⟪<code class="a">x = y</code>⟫ now.`}, starts: "<", symbol: verbatimElement},
	{Name: "version", Summary: "three numbers with dots, or two behind a v; not dates, not thousands", Source: "Semantic Versioning 2.0",
		Examples: []string{"Install ⟪1.2.3-rc1⟫ or ⟪v7.4⟫ now.", "On 31.12.2024 there were 1.000.000 people, 3.5 of it."}, word: version},
}

func anyEmoji(s *scanner, i int) int {
	switch s.text[i] {
	case ':':
		return shortcode(s, i)
	case '#', '*':
		return keycapAt(s, i)
	}
	return emoji(s, i)
}

// glossaryKind and numberKind are the kinds whose holes are words of the sentence.
var (
	glossaryKind = kindIndex("glossary")
	linkKind     = kindIndex("link")
	numberKind   = kindIndex("number")
)

func kindIndex(name string) int {
	return slices.IndexFunc(table, func(k Kind) bool { return k.Name == name })
}

// byWord are the kinds that may begin with a word; bySymbol those that may begin with an ASCII byte; byRune those that may begin
// with another rune.
var (
	byWord   = kindsWhere(func(k Kind) bool { return k.word != nil })
	byRune   = kindsWhere(func(k Kind) bool { return strings.Contains(k.starts, beyond) })
	bySymbol = func() (t [128][]int) {
		for c := range t {
			t[c] = kindsWhere(func(k Kind) bool { return strings.IndexByte(k.starts, byte(c)) >= 0 })
		}
		return t
	}()
)

func kindsWhere(f func(Kind) bool) (ks []int) {
	for k := range table {
		if f(table[k]) {
			ks = append(ks, k)
		}
	}
	return ks
}
