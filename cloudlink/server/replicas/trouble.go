package replicas

import (
	"errors"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/replication"
)

// troublePause is how long tills are refused after something could not be stored; then one may try again.
const troublePause = 3 * time.Second

// trouble is why nothing can be stored now.
type trouble struct {
	sync.Mutex
	code  greeting.Code // empty: nothing is wrong
	since time.Time
	until time.Time // tills are refused
}

// stored notes what became of a batch. When it could not be stored because the database has no room or takes nothing, the sessions end: the tills
// would send it again and again, and nobody would tell them why nothing arrives. When they call again they hear it.
func (p *Replica) stored(err error) {
	p.trouble.Lock()
	defer p.trouble.Unlock()
	if one := (*replication.Refused)(nil); err == nil || errors.As(err, &one) { // one change that may not be
		p.trouble.code = ""
		return
	}
	code := greeting.Maintenance
	if r := greeting.RefusalOf(refused(err)); r != nil {
		code = r.Code
	}
	now := p.of.cfg.Now()
	if p.trouble.code == "" {
		p.trouble.since = now
	}
	p.trouble.code, p.trouble.until = code, now.Add(troublePause)
	p.cutAll()
}

// troubled returns why no till may come in now, or nil.
func (p *Replica) troubled() error {
	p.trouble.Lock()
	defer p.trouble.Unlock()
	now := p.of.cfg.Now()
	if p.trouble.code == "" || !now.Before(p.trouble.until) {
		return nil
	}
	r := greeting.Refuse(p.trouble.code)
	r.SinceMS, r.Retry = p.trouble.since.UnixMilli(), p.trouble.until.Sub(now).Round(time.Millisecond)
	return r
}
