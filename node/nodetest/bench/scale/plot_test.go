//go:build bench

package scale

import (
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plot is a picture of how something grows.
type plot struct {
	name   string // of the file
	title  string
	x, y   string // what the axes show, with units
	logX   bool
	curves []curve
}

type curve struct {
	label  string
	points [][2]float64 // x and y, by x
}

// add adds a point to a curve.
func (p *plot) add(curve int, x, y float64) {
	p.curves[curve].points = append(p.curves[curve].points, [2]float64{x, y})
}

const (
	plotWide, plotHigh     = 640, 360
	plotLeft, plotRight    = 80, 170
	plotTop, plotBottom    = 40, 56
	plotInnerW, plotInnerH = plotWide - plotLeft - plotRight, plotHigh - plotTop - plotBottom
)

// strokes tell curves apart without colour, too.
var strokes = []struct{ colour, dash, mark string }{
	{"#0b5fa5", "", "●"}, {"#b3460f", "6 3", "■"}, {"#2e7d32", "2 3", "▲"}, {"#6a1b9a", "8 3 2 3", "◆"},
}

// svg draws the plot. Both axes begin at zero, or the x axis at its smallest value if it is logarithmic.
func (p plot) svg() string {
	minX, maxX, maxY := math.Inf(1), math.Inf(-1), 0.0
	for _, c := range p.curves {
		for _, at := range c.points {
			minX, maxX, maxY = min(minX, at[0]), max(maxX, at[0]), max(maxY, at[1])
		}
	}
	top := nice(maxY)
	x := func(v float64) float64 {
		if p.logX {
			return plotLeft + plotInnerW*(math.Log(v)-math.Log(minX))/(math.Log(maxX)-math.Log(minX))
		}
		return plotLeft + plotInnerW*v/maxX
	}
	y := func(v float64) float64 { return plotTop + plotInnerH*(1-v/top) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWide, plotHigh)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotWide, plotHigh)
	text := func(x, y float64, anchor, extra, s string) {
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" text-anchor="%s"%s>%s</text>`+"\n", x, y, anchor, extra, html.EscapeString(s))
	}
	text(plotLeft, 22, "start", ` font-weight="bold"`, p.title)
	text(plotLeft+plotInnerW/2, plotHigh-12, "middle", "", p.x)
	text(16, plotTop+plotInnerH/2, "middle", fmt.Sprintf(` transform="rotate(-90 16 %d)"`, plotTop+plotInnerH/2), p.y)
	for i := range 5 {
		v := top * float64(i) / 4
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", plotLeft, y(v), plotLeft+plotInnerW)
		text(plotLeft-8, y(v)+4, "end", "", short(v))
	}
	for _, v := range p.ticks(x) {
		text(x(v), plotTop+plotInnerH+18, "middle", "", short(v))
	}
	for i, c := range p.curves {
		s := strokes[i%len(strokes)]
		var path strings.Builder
		for j, at := range c.points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(j, 1)], x(at[0]), y(at[1]))
			text(x(at[0]), y(at[1])+4, "middle", fmt.Sprintf(` fill="%s"`, s.colour), s.mark)
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", &path, s.colour, s.dash)
		text(plotLeft+plotInnerW+14, float64(plotTop+16+18*i), "start", fmt.Sprintf(` fill="%s"`, s.colour), s.mark+" "+c.label)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// ticks returns the values that are written below the x axis: those of the points, but none too near to the next one.
func (p plot) ticks(x func(float64) float64) (list []float64) {
	const apart = 34
	var all []float64
	for _, c := range p.curves {
		for _, at := range c.points {
			all = append(all, at[0])
		}
	}
	slices.Sort(all)
	for _, v := range slices.Backward(slices.Compact(all)) {
		if len(list) == 0 || x(list[len(list)-1])-x(v) >= apart {
			list = append(list, v)
		}
	}
	return list
}

// nice returns a round number that is not below v.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 5, 8, 10} {
		if v <= m*unit {
			return m * unit
		}
	}
	return 10 * unit
}

// short writes a number for an axis.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}

// draw writes the plot to the directory that PLOTS names, and nothing without it.
func (p plot) draw(t *testing.T) {
	t.Helper()
	dir := os.Getenv("PLOTS")
	if dir == "" {
		return
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, p.name+".svg"), []byte(p.svg()), 0o644))
}
