// Package disk watches the room on the disk of a till, so that a sale is refused before money is taken and not after.
//
// The store writes through memory: on a full disk it does not return an error, the process dies, and dies again when
// it is started. So the till stops on its own, in steps, before that:
//
//	Fine         everything
//	Low          everything, with a warning                                     below 2 GB
//	NoNewTabs    open tabs may be finished, other tills' commits for them taken  below 500 MB
//	Closed       the store is closed                                            below 200 MB
//	Full         as Closed: a write was refused for want of room (quota, inodes) though there seems to be some
//	ReadOnly     as Closed: the file system takes no writes
//	Failing      as Closed: the disk answers with errors or is gone
//
// A level gets worse at once. It gets better when there is a tenth more room than the limit asks for, and after a
// failed write when two test writes in a row went well.
//
// # Ballast
//
// A file of 64 MB lies beside the store and is worth nothing. It is removed when less than its size is free and the
// store has to be closed: closing writes. It is made again, a part at a look, when the level is Low or better. All
// limits are held against [Report.Room], what would be free if the ballast were there whole, so that removing and making
// it never changes the level: a till cannot mistake its own reserve for room.
//
// # Parts
//
// [Watch] is the state machine: it is given samples and the time, and says what may be done. [Directory] looks at a real
// file system. [Keeper] joins the two for a running till and is safe for concurrent use:
//
//	k, err := disk.NewKeeper(disk.Config{Disk: disk.Directory{Path: data}, Limits: limits})
//	go k.Run(ctx)                          // looks every few hundred milliseconds to 5 s
//	release, err := k.Reserve(size)        // before a payment is asked for; err says why not
//	defer release()                        // after its receipt is written
package disk
