package whole

import (
	"context"
	"crypto/ecdsa"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/rksv/rksvtest"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

// signer is the signing device beside a till. It outlives all the till's lives.
type signer struct {
	tse  *tsetest.Device
	unit *rksvtest.Unit
	aes  rksv.AESKey
	keys map[string]*ecdsa.PublicKey // of the unit, by certificate
}

// newSigner puts a signing device beside a till.
func (t *Till) newSigner() {
	if t.shop.country == "" {
		return
	}
	random := reader{t.random(-1)}
	key, err := es256.NewKey(random)
	if err != nil {
		t.shop.W.Fail("%s: %v", t.Name, err)
		return
	}
	device, err := tse.NewSoftware(tse.Config{Key: key, Now: t.wall, File: new(tsetest.File)})
	if err != nil {
		t.shop.W.Fail("%s: %v", t.Name, err)
		return
	}
	unit, err := rksv.NewSoftwareUnit(key, "U:ATU12345678-"+t.Name)
	if err != nil {
		t.shop.W.Fail("%s: %v", t.Name, err)
		return
	}
	t.signer = &signer{tse: tsetest.Wrap(device), unit: rksvtest.Wrap(unit), keys: map[string]*ecdsa.PublicKey{unit.Certificate(): unit.Public()}}
	fill(t.random(-2), t.signer.aes[:])
}

// signers makes the device as the till asks for it.
func (t *Till) signers() node.Signers {
	if t.signer == nil {
		return nil
	}
	return func(f node.SignerFor) (journal.Device, error) {
		if f.Country == "AT" {
			return journal.NewRKSV(rksv.Config{CashBox: f.Series, Suite: rksv.SuiteClosed, Key: t.signer.aes, Unit: t.signer.unit}, "")
		}
		return journal.NewTSE(t.signer.tse, f.Serial), nil
	}
}

// signOrders runs what has orders signed. Time goes on for it only in turns, so one is taken now and then.
func (t *Till) signOrders(l *life) {
	if t.signer == nil {
		return
	}
	t.shop.always(l, l.node.SignOrders)
	t.lookAtOrders(l)
}

func (t *Till) lookAtOrders(l *life) {
	l.sim.After(500*time.Millisecond, func() {
		t.shop.soon()
		t.lookAtOrders(l)
	})
}

// troubleSigners lets signing devices be slow, fail and lose answers for a while.
func (s *Shop) troubleSigners(length time.Duration) {
	for _, t := range s.Tills {
		if t.signer == nil {
			continue
		}
		for range 1 + s.rand.IntN(3) {
			t.signer.trouble(s, s.rand.IntN(4), s.under(length), s.under(length/2), 50*time.Millisecond+s.under(6*time.Second))
		}
	}
}

// trouble begins at a time and is over after another one.
func (g *signer) trouble(s *Shop, what int, in, lasts, pause time.Duration) {
	wait := func(ctx context.Context) error {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.W.At(in, func() {
		s.see()
		switch what {
		case 0:
			g.tse.Fail(tsetest.All, nil)
			g.unit.Fail(nil)
		case 1:
			g.tse.Fail(tsetest.Finish, nil)
			g.unit.Lose(3)
		case 2:
			g.tse.Lose(tsetest.Start|tsetest.Finish, 2)
			g.unit.Lose(1)
		default:
			g.tse.Slow(func(ctx context.Context, _ tsetest.Call) error { return wait(ctx) })
			g.unit.Slow(wait)
		}
	})
	s.W.At(in+lasts, g.works)
}

func (g *signer) works() {
	g.tse.Return()
	g.unit.Return()
}

// mendSigners lets all signing devices work.
func (s *Shop) mendSigners() {
	for _, t := range s.Tills {
		if t.signer != nil {
			t.signer.works()
		}
	}
}

// signatures checks that every receipt is signed, or says that its device did not work, that chains hold, and that the logs of
// outages count what is not signed.
func (s *Shop) signatures(v view, tills []*Till) {
	if s.country == "" {
		return
	}
	series := make(map[string][]node.Receipt)
	for _, r := range v.receipts {
		series[r.Parsed.Series] = append(series[r.Parsed.Series], r)
	}
	unsigned := make(map[string]int64)
	for _, name := range slices.Sorted(maps.Keys(series)) {
		list := series[name]
		if s.country == "AT" {
			unsigned[name] = s.austrianSeries(name, list)
		} else {
			unsigned[name] = s.germanSeries(name, list)
		}
		s.told.answers["unsigned receipts"] += int(unsigned[name])
		s.told.answers["signed receipts"] += len(list) - int(unsigned[name])
	}
	for _, t := range tills {
		report, err := t.Node().SigningReport(context.Background(), 1<<20)
		if err != nil || report == nil {
			s.W.Fail("%s has no signing device: %v", t.Name, err)
			return
		}
		status, err := t.Node().Status(context.Background())
		if err != nil {
			s.W.Fail("%s: %v", t.Name, err)
			return
		}
		name := seriesOf(status.NextNumber)
		var logged int64
		for _, o := range report.Outages {
			if o.Series == name {
				logged += o.Count
			}
		}
		if logged != unsigned[name] {
			s.W.Fail("%d receipts of %s are not signed, the log of %s has %d: %+v", unsigned[name], name, t.Name, logged, report.Outages)
		}
	}
}

// seriesOf returns the prefix of a number.
func seriesOf(number string) string { return number[:len(number)-len("-000001")] }

// germanSeries checks the receipts of a German till, and counts those that are not signed.
func (s *Shop) germanSeries(name string, list []node.Receipt) (unsigned int64) {
	transactions := make(map[string]string)
	for _, r := range list {
		said, err := tse.ParseRecord(r.Parsed.Security)
		switch {
		case err != nil:
			s.W.Fail("receipt %s: %v", r.Number, err)
		case journal.Unsigned(r.Parsed.Security):
			unsigned++
			if r.Parsed.Security.Get(receipt.SecurityError) != receipt.String(tse.Outage) || said.Signature != "" {
				s.W.Fail("receipt %s says neither that it is signed nor that it is not", r.Number)
			}
		default:
			key := said.Serial + " " + said.Start + " " + string(rune(said.Transaction))
			if other, twice := transactions[key]; twice {
				s.W.Fail("receipts %s and %s have one transaction", r.Number, other)
			}
			transactions[key] = r.Number
			s.germanReceipt(r, said)
		}
		for _, o := range r.Parsed.Orders {
			if said, err := tse.ParseRecord(o.Security); err != nil || !journal.Unsigned(o.Security) && tse.Verify(said) != nil {
				s.W.Fail("an order on receipt %s of %s does not verify: %v", r.Number, name, err)
			}
			s.told.answers["signed orders"]++
		}
	}
	return unsigned
}

func (s *Shop) germanReceipt(r node.Receipt, said tse.Record) {
	if err := tse.Verify(said); err != nil {
		s.W.Fail("receipt %s: %v", r.Number, err)
	}
	switch r.Parsed.Kind {
	case receipt.KindReceipt, receipt.KindAborted:
		if p, err := tse.Kassenbeleg(&r.Parsed); err != nil || p != said.Process {
			s.W.Fail("receipt %s was signed as %q and is %q (%v)", r.Number, said.Process.Data, p.Data, err)
		}
	}
}

// austrianSeries checks the chain of an Austrian series, and counts the receipts that are not signed.
func (s *Shop) austrianSeries(name string, list []node.Receipt) (unsigned int64) {
	var verifier *rksv.Verifier
	for _, r := range list {
		if journal.Unsigned(r.Parsed.Security) {
			unsigned++
			if r.Parsed.Security.Get(receipt.SecurityError) != receipt.String(rksv.OutageText) {
				s.W.Fail("receipt %s does not say that it is not signed", r.Number)
			}
		}
		said, err := rksv.ParseRecord(r.Parsed.Security)
		switch {
		case err != nil && !journal.Unsigned(r.Parsed.Security):
			s.W.Fail("receipt %s of %s: %v", r.Number, name, err)
			return unsigned
		case err != nil && verifier != nil:
			s.W.Fail("receipt %s is missing in the chain of %s", r.Number, name)
			return unsigned
		case err != nil:
			continue // before the chain could begin
		}
		if verifier == nil {
			verifier = rksv.NewVerifier(s.unitKeys(said.JWS.Payload.Certificate))
		}
		for _, p := range verifier.Add(rksv.Entry{JWS: said.JWS.Text}) {
			s.W.Fail("the chain of %s: %v", name, p)
		}
		if r.Parsed.Control != nil {
			s.told.answers["control "+r.Parsed.Control.What]++
		}
	}
	return unsigned
}

// unitKeys returns what verifies the chains of the till with a certificate.
func (s *Shop) unitKeys(certificate string) rksv.Keys {
	for _, t := range s.Tills {
		if t.signer != nil && t.signer.keys[certificate] != nil {
			return rksv.Keys{AES: t.signer.aes, Units: t.signer.keys}
		}
	}
	return rksv.Keys{}
}
