// Package clock knows how wrong the wall clock of a till is.
//
// A wrong clock loses nothing: cause is carried by the clocks of registers. It would put wrong times on receipts and let
// the wrong one of two concurrent edits be shown first. So a till compares its clock with the others, corrects what it
// writes by the offset it finds, and says on the screen by how much the clock is wrong.
//
//	business time = own wall clock + offset       all times in Unix milliseconds, all offsets in milliseconds
//
// # Probes
//
// A till asks another one for its wall clock. If the question left at s and the answer came at r (by its own clock),
// the other clock said p somewhere between, so it is ahead by p - (s+r)/2, give or take (r-s)/2. Of the last eight
// answers the one with the smallest bound counts; the bound grows by 200 ppm with age. Answers are kept against the
// monotonic clock, so a wall clock that drifts or is slewed is followed without asking again.
//
// # Whose clock is right
//
//  1. The cloud's, if it was asked within the last 10 minutes.
//  2. Else the median of the own clock (which says 0) and those of all reachable tills. With an odd number it is the
//     middle one.
//  3. With an even number there are two in the middle. If they are less than 10 minutes apart, the value between them that
//     is nearest to the own clock counts. Not their mean: a till that is right would be made wrong by half of the other's
//     error, and its time would jump whenever the other is switched on or off. Two tills that differ by 5 minutes each
//     keep their own time, are trusted, and both screens name the difference.
//  4. If they are 10 minutes or more apart nobody knows who is right, above all with two tills; guessing would make
//     a right till wrong half of the time. Nothing is decided: the last offset that was decided stays, both tills are
//     named, and the stamps are not trusted, unless those who contradict this till agreed with it before in this run, or
//     the cloud did, and its clock has not jumped since: then it is the others that changed.
//  5. A clock that agreed with the others in this run, then jumped by 10 minutes or more, and now differs from all that are
//     left, is the one that is wrong: it has no vote until it agrees again. (A machine that slept agrees.)
//
// Clocks that show a time before 2020, or before [Config.NotBefore], certainly are wrong (an empty battery): they have no vote as
// long as any other has one.
//
// # Trust
//
// A stamp is trusted if the last offset decided was below 10 minutes, or if nobody ever contradicted this till, that is,
// no clock 10 minutes or more away was ever seen. Not trusted are stamps while rule 4 leaves it open, while the own clock
// shows a time that cannot be, and after a jump of 10 minutes or more until the next comparison, if there was anybody to
// compare with. A till alone is never distrusted for a jump: it may have slept, or been set right by its system.
//
// # Jumps
//
// The wall clock is held against the monotonic one. After a jump what was measured is forgotten, [Clock.Wanted] asks
// for new probes, and the till follows its wall clock, except where the jump leads towards the offset: then somebody
// set the clock right, and the offset shrinks by the jump.
//
// # Restart
//
// [State] is what is kept: the offset, and the business time when it was saved. It applies after a restart, unless it
// would lead to before that time: then the clock was set right meanwhile. A till whose clock shows an impossible time
// goes on from the last business time it knows.
//
// [Clock] does no I/O, starts no goroutine, reads no clock and is not safe for concurrent use.
package clock
