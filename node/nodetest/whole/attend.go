package whole

import (
	"context"
	"time"
)

// housekeep does what a machine does every few seconds.
func (t *Till) housekeep(l *life) {
	l.sim.After(housekeeping, func() {
		t.shop.start(l, func(ctx context.Context) {
			l.node.Housekeep(ctx)
			l.node.ShareKeys(ctx, true)
			l.node.UpdateCopies(ctx)
			l.node.TellPresence(ctx)
		}, func() { t.housekeep(l) })
	})
}

// resume does what a machine does about a closing that was begun before it died.
func (t *Till) resume(l *life) {
	t.shop.start(l, func(ctx context.Context) {
		_ = l.node.ResumeClosing(ctx) // if it fails Housekeep tries again
	}, func() {})
}

const housekeeping = 10 * time.Second

// handOver ends a life that sells nothing as soon as the others hold what it had.
func (t *Till) handOver(l *life) {
	if t.handing == "" {
		return
	}
	var done bool
	var err error
	l.sim.After(time.Second, func() {
		t.shop.start(l, func(ctx context.Context) { done, err = l.node.HandedOver(ctx) }, func() {
			switch {
			case l.over:
			case done:
				l.sim.End(l.node.Yielded())
			default:
				t.shop.W.Trace("%s has not handed over everything: %v", t.Name, err)
				t.handOver(l)
			}
		})
	})
}
