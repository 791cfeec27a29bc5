package backends

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// scrubber takes keys out of what people and files get to see. Servers echo them, proxies encode them.
type scrubber struct {
	secrets []string // longest first
	replace *strings.Replacer
}

// Dummy keys such as "EMPTY" or "none", which local servers are given, are words that a translation may hold.
const (
	minSecret       = 4 // shorter ones are not even taken out of messages
	minAnswerSecret = 8 // shorter ones may stand in an answer
)

// newScrubber knows the key and the user information of the address.
func newScrubber(key string, address *url.URL) *scrubber {
	s := &scrubber{}
	s.add(key)
	if address != nil && address.User != nil {
		s.add(address.User.String())
		if pass, ok := address.User.Password(); ok {
			s.add(pass)
			s.add(address.User.Username() + ":" + pass)
		} else {
			s.add(address.User.Username()) // a token in place of a user
		}
	}
	if address != nil {
		for _, values := range address.Query() { // ?key=…, as some gateways want it
			for _, v := range values {
				if len(v) >= 16 {
					s.add(v)
				}
			}
		}
	}
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
	s.secrets = slices.Compact(s.secrets)
	var pairs []string
	for _, x := range s.secrets {
		pairs = append(pairs, x, "[key]")
	}
	s.replace = strings.NewReplacer(pairs...)
	return s
}

func (s *scrubber) add(secret string) {
	if len(secret) < minSecret {
		return
	}
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	forms = append(forms, strings.ReplaceAll(secret, "/", `\/`)) // as some write it in JSON
	// In base64 a secret looks different behind one or two other bytes ("user:KEY"): three alignments, without the
	// characters at the edges, which depend on the neighbours.
	for shift := range 3 {
		b := append(make([]byte, shift), secret...)
		whole := len(b) / 3 * 4
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			forms = append(forms, enc.EncodeToString(b)[(shift*8+5)/6:whole])
		}
	}
	for _, f := range forms {
		if len(f) >= minSecret && !slices.Contains(s.secrets, f) {
			s.secrets = append(s.secrets, f)
		}
	}
}

func (s *scrubber) clean(text string) string { return s.replace.Replace(text) }

// holds says whether an answer has a secret in it.
func (s *scrubber) holds(text string) bool {
	for _, x := range s.secrets {
		if len(x) >= minAnswerSecret && strings.Contains(text, x) {
			return true
		}
	}
	return false
}
