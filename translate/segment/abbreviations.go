package segment

type abbreviation uint8

const (
	never        abbreviation = iota + 1 // ends no sentence: "e.g."
	title                                // nor does this, with a capital: "Ms. Jones", but "200 ms. Then"
	beforeNumber                         // ends none before a number: "No. 5", but "No. I do not"
	beforeName                           // ends none unless a common first word follows: "Acme Inc. Boston"
)

// abbreviations of English, Spanish, French and Basque, in small letters, without the last full stop: those that stand within
// sentences. "etc." and "etab." are not among them, since a capital behind them begins a sentence.
var abbreviations = map[string]abbreviation{
	// en
	"mr": title, "mrs": title, "ms": title, "dr": title, "prof": title, "st": title, "rev": title, "gen": title, "capt": title,
	"lt": title, "sgt": title, "col": title, "gov": title, "sen": title, "rep": title, "hon": title, "messrs": title, "mt": title,
	"e.g": never, "i.e": never, "eg": never, "cf": never, "vs": never, "viz": never, "approx": never, "ca": never, "al": beforeName,
	"fig": beforeNumber, "figs": beforeNumber, "no": beforeNumber, "nos": beforeNumber, "vol": beforeNumber, "ch": beforeNumber,
	"sec": beforeNumber, "eq": beforeNumber, "p": beforeNumber, "pp": beforeNumber, "ed": beforeNumber, "art": beforeNumber,
	"jan": beforeNumber, "feb": beforeNumber, "mar": beforeNumber, "apr": beforeNumber, "jun": beforeNumber, "jul": beforeNumber,
	"aug": beforeNumber, "sep": beforeNumber, "sept": beforeNumber, "oct": beforeNumber, "nov": beforeNumber, "dec": beforeNumber,
	"inc": beforeName, "ltd": beforeName, "co": beforeName, "corp": beforeName, "jr": beforeName, "a.m": beforeName,
	"p.m": beforeName, "dept": beforeName, "univ": beforeName, "ave": beforeName, "blvd": beforeName,
	// es
	"sr": title, "sra": title, "srta": title, "sres": title, "dra": title, "dña": title, "ud": beforeName,
	"uds": beforeName, "vd": beforeName, "vds": beforeName, "p.ej": never, "ej": never, "pág": beforeNumber,
	"págs": beforeNumber, "núm": beforeNumber, "cap": beforeNumber, "av": title, "avda": title, "gral": title, "dpto": beforeName,
	"tel": beforeNumber, "admón": beforeName, "a.c": beforeName, "d.c": beforeName, "ee.uu": beforeName,
	// fr
	"m": title, "mm": title, "mme": title, "mlle": title, "mlles": title, "mmes": title, "me": title, "p.ex": never,
	"env": never, "chap": beforeNumber, "vers": beforeName, "j.-c": beforeName,
	// eu
	"adib": never, "jn": title, "and": title, "or": beforeNumber, "orr": beforeNumber, "zk": beforeNumber, "irud": beforeNumber,
	"tlf": beforeNumber, "etor": never, "ik": never, "gutx": never, "k.a": beforeName, "k.o": beforeName, "aeb": beforeName,
}

const longestAbbreviation = 12 // bytes; none is longer

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
