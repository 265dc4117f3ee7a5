package simulation

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// Ask asks a linked till. done is called with its answer, or with an error that wraps engine.ErrNotLinked, engine.ErrRefused
// or ErrNoAnswer (none within 5 s, or the link ended); not at all if the life ends before.
func (l *Life) Ask(till crdt.TillID, topic string, body []byte, done func(answer []byte, err error)) {
	for _, link := range l.core.Links() {
		if link.Till != till || !link.Ready || !l.up {
			continue
		}
		id, ok := l.core.Ask(link.ID, topic, body)
		if !ok {
			continue
		}
		key := askKey{link.ID, id}
		l.asks[key] = done
		l.After(askPatience, func() { l.answered(key, nil, fmt.Errorf("ask till %s: %w", till.Short(), ErrNoAnswer)) })
		l.poke()
		return
	}
	done(nil, fmt.Errorf("ask till %s: %w", till.Short(), engine.ErrNotLinked))
}

// ErrNoAnswer means that a till did not answer a question in time.
var ErrNoAnswer = errors.New("there was no answer")

func (l *Life) answered(key askKey, body []byte, err error) {
	if done := l.asks[key]; done != nil {
		delete(l.asks, key)
		done(body, err)
	}
}
