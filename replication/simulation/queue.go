package simulation

import "time"

type event struct {
	at time.Time
	id uint64
	do func()
}

// queue orders events by time, and those of one time by when they were planned.
type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].id < q[j].id
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is a method of heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(event)) }

// Pop is a method of heap.Interface.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}
