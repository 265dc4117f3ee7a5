package node

import (
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
)

// tabLocks lets lines be added to a tab by many at once, and closing, voiding, discounting and paying by one while
// nobody adds. Lines are locked by their own ID while they are added, in the order of IDs. It orders what happens on this till; what other tills do is ordered by nothing and merged.
type tabLocks struct {
	mu   sync.Mutex
	tabs map[crdt.ObjectID]*tabLock
}

type tabLock struct {
	sync.RWMutex
	users int
}

func (l *tabLocks) enter(id crdt.ObjectID) *tabLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tabs == nil {
		l.tabs = make(map[crdt.ObjectID]*tabLock)
	}
	t := l.tabs[id]
	if t == nil {
		t = new(tabLock)
		l.tabs[id] = t
	}
	t.users++
	return t
}

func (l *tabLocks) leave(id crdt.ObjectID, t *tabLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(l.tabs, id)
	}
}

// share takes the lock for adding and returns what releases it.
func (l *tabLocks) share(id crdt.ObjectID) (release func()) {
	t := l.enter(id)
	t.RLock()
	return func() { t.RUnlock(); l.leave(id, t) }
}

// own takes the lock for everything else and returns what releases it.
func (l *tabLocks) own(id crdt.ObjectID) (release func()) {
	t := l.enter(id)
	t.Lock()
	return func() { t.Unlock(); l.leave(id, t) }
}
