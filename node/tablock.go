package node

import (
	"slices"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
)

// tabLocks lets lines be added to a tab by many at once, and closing, voiding, discounting and paying by one while
// nobody adds. Lines are locked by their own ID while they are added, in the order of IDs. It orders what happens on this till; what other tills do is ordered by nothing and merged.
//
// Whoever asks for a tab that was merged into another one gets the lock of that one.
type tabLocks struct {
	end func(crdt.ObjectID) crdt.ObjectID // the tab that a tab is shown as; nil: itself

	mu   sync.Mutex
	tabs map[crdt.ObjectID]*tabLock
}

// tabLock is who has one tab, and who waits for it. Its fields are guarded by the mutex of tabLocks, which nobody holds for long:
// who waits does it at a condition, also while somebody who has the tab waits for the disk, so that the simulator sees it.
type tabLock struct {
	users   int // who has it or waits for it
	shared  int // who has it for adding
	alone   bool
	waiting int // who wants it alone; they go before those who add
	free    *sync.Cond
}

// take waits for a tab, alone or with others who add.
func (l *tabLocks) take(id crdt.ObjectID, alone bool) *tabLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tabs == nil {
		l.tabs = make(map[crdt.ObjectID]*tabLock)
	}
	t := l.tabs[id]
	if t == nil {
		t = &tabLock{free: sync.NewCond(&l.mu)}
		l.tabs[id] = t
	}
	t.users++
	if !alone {
		for t.alone || t.waiting > 0 {
			t.free.Wait()
		}
		t.shared++
		return t
	}
	t.waiting++
	for t.alone || t.shared > 0 {
		t.free.Wait()
	}
	t.waiting--
	t.alone = true
	return t
}

// leave releases what take took.
func (l *tabLocks) leave(id crdt.ObjectID, t *tabLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.alone {
		t.alone = false
	} else {
		t.shared--
	}
	if t.users--; t.users == 0 {
		delete(l.tabs, id)
		return
	}
	t.free.Broadcast()
}

func (l *tabLocks) shown(id crdt.ObjectID) crdt.ObjectID {
	if l.end == nil {
		return id
	}
	return l.end(id)
}

// share takes the lock for adding and returns what releases it.
func (l *tabLocks) share(id crdt.ObjectID) (release func()) {
	for {
		end := l.shown(id)
		t := l.take(end, false)
		if l.shown(id) == end {
			return func() { l.leave(end, t) }
		}
		l.leave(end, t) // it was merged while this one waited
	}
}

// own takes the lock for everything else and returns what releases it. Of several tabs the locks are taken in the order of
// IDs, so that nobody waits for somebody who waits for them.
func (l *tabLocks) own(ids ...crdt.ObjectID) (release func()) {
	for {
		ends := l.ends(ids)
		locks := make([]*tabLock, len(ends))
		for i, id := range ends {
			locks[i] = l.take(id, true)
		}
		release = func() {
			for i, id := range ends {
				l.leave(id, locks[i])
			}
		}
		if slices.Equal(ends, l.ends(ids)) {
			return release
		}
		release()
	}
}

func (l *tabLocks) ends(ids []crdt.ObjectID) []crdt.ObjectID {
	ends := make([]crdt.ObjectID, len(ids))
	for i, id := range ids {
		ends[i] = l.shown(id)
	}
	slices.SortFunc(ends, crdt.ObjectID.Compare)
	return slices.Compact(ends)
}
