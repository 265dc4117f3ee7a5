// Package election decides which till of a shop forwards to the cloud: the uplink. [Elect] is the rule, a pure function over what is
// known of the tills; [Election] keeps what is known, from links, membership and the claims that tills send each other.
//
// The rule only saves traffic. Two tills that forward at once, because the LAN is split or because one has just lost sight of the
// other, do no harm: the cloud takes what it lacks from whoever brings it, and its lease (package lease) lets only one of them
// say how far it is. So there is no quorum and no vote; every till decides for itself, and a till that is alone in its part of the LAN decides for
// itself, too.
//
//	till       Own (what it knows of its own way to the cloud)   Decide -> forward or not
//	  |  Claim  ^
//	  v         |  Heard
//	other tills                        link closed, dead, silent, says it cannot: Detector
//
// # How a lost uplink is noticed
//
// By the first of the detectors that says so; see [Detector]. A program that ended takes its links with it: LinkClosed, after one second of
// grace. One that was frozen keeps its links: Membership, if the gossip of the mesh calls it dead, else Silence, seven seconds
// after its last claim. One whose internet went says so itself: Unreachable or LeaseExpired.
//
// Nothing here is safe for concurrent use, asks for the time, or draws random numbers.
package election
