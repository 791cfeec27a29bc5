package filter

import (
	"fmt"

	"curate/filter/pii"
)

const (
	piiOwn        = "filter/pii, whose comments say what is found and how surely"
	piiDatatrove  = "datatrove 0.10.1, pipeline/formatters/pii.py PIIFormatter"
	piiDolma      = "dolma 1.2.1, python/dolma/taggers/pii.py"
	piiDolmaMixer = "Dolma 1.6, configs/dolma-v1_6/mixing/cc-head.yaml"
	piiSwitch     = "1 on, 0 off"
)

// Names of scanners and actions.
const (
	piiScanCurate    = "curate"
	piiScanDatatrove = "datatrove"
	piiScanDolma     = "dolma"
	piiScanDolmaFast = "dolma_fast"
	piiMask          = "mask"
	piiRemove        = "remove"
	piiReplace       = "replace"
	piiLeave         = "leave"
)

// piiRule finds personal data, and takes it out of the text or drops the document.
var piiRule = Rule{
	Name:    "pii",
	Version: 1,
	Summary: "masks, removes or replaces e-mail addresses, public IP addresses, telephone numbers, IBANs and card numbers, or drops documents that hold them",
	Source:  piiOwn + "; " + piiDatatrove + "; " + piiDolma,
	Texts: []Text{
		{Name: "scanner", Default: piiScanCurate, Choices: []string{piiScanCurate, piiScanDatatrove, piiScanDolma, piiScanDolmaFast}, Source: piiOwn,
			Help: "what finds them: curate's own scanners, with checksums where there are any; datatrove's two expressions (e-mail, IPv4); dolma's pii_regex_v2 or pii_regex_with_counts_fast_v2 (e-mail, telephone, IPv4), whose spans hold the white space around them"},
		{Name: "action", Default: piiMask, Choices: []string{piiMask, piiRemove, piiReplace, piiLeave}, Source: piiOwn,
			Help: "what is put in their place: a placeholder a kind; nothing; the texts of the lists in turn, those of e-mail and of IP addresses, and placeholders for other kinds; or the text is left as it is"},
		{Name: "mask_email", Default: "<EMAIL>", Source: piiOwn, Help: "placeholder of an e-mail address"},
		{Name: "mask_ip", Default: "<IP>", Source: piiOwn, Help: "placeholder of an IP address"},
		{Name: "mask_phone", Default: "<PHONE>", Source: piiOwn, Help: "placeholder of a telephone number"},
		{Name: "mask_iban", Default: "<IBAN>", Source: piiOwn, Help: "placeholder of an IBAN"},
		{Name: "mask_card", Default: "<CARD>", Source: piiOwn, Help: "placeholder of a card number"},
	},
	Lists: []List{
		{Name: "email_replacements", Default: pii.DatatroveEmailTexts, Source: piiDatatrove, Help: "what action replace puts for e-mail addresses, in turn; each document begins with the first"},
		{Name: "ip_replacements", Default: pii.DatatroveIPTexts, Source: piiDatatrove, Help: "what action replace puts for IP addresses, in turn; each document begins with the first"},
	},
	Params: []Param{
		{Name: "email", Default: 1, Unit: piiSwitch + ": e-mail addresses", Source: piiOwn, Inside: true},
		{Name: "ip", Default: 1, Unit: piiSwitch + ": IP addresses", Source: piiOwn, Inside: true},
		{Name: "phone", Default: 1, Unit: piiSwitch + ": telephone numbers", Source: piiOwn, Inside: true},
		{Name: "iban", Default: 1, Unit: piiSwitch + ": IBANs", Source: piiOwn, Inside: true},
		{Name: "card", Default: 1, Unit: piiSwitch + ": card numbers", Source: piiOwn, Inside: true},
		{Name: "public_only", Default: 1, Unit: piiSwitch + ": of scanner datatrove's IP addresses those alone that are global", Source: piiDatatrove, Inside: true},
		{Name: "drop_email", Default: 0, Unit: piiSwitch + ": a document with an e-mail address is dropped", Source: piiOwn},
		{Name: "drop_ip", Default: 0, Unit: piiSwitch + ": a document with an IP address is dropped", Source: piiOwn},
		{Name: "drop_phone", Default: 0, Unit: piiSwitch + ": a document with a telephone number is dropped", Source: piiOwn},
		{Name: "drop_iban", Default: 0, Unit: piiSwitch + ": a document with an IBAN is dropped", Source: piiOwn},
		{Name: "drop_card", Default: 0, Unit: piiSwitch + ": a document with a card number is dropped", Source: piiOwn},
		{Name: "max_spans", Default: 0, Unit: "places in the document; 0 is no limit", Source: piiOwn},
	},
	Prepare:    preparePII,
	NewScratch: func(any) any { return &piiScratch{} },
	Edit:       piiEdit,
	Edits:      "what is found is replaced as action says; nothing else is changed",
	Tests: []Test{
		{Reason: "pii_email", Signal: "pii_emails", Measure: "number of e-mail addresses found", Compare: Found, Param: "drop_email", Value: piiCount(pii.Email)},
		{Reason: "pii_ip", Signal: "pii_ips", Measure: "number of IP addresses found", Compare: Found, Param: "drop_ip", Value: piiCount(pii.IPv4, pii.IPv6)},
		{Reason: "pii_phone", Signal: "pii_phones", Measure: "number of telephone numbers found", Compare: Found, Param: "drop_phone", Value: piiCount(pii.Phone)},
		{Reason: "pii_iban", Signal: "pii_ibans", Measure: "number of IBANs found", Compare: Found, Param: "drop_iban", Value: piiCount(pii.IBAN)},
		{Reason: "pii_card", Signal: "pii_cards", Measure: "number of card numbers found", Compare: Found, Param: "drop_card", Value: piiCount(pii.Card)},
		{Reason: "pii_spans", Signal: "pii_spans", Measure: "number of places found, of all kinds", Compare: Above, Param: "max_spans", ZeroOff: true,
			Value: func(v *View, p Values) (float64, bool) { return float64(v.Scratch(p).(*piiScratch).all), true }},
	},
}

