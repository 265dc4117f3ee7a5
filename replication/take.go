package replication

import "github.com/tillmesh/tillmesh/crdt"

// TakeOver queues commits that came here by no link, such as those of a till that was found again, in their order, with
// notes that are written in the same transaction as the last of them. They count as foreign: they are stored verbatim,
// told in a Have, and pulled by the others. It returns a ticket for each under which Done answers it. Like an own change
// they are refused while the till is in doubt; a pause does not concern them.
func (c *Core) TakeOver(list []*crdt.Commit, notes []Note) (tickets []uint64) {
	for i, commit := range list {
		c.ticket++
		tickets = append(tickets, c.ticket)
		r := request{op: Op{Commit: commit}, local: &Local{}, ticket: c.ticket, size: 2*len(commit.Bytes()) + 400}
		if i == len(list)-1 {
			r.op.Notes = notes
			for _, n := range notes {
				r.size += len(n.Value) + 64
			}
		}
		c.offer(r)
	}
	return tickets
}
