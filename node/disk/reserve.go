package disk

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoRoom is wrapped by every refusal for want of room or of a disk that can be written.
var ErrNoRoom = errors.New("the disk of this till has no room")

// Refusal says why something may not begin. It wraps [ErrNoRoom].
type Refusal struct {
	Report Report
	Need   uint64 // bytes asked for; 0: none in particular
}

// Error says what happened; [Refusal.Hint] says what to do next.
func (r *Refusal) Error() string {
	if r.Need > 0 && r.Report.Level.open() {
		return fmt.Sprintf("%s: the receipt could not be saved for sure; nothing was booked", r.Report.Sentence())
	}
	return r.Report.Sentence() + "; nothing was booked"
}

// Hint says what to do next.
func (r *Refusal) Hint() string { return r.Report.Next() }

// Unwrap returns ErrNoRoom.
func (r *Refusal) Unwrap() error { return ErrNoRoom }

// Reserve keeps bytes for one sale, from before money is asked for until its receipt is written; give them back with
// Release. It is granted if the limit at which the store is closed is not reached even when all that is reserved is
// written, so a disk that nobody else fills does not reach it by sales that were begun. If somebody else does, what is
// below the limit, patience (see [Watch.MustClose]) and the ballast are there for those who hold a reservation. Take a
// fresh sample first. The error is a *[Refusal].
func (w *Watch) Reserve(now time.Time, bytes uint64) error {
	room := w.room()
	free := room - min(room, w.limits.Close)
	if w.level.MayFinish() && bytes <= free && w.reserved <= free-bytes {
		w.reserved += bytes
		w.holders++
		return nil
	}
	return &Refusal{Report: w.Report(now), Need: bytes}
}

// Release gives back what Reserve kept.
func (w *Watch) Release(bytes uint64) {
	if w.holders == 0 || w.reserved < bytes {
		panic("disk: released more than was reserved")
	}
	w.reserved -= bytes
	w.holders--
}
