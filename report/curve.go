package report

import (
	"html/template"
	"math"
	"slices"
	"strings"
)

// Curve is a line through points, such as the loss over the tokens seen.
type Curve struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"` // by X
	dots   bool    // its points stand alone
}

// Dots says so.
func (c Curve) Dots() bool { return c.dots }

// Point of a curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Mark is a place on the axis at which something happened.
type Mark struct {
	X     float64 `json:"x"`
	Label string  `json:"label"`
}

// chart is curves over one axis, made ready to be drawn.
type chart struct {
	Title, Unit              string // of the values, and of the axis below
	Curves                   []Curve
	Marks                    []Mark
	Log                      bool // the values' axis is logarithmic
	Dots                     bool // points stand alone: the axis below has no order of time
	Left, Right, Least, Most string
	xmin, xmax, ymin, ymax   float64
}

const (
	chartWidth  = 640
	chartHeight = 200
)

// thin gives a curve of at most n points: means of as many neighbours each, at the last one's place.
func thin(points []Point, n int) []Point {
	if len(points) <= n {
		return points
	}
	var list []Point
	for i := range n {
		from, to := i*len(points)/n, (i+1)*len(points)/n
		p := Point{X: points[to-1].X}
		for _, q := range points[from:to] {
			p.Y += q.Y / float64(to-from)
		}
		list = append(list, p)
	}
	return list
}

// finite are the points that can be drawn; beyond largest, differences get lost.
func (c *chart) finite(p Point) bool {
	const largest = 1e15
	return math.Abs(p.Y) <= largest && math.Abs(p.X) <= largest && (!c.Log || p.Y > 0)
}

// ready finds the ends of the axes. What only the first steps have, such as a loss that falls from its height, is cut off: the
// axis of values ends at twice the range of the second half, at least.
func (c *chart) ready() *chart {
	c.xmin, c.ymin = math.Inf(1), math.Inf(1)
	c.xmax, c.ymax = math.Inf(-1), math.Inf(-1)
	for _, curve := range c.Curves {
		for _, p := range curve.Points {
			if c.finite(p) {
				c.xmin, c.xmax = min(c.xmin, p.X), max(c.xmax, p.X)
				c.ymin, c.ymax = min(c.ymin, c.y(p.Y)), max(c.ymax, c.y(p.Y))
			}
		}
	}
	if c.xmin > c.xmax {
		return nil
	}
	if !c.Dots && !c.Log {
		late := math.Inf(-1)
		for _, curve := range c.Curves {
			for _, p := range curve.Points {
				if c.finite(p) && p.X >= c.xmin+(c.xmax-c.xmin)/4 {
					late = max(late, p.Y)
				}
			}
		}
		c.ymax = min(c.ymax, max(late+(late-c.ymin), c.ymin))
	}
	if c.xmax == c.xmin {
		c.xmax = c.xmin + 1
	}
	if c.ymax == c.ymin {
		c.ymax = c.ymin + 1
	}
	c.Left, c.Right, c.Least, c.Most = short(c.xmin), short(c.xmax), short(c.back(c.ymin)), short(c.back(c.ymax))
	return c
}

func (c *chart) y(v float64) float64 {
	if c.Log {
		return math.Log10(v)
	}
	return v
}

func (c *chart) back(v float64) float64 {
	if c.Log {
		return math.Pow(10, v)
	}
	return v
}

func (c *chart) place(p Point) (x, y string) {
	h := (c.y(p.Y) - c.ymin) / (c.ymax - c.ymin)
	return coordinate((p.X - c.xmin) / (c.xmax - c.xmin) * chartWidth), coordinate(4 + (1-min(max(h, 0), 1))*(chartHeight-8))
}

// SVG is the drawing.
func (c *chart) SVG() template.HTML {
	var b strings.Builder
	b.WriteString(`<svg viewBox="0 0 640 200" preserveAspectRatio="none" role="img"><title>` + template.HTMLEscapeString(c.Title) + `</title>`)
	for _, m := range c.Marks {
		if m.X < c.xmin || m.X > c.xmax {
			continue
		}
		x, _ := c.place(Point{m.X, c.back(c.ymin)})
		b.WriteString(`<line x1="` + x + `" x2="` + x + `" y1="0" y2="200"/>`)
	}
	for i, curve := range c.Curves {
		var path strings.Builder
		for _, p := range curve.Points {
			if !c.finite(p) {
				continue
			}
			x, y := c.place(p)
			if c.Dots || curve.dots { // a dot is a line without length and with round ends: a circle would be stretched with the drawing
				path.WriteString("M" + x + " " + y + "h0")
				continue
			}
			if path.Len() == 0 {
				path.WriteString("M")
			} else {
				path.WriteString("L")
			}
			path.WriteString(x + " " + y)
		}
		class := "curve"
		if i > 0 {
			class += " other"
		}
		if c.Dots || curve.dots {
			class += " dots"
		}
		b.WriteString(`<path class="` + class + `" d="` + path.String() + `"/>`)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// Labels are the marks with their places in percent of the width; of those too near to one another the later one is left out.
func (c *chart) Labels() []line {
	marks := slices.Clone(c.Marks)
	slices.SortStableFunc(marks, func(a, b Mark) int {
		switch {
		case a.X < b.X:
			return -1
		case a.X > b.X:
			return 1
		}
		return 0
	})
	var list []line
	last := math.Inf(-1)
	for _, m := range marks {
		at := 100 * (m.X - c.xmin) / (c.xmax - c.xmin)
		if at < 0 || at > 100 || at-last < 20 {
			continue
		}
		last = at
		list = append(list, line{Label: m.Label, At: coordinate(min(max(at, 8), 92))})
	}
	return list
}

const chartPage = `<figure><figcaption>{{.Title}}{{range $i, $c := .Curves}}{{if and $c.Name (gt (len $.Curves) 1)}}<span>{{if $c.Dots}}; points: {{else if $i}}; dashed: {{else}}; line: {{end}}{{$c.Name}}</span>{{end}}{{end}}</figcaption>
<div class="chart"><span class="most">{{.Most}}</span><span class="least">{{.Least}}</span>{{.SVG}}</div>
{{with .Labels}}<div class="marks">{{range .}}<span style="left:{{.At}}%">{{.Label}}</span>{{end}}</div>{{end}}
<div class="axis"><span>{{.Left}}</span><span>{{.Unit}}</span><span>{{.Right}}</span></div></figure>`
