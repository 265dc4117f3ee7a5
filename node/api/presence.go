package api

import (
	"context"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

// present is somebody who works on a tab.
type present struct {
	Till      string `json:"till"`
	TillName  string `json:"till_name" example:"Kasse 1"`
	User      string `json:"user" doc:"Empty if nobody said" example:"Anna"`
	Since     string `json:"since" doc:"RFC 3339"`
	AgeMS     int64  `json:"age_ms" doc:"How old what is known of it is; 0 at the own till. After 30 seconds of silence it is forgotten"`
	Reachable bool   `json:"reachable" doc:"There is a link to that till; if not, what is known of it is as old as age_ms"`
}

// presence says who looks at a tab.
type presence struct {
	User string `json:"user,omitempty" maxLength:"200" doc:"Who it is" example:"Anna"`
	Left bool   `json:"left,omitempty" doc:"Not any more; without a user: nobody does"`
}

func (s *server) setPresence(ctx context.Context, in *withID[*presence]) error {
	id, err := in.object()
	if err != nil {
		return err
	}
	b := had(in.Body, presence{})
	if b.Left {
		s.till.LeaveTab(id, b.User)
		return nil
	}
	return s.till.EnterTab(ctx, id, b.User)
}

// around is who works where and which tills are reached, as of a moment ago: a list of tabs asks once.
type around struct {
	till *node.Till

	mu      sync.Mutex
	at      time.Time
	present map[crdt.ObjectID][]node.Present
	linked  map[crdt.TillID]bool
	last    uint64 // event
}

// aroundAge is how old that may be.
const aroundAge = 250 * time.Millisecond

func (a *around) look() (map[crdt.ObjectID][]node.Present, map[crdt.TillID]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, last := time.Now(), a.till.Events().Last()
	if a.present == nil || last != a.last || now.Sub(a.at) > aroundAge {
		a.present, a.linked, a.at, a.last = a.till.Presence(), a.till.Linked(), now, last
	}
	return a.present, a.linked
}

// addPresent adds to a tab who works on it and whether its holder can be reached.
func (s *server) addPresent(out *tab, v *node.TabView) {
	working, linked := s.around.look()
	_, self, _ := s.till.Self()
	out.HolderReachable = v.Holder.Till == self || linked[v.Holder.Till]
	out.Present = []present{}
	for _, p := range working[v.ID] {
		out.Present = append(out.Present, present{tillText(p.Till), s.names.name(p.Till), p.User, instant(p.Since), p.Age.Milliseconds(), p.Linked})
	}
}
