package loss

import "iter"

// Run is a range of numbers, both included.
type Run struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Numbers returns how many numbers it has.
func (r Run) Numbers() int64 { return r.Last - r.First + 1 }

// Runs finds the runs of numbers that are known between two numbers, in ascending order, from how many are known between any two. It
// counts a few times for each run and never looks at single numbers.
func Runs(first, last int64, count func(first, last int64) (int64, error)) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		f := finder{count: count, yield: yield}
		if first > last {
			return
		}
		n, err := count(first, last)
		if err != nil {
			yield(Run{}, err)
			return
		}
		if f.split(Run{first, last}, n) && f.open {
			yield(f.run, nil)
		}
	}
}

type finder struct {
	count func(first, last int64) (int64, error)
	yield func(Run, error) bool
	run   Run // that may go on
	open  bool
}

// split finds the runs within a range of which n numbers are known; false if nobody wants more.
func (f *finder) split(r Run, n int64) bool {
	switch {
	case n <= 0:
		return true
	case n >= r.Numbers():
		return f.add(r)
	}
	mid := r.First + (r.Last-r.First)/2
	lower, err := f.count(r.First, mid)
	if err != nil {
		f.yield(Run{}, err)
		return false
	}
	return f.split(Run{r.First, mid}, lower) && f.split(Run{mid + 1, r.Last}, n-lower)
}

func (f *finder) add(r Run) bool {
	if f.open && f.run.Last+1 == r.First {
		f.run.Last = r.Last
		return true
	}
	if f.open && !f.yield(f.run, nil) {
		return false
	}
	f.run, f.open = r, true
	return true
}
