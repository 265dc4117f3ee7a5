package disk

import "time"

// Look is one look of Run.
func (k *Keeper) Look(probe bool) { k.look(probe) }

// Next is what Run waits for.
func (k *Keeper) Next() (time.Duration, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.Next()
}
