package audit

// The findings, in the order of the table below.
const (
	findControl = iota
	findEmpty
	findHTML
	findAttributes
	findEntities
	findTags
	findMojibake
	findNearEmpty
	findReplacement
	numFindings
)

// findings are what a document can have, sorted by name.
var findings = [numFindings]struct{ name, about string }{
	{"control", "control characters but tab, line feed and carriage return: U+0000 to U+001F, U+007F to U+009F"},
	{"empty", "documents without text, or of white space alone"},
	{"html", "any of the three that follow"},
	{"html_attributes", "attributes of HTML outside of tags, such as class=\""},
	{"html_entities", "entities of HTML, such as &nbsp; or &#8217;"},
	{"html_tags", "tags of HTML, comments and processing instructions"},
	{"mojibake", "UTF-8 that was read as Windows-1252 or Latin-1, such as Ã©"},
	{"near_empty", "documents with fewer than 50 characters that are no white space"},
	{"replacement", "the character U+FFFD, which stands where something could not be decoded"},
}

// nearEmpty is how many characters that are no white space a document has at least that is not nearly empty: less
// than a sentence.
const nearEmpty = 50
