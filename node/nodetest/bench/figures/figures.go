// Package figures writes what was measured: durations, sizes, and tables of them.
package figures

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Duration writes a duration in milliseconds with three significant digits.
func Duration(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f ms", v)
	case v < 100:
		return fmt.Sprintf("%.1f ms", v)
	case v < 10_000:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f s", v/1000)
}

// Megabytes writes a number of bytes in millions.
func Megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// Kilobytes writes a number of bytes in thousands.
func Kilobytes(n int64) string { return fmt.Sprintf("%.0f kB", float64(n)/1e3) }

// Times writes how many times b a is.
func Times[T int64 | float64 | time.Duration](a, b T) string {
	return fmt.Sprintf("%.2fx", float64(a)/float64(b))
}

// Percentile returns the p-th percentile, zero of an empty list. It sorts the list.
func Percentile(list []time.Duration, p int) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, len(list)*p/100)]
}

// Median returns the median, zero of an empty list. It sorts the list.
func Median[T int | int64 | float64 | time.Duration](list []T) T {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// Table writes lines of cells as a table of Markdown. The first line is the head; all have as many cells.
func Table(w io.Writer, lines [][]string) error {
	if len(lines) == 0 {
		return nil
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, l := range lines {
		for i, cell := range l {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Fsync returns the median of a write of 4 KiB with fsync, in place, in a file that it leaves in dir.
func Fsync(dir string) (median time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, 4096)
	var took []time.Duration
	for i := range 200 {
		began := time.Now()
		block[0] = byte(i)
		if _, err := f.WriteAt(block, 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return Median(took), nil
}
