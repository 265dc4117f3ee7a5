package api

import "github.com/tillmesh/tillmesh/node"

// meshCounters are the counters of links, discovery and replication, for GET mesh under these names and for /metrics with
// till_ before and _total behind them.
var meshCounters = []struct {
	name, help string
	value      func(*node.MeshView) uint64
}{
	{"links_accepted", "Links that the other till dialled.", func(v *node.MeshView) uint64 { return v.Links.Accepted }},
	{"links_dialled", "Links that this till dialled.", func(v *node.MeshView) uint64 { return v.Links.Dialled }},
	{"links_replaced", "Links closed because a newer one to the same till took over.", func(v *node.MeshView) uint64 { return v.Links.Replaced }},
	{"links_not_chosen", "Connections closed because their till had a link already.", func(v *node.MeshView) uint64 { return v.Links.NotChosen }},
	{"dials_failed", "Attempts to reach a till that gave no link.", func(v *node.MeshView) uint64 { return v.Links.DialsFailed }},
	{"refused_unknown_key", "Connections refused: the key is not in the roster.", func(v *node.MeshView) uint64 { return v.Links.UnknownKey }},
	{"refused_removed", "Connections refused: the till was retired or revoked.", func(v *node.MeshView) uint64 { return v.Links.Removed }},
	{"refused_too_slow", "Connections refused: the caller did not say who it is in time.", func(v *node.MeshView) uint64 { return v.Links.TooSlow }},
	{"refused_too_fast", "Connections refused: the address came too often.", func(v *node.MeshView) uint64 { return v.Links.TooFast }},
	{"refused_other_shop", "Connections refused: the caller meant another shop.", func(v *node.MeshView) uint64 { return v.Links.OtherShop }},
	{"refused_wrong_protocol", "Connections refused: none of our protocols.", func(v *node.MeshView) uint64 { return v.Links.WrongProtocol }},
	{"refused_handshake", "Connections refused: the TLS handshake broke off.", func(v *node.MeshView) uint64 { return v.Links.HandshakeFailed }},
	{"refused_noise", "Connections refused: not TLS at all.", func(v *node.MeshView) uint64 { return v.Links.Noise }},
	{"refused_busy", "Connections refused: too many handshakes under way.", func(v *node.MeshView) uint64 { return v.Links.Busy }},
	{"pairings", "Pairing connections taken.", func(v *node.MeshView) uint64 { return v.Links.Paired }},
	{"refused_pairings", "Pairing connections refused.", func(v *node.MeshView) uint64 { return v.Links.PairRefused }},
	{"commits_own", "Changes written here.", func(v *node.MeshView) uint64 { return v.Replication.CommitsOwn }},
	{"commits_foreign", "Changes taken from other tills.", func(v *node.MeshView) uint64 { return v.Replication.CommitsForeign }},
	{"commits_known", "Changes received that were here already.", func(v *node.MeshView) uint64 { return v.Replication.CommitsKnown }},
	{"pushes_refused", "Changes pushed by a till they do not belong to.", func(v *node.MeshView) uint64 { return v.Replication.PushesRefused }},
	{"pushes_dropped", "Queues of changes that overflowed; what was dropped is pulled later.", func(v *node.MeshView) uint64 { return v.Replication.PushesDropped }},
	{"pulls_timed_out", "Pulls that were not answered in time.", func(v *node.MeshView) uint64 { return v.Replication.PullsTimedOut }},
	{"digests_differ", "Comparisons in which the same changes gave different contents.", func(v *node.MeshView) uint64 { return v.Replication.DigestsDiffer }},
	{"forks", "Numbers of changes that were used twice.", func(v *node.MeshView) uint64 { return v.Replication.Forks }},
	{"gossip_joins", "Addresses joined by gossip.", func(v *node.MeshView) uint64 { return v.Gossip.Joins }},
	{"gossip_joins_failed", "Addresses that gossip could not join.", func(v *node.MeshView) uint64 { return v.Gossip.JoinsFailed }},
	{"gossip_conflicts", "Claims of two addresses to one till.", func(v *node.MeshView) uint64 { return v.Gossip.Conflicts }},
	{"gossip_refused_foreign", "Gossip refused: of another shop, or no gossip at all.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.Foreign }},
	{"gossip_refused_too_large", "Gossip refused: larger than any till's.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.TooLarge }},
	{"gossip_refused_wrong_key", "Gossip refused: for this shop, with a key it does not use.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.WrongKey }},
	{"gossip_refused_replayed", "Gossip refused: said before.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.Replayed }},
	{"gossip_refused_broken", "Gossip connections that broke off or were too slow.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.Broken }},
	{"gossip_refused_busy", "Gossip connections refused: too many were open.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.Busy }},
	{"gossip_overrun", "Proper gossip dropped because too much came at once.", func(v *node.MeshView) uint64 { return v.Gossip.Refused.Overrun }},
	{"mdns_candidates", "Addresses found by multicast.", func(v *node.MeshView) uint64 {
		if v.MDNS == nil {
			return 0
		}
		return v.MDNS.Candidates
	}},
	{"mdns_dropped", "Multicast answers that were not used.", func(v *node.MeshView) uint64 {
		if v.MDNS == nil {
			return 0
		}
		return v.MDNS.Dropped
	}},
	{"mdns_errors", "Attempts of multicast that failed.", func(v *node.MeshView) uint64 {
		if v.MDNS == nil {
			return 0
		}
		return v.MDNS.Errors
	}},
}
