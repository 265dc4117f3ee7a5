// Package health is the network doctor: from what a till knows of itself, its network and the other tills, it names
// what is wrong, each cause in one sentence with what to do.
//
// The caller gathers [Facts]; a [Prober] adds what can only be found out by trying: addresses are dialled, and the other
// tills are asked to dial back ([Question], [Answer], through a third till if need be). [Diagnose] is a pure function over the
// facts. [History] remembers since when a finding holds, [WriteBundle] packs it all for support.
//
//	facts := gather()                              // the node's business
//	facts = prober.Check(ctx, facts)               // a few seconds, only when somebody asks
//	findings := history.Update(now, health.Diagnose(facts))
//	findings[0].Title(health.German)
//
// # Causes, not consequences
//
// Without a network no till is reachable, no multicast heard and no gossip alive; only the first is said. So the rules
// run from the ground up (own machine, own network, way to each till, multicast, gossip), each till gets one
// cause, tills with the same cause share one finding, and what a cause explains is not said again:
//
//	no address, no cable                      nothing about tills, multicast, gossip
//	no other till reachable                   one finding, not one for each till
//	a till switched off, isolated, behind a firewall   nothing about its multicast and gossip
//	another cause for missing gossip          no "port closed"
package health
