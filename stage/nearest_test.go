package stage

import "testing"

func TestUnknownName(t *testing.T) {
	names := []string{"dropped", "format", "gopher"}
	for _, c := range []struct{ name, want string }{
		{"goper", `no x is called "goper"; did you mean "gopher"?`},
		{"droped", `no x is called "droped"; did you mean "dropped"?`},
		{"", `no x is called ""; there are: dropped, format, gopher`},
		{"zzzzzzz", `no x is called "zzzzzzz"; there are: dropped, format, gopher`},
	} {
		if err := UnknownName("x", c.name, names); err.Error() != c.want {
			t.Errorf("%q: %v\nwant %s", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != got {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
