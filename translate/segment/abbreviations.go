package segment

type abbreviation uint8

const (
	never        abbreviation = iota + 1 // ends no sentence: titles, "e.g."
	beforeNumber                         // ends none before a number: "No. 5", but "No. I do not"
	beforeName                           // ends none unless a common first word follows: "Acme Inc. Boston"
)

// abbreviations of English, Spanish, French and Basque, in small letters, without the last full stop. The lists of
// Euskaltzaindia (Hiztegi Batua) and of the Real Academia (Ortografía, 2010, appendix 1) have many more; these are the ones
// that stand within sentences.
var abbreviations = map[string]abbreviation{
	// en
	"mr": never, "mrs": never, "ms": never, "dr": never, "prof": never, "st": never, "rev": never, "gen": never, "capt": never,
	"lt": never, "sgt": never, "col": never, "gov": never, "sen": never, "rep": never, "hon": never, "messrs": never, "mt": never,
	"e.g": never, "i.e": never, "eg": never, "cf": never, "vs": never, "viz": never, "approx": never, "ca": never, "al": beforeName,
	"fig": beforeNumber, "figs": beforeNumber, "no": beforeNumber, "nos": beforeNumber, "vol": beforeNumber, "ch": beforeNumber,
	"sec": beforeNumber, "eq": beforeNumber, "p": beforeNumber, "pp": beforeNumber, "ed": beforeNumber, "art": beforeNumber,
	"jan": beforeNumber, "feb": beforeNumber, "mar": beforeNumber, "apr": beforeNumber, "jun": beforeNumber, "jul": beforeNumber,
	"aug": beforeNumber, "sep": beforeNumber, "sept": beforeNumber, "oct": beforeNumber, "nov": beforeNumber, "dec": beforeNumber,
	"inc": beforeName, "ltd": beforeName, "co": beforeName, "corp": beforeName, "jr": beforeName, "a.m": beforeName,
	"p.m": beforeName, "dept": beforeName, "univ": beforeName, "ave": beforeName, "blvd": beforeName,
	// es
	"sr": never, "sra": never, "srta": never, "sres": never, "dra": never, "d": never, "dña": never, "ud": beforeName,
	"uds": beforeName, "vd": beforeName, "vds": beforeName, "p. ej": never, "p.ej": never, "ej": never, "pág": beforeNumber,
	"págs": beforeNumber, "núm": beforeNumber, "cap": beforeNumber, "av": never, "avda": never, "gral": never, "dpto": beforeName,
	"tel": beforeNumber, "admón": beforeName, "a.c": beforeName, "d.c": beforeName, "ee.uu": beforeName,
	// fr
	"m": never, "mm": never, "mme": never, "mlle": never, "mlles": never, "mmes": never, "me": never, "p.ex": never, "ex": never,
	"env": never, "chap": beforeNumber, "vers": beforeName, "av. j.-c": beforeName, "j.-c": beforeName,
	// eu
	"adib": never, "jn": never, "and": never, "or": beforeNumber, "orr": beforeNumber, "zk": beforeNumber, "irud": beforeNumber,
	"tlf": beforeNumber, "etor": never, "ik": never, "gutx": never, "k.a": beforeName, "k.o": beforeName, "aeb": beforeName,
}

const longestAbbreviation = len("av. j.-c") + 4

// starters are words that often begin a sentence, in the same languages.
var starters = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range []string{
		"The", "A", "An", "It", "He", "She", "They", "We", "I", "You", "This", "That", "These", "Those", "There", "In", "On", "At", "If",
		"When", "But", "And", "However", "For", "As", "To", "His", "Her", "Their", "Our", "My", "What", "How", "Why",
		"El", "La", "Los", "Las", "Un", "Una", "En", "Es", "Se", "No", "Si", "Pero", "Y", "Por", "Para", "Con", "Su", "Sus", "Este", "Esta",
		"Le", "Les", "Des", "Il", "Elle", "Ils", "Elles", "Nous", "Vous", "On", "C'est", "Ce", "Cette", "Mais", "Et", "Pour", "Dans",
		"Hau", "Hori", "Hura", "Eta", "Baina", "Ez", "Bai", "Gero", "Gainera", "Hala", "Horrek", "Honek", "Hark", "Horregatik", "Zer", "Nola",
	} {
		m[w] = true
	}
	return m
}()
