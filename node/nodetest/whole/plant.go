package whole

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Plant is a mistake put into the tills on purpose, to see that the checks notice it.
type Plant string

// The mistakes.
const (
	PlantNothing Plant = ""
	PlantLinks   Plant = "links" // tills go on with those that were revoked
	PlantKeys    Plant = "keys"  // a fresh key of the group reaches everybody
	PlantTaken   Plant = "taken" // the last change of a found till is said to be saved, and is not
)

// taken returns what is really taken of a found till's changes, as many as were given.
func (p Plant) taken(list []*crdt.Commit) []*crdt.Commit {
	if p != PlantTaken || len(list) < 2 {
		return list
	}
	list = slices.Clone(list)
	list[len(list)-1] = list[0] // the same again changes nothing
	return list
}

// mayLink returns with whom a till links.
func (p Plant) mayLink(allowed func(crdt.TillID) bool) func(crdt.TillID) bool {
	if p == PlantLinks {
		return func(crdt.TillID) bool { return true }
	}
	return allowed
}