// piiSettings are what Prepare has made of the parameters.
type piiSettings struct {
	scanner, action string
	kinds           pii.Set
	masks           [pii.Kinds]string
	emails, ips     []string
	public          bool
}

// piiScratch is the memory of one goroutine, and what was found in its document.
type piiScratch struct {
	finder pii.Finder
	counts [pii.Kinds]int
	all    int
}

// piiMemory is what the scratch keeps between documents, in bytes.
const piiMemory = 1 << 20

func piiCount(kinds ...pii.Kind) func(*View, Values) (float64, bool) {
	set := pii.Of(kinds...)
	return func(v *View, p Values) (float64, bool) {
		if p.Made().(*piiSettings).kinds&set == 0 {
			return 0, false
		}
		s, n := v.Scratch(p).(*piiScratch), 0
		for k := range pii.Kinds {
			if set.Has(k) {
				n += s.counts[k]
			}
		}
		return float64(n), true
	}
}

func preparePII(p Values) (any, error) {
	s := &piiSettings{
		scanner: p.Text("scanner"), action: p.Text("action"),
		emails: p.List("email_replacements"), ips: p.List("ip_replacements"), public: p.On("public_only"),
	}
	for _, k := range []struct {
		name  string
		kinds pii.Set
	}{
		{"email", pii.Of(pii.Email)}, {"ip", pii.Of(pii.IPv4, pii.IPv6)}, {"phone", pii.Of(pii.Phone)}, {"iban", pii.Of(pii.IBAN)}, {"card", pii.Of(pii.Card)},
	} {
		if p.On(k.name) {
			s.kinds |= k.kinds
		}
		if s.action == piiRemove {
			continue
		}
		for kind := range pii.Kinds {
			if k.kinds.Has(kind) {
				s.masks[kind] = p.Text("mask_" + k.name)
			}
		}
	}
	switch s.scanner {
	case piiScanDatatrove:
		s.kinds &= pii.Of(pii.Email, pii.IPv4)
	case piiScanDolma, piiScanDolmaFast:
		s.kinds &= pii.Of(pii.Email, pii.IPv4, pii.Phone)
	}
	if s.kinds == 0 {
		return nil, fmt.Errorf("no kind is on that scanner %s finds", s.scanner)
	}
	if s.action == piiReplace && (len(s.emails) == 0 || len(s.ips) == 0) {
		return nil, fmt.Errorf("action %s needs email_replacements and ip_replacements", piiReplace)
	}
	return s, nil
}

func piiEdit(v *View, p Values) {
	c, s := p.Made().(*piiSettings), v.Scratch(p).(*piiScratch)
	s.counts, s.all = [pii.Kinds]int{}, 0
	if s.finder.Size() > piiMemory {
		s.finder = pii.Finder{}
	}
	doc := v.Text()
	if c.scanner == piiScanDatatrove && c.action == piiReplace {
		var emails, ips []string // IP addresses are looked for in what the first step leaves
		if c.kinds.Has(pii.Email) {
			emails = c.emails
		}
		if c.kinds.Has(pii.IPv4) {
			ips = c.ips
		}
		out, n := s.finder.AppendDatatrove(v.edit(), doc, emails, ips, c.public)
		s.counts[pii.Email], s.counts[pii.IPv4], s.all = n[0], n[1], n[0]+n[1]
		v.setEdit(out)
		return
	}
	var spans []pii.Span
	switch c.scanner {
	case piiScanDatatrove:
		spans = s.finder.FindDatatrove(doc, c.kinds, c.public)
	case piiScanDolma, piiScanDolmaFast:
		spans, s.all = s.finder.FindDolma(doc, c.kinds, c.scanner == piiScanDolmaFast)
	default:
		spans = s.finder.Find(doc, c.kinds)
	}
	for _, f := range spans {
		s.counts[f.Kind]++
	}
	s.all = max(s.all, len(spans))
	switch {
	case len(spans) == 0 || c.action == piiLeave:
	case c.action == piiReplace:
		v.setEdit(appendInTurn(v.edit(), doc, spans, c))
	default:
		v.setEdit(pii.AppendReplaced(v.edit(), doc, spans, &c.masks))
	}
}

// appendInTurn is pii.AppendReplaced with the texts of the lists in turn.
func appendInTurn(dst, doc []byte, spans []pii.Span, c *piiSettings) []byte {
	at, emails, ips := int32(0), 0, 0
	for _, s := range spans {
		dst = append(dst, doc[at:s.Lo]...)
		switch s.Kind {
		case pii.Email:
			dst = append(dst, c.emails[emails%len(c.emails)]...)
			emails++
		case pii.IPv4, pii.IPv6:
			dst = append(dst, c.ips[ips%len(c.ips)]...)
			ips++
		default:
			dst = append(dst, c.masks[s.Kind]...)
		}
		at = s.Hi
	}
	return append(dst, doc[at:]...)
}
