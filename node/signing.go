package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/health"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// Signers makes the signing device of a till for the country of its shop; nil if that wants none. It is called again after the
// country was changed, and now and then if it failed. [SoftwareSigners] makes some.
type Signers func(f SignerFor) (journal.Device, error)

// SignerFor says what a signing device is for.
type SignerFor struct {
	Country  string // ISO 3166
	Series   string // of the numbers: the Kassen-ID in Austria
	Serial   string // of the till
	Business shop.Business
	New      bool // nothing was signed in this series yet
}

// AlarmSigning is the kind of alarm about a signing device that does not work.
const AlarmSigning = "signing"

// Codes of refusals about signing. They are part of the API: append, never change.
const (
	CodeNoSigner   = "no-signing-device"
	CodeMustBeSign = "signing-device-fails" // what was asked for is only made when it works
)

// signing is the signing device of a till.
type signing struct {
	make Signers // nil: the till has none

	mu     sync.Mutex
	seen   shop.Business // for which it was made
	made   bool
	of     *journal.Signing // nil: none is wanted
	broken error            // why it could not be made

	orders orders
}

// signer returns the signing device, nil if there is none.
func (t *Till) signer(ctx context.Context) (*journal.Signing, error) {
	if t.signing.make == nil {
		return nil, nil
	}
	s, err := t.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return t.signerFor(ctx, s.Business, false)
}

// signerFor returns the device that a shop in a country wants. One that could not be made is only tried again if asked to.
func (t *Till) signerFor(ctx context.Context, b shop.Business, again bool) (*journal.Signing, error) {
	g := &t.signing
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.made && g.seen.Country == b.Country && (g.broken == nil || !again) {
		return g.of, nil
	}
	g.of, g.broken = nil, nil
	c, err := journal.ReadChain(ctx, t.store, t.series.Prefix())
	if err != nil {
		return nil, err
	}
	device, err := g.make(SignerFor{Country: b.Country, Series: t.series.Prefix(), Serial: t.id.Till.String(), Business: b, New: c.Last == ""})
	if err != nil {
		t.log.Error("the signing device cannot be used", "error", err)
		g.broken, device = err, journal.Broken(kindFor(b.Country), t.id.Till.String(), err)
	}
	if device != nil {
		g.of, err = journal.NewSigning(ctx, journal.SigningConfig{Device: device, Series: t.series.Prefix(), Notes: t.store, Now: t.clock.Now})
		if err != nil {
			return nil, err
		}
	}
	g.seen, g.made = b, true
	return g.of, nil
}

func kindFor(country string) string {
	if country == "AT" {
		return journal.KindRKSV
	}
	return journal.KindTSE
}

var errDrafted = errors.New("the document is drafted")

// prepare has a document confirmed before it has a number; nil if the device needs that, or there is none.
func (t *Till) prepare(ctx context.Context, sign *journal.Signing, head receipt.Closing, build builder) (receipt.Object, error) {
	if sign == nil || sign.Info().Chained {
		return nil, nil
	}
	var drafted receipt.Document
	head.Number = int64(t.series.Head().Number) + 1 // some usable one
	head.Secure = func(d *receipt.Document) (receipt.Object, error) {
		drafted = *d
		return nil, errDrafted
	}
	if _, _, err := build(head); !errors.Is(err, errDrafted) {
		if err == nil {
			err = errors.New("a document was issued without asking the signing device")
		}
		return nil, err
	}
	return sign.Prepare(ctx, &drafted)
}

// sealed is what a signing device said of a number.
type sealed struct {
	sign  *journal.Signing // nil: there is none
	asked bool
	notes []replication.Note
}

// secure returns what [receipt.Closing.Secure] wants.
func (s *sealed) secure(ctx context.Context) func(*receipt.Document) (receipt.Object, error) {
	if s.sign == nil {
		return nil
	}
	return func(d *receipt.Document) (receipt.Object, error) {
		o, notes, err := s.sign.Seal(ctx, d)
		if err != nil {
			return nil, err
		}
		s.asked, s.notes = s.sign.Info().Chained, notes
		return o, nil
	}
}

// void makes the document of a number whose device was asked, and whose document cannot be finished.
func void(head receipt.Closing, why error) (receipt.Closed, error) {
	head.Reason, head.References, head.Training = "", nil, false
	d := head.Header(receipt.KindVoid)
	d.Failure = &receipt.DocFailure{Reason: clipped(why.Error())}
	return head.Issue(d, receipt.Supersedes{})
}

// special issues the special receipts that have to be made before anything else: the first of a series, the end of a month or a
// year, and that the device works again. If one is not possible now the till sells on, and Housekeep tries again. patient says
// that nobody waits.
func (t *Till) special(ctx context.Context, sign *journal.Signing, patient bool) {
	if sign == nil || !sign.Info().Chained || !t.wants(ctx, sign, patient) {
		return
	}
	err := t.series.Alone(ctx, func(ctx context.Context) error {
		ctx = context.WithValue(ctx, requestKey{}, nil) // it is not what the request asked for
		for range 3 {
			what, period := t.wanted(ctx, sign, patient)
			if what == "" {
				return nil
			}
			if _, err := t.control(ctx, what, period, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.log.Warn("a special receipt was not made", "error", err)
	}
}

func (t *Till) wants(ctx context.Context, sign *journal.Signing, patient bool) bool {
	what, _ := t.wanted(ctx, sign, patient)
	return what != ""
}

// wanted says which special receipt is wanted now.
func (t *Till) wanted(ctx context.Context, sign *journal.Signing, patient bool) (what, period string) {
	if sign.Collective() {
		return receipt.ControlCollective, ""
	}
	now, trusted := t.clock.Read()
	s, err := t.Settings(ctx)
	if err != nil {
		return "", ""
	}
	local, err := t.local(s, now)
	if err != nil {
		return "", ""
	}
	what, period = sign.Due(local.Format("2006-01"), patient)
	if !trusted && what != receipt.ControlStart {
		return "", "" // nobody knows which month it is
	}
	return what, period
}

// control issues a document about the till itself.
func (t *Till) control(ctx context.Context, what, period, user string) (Receipt, error) {
	head, err := t.head(ctx, user, "")
	if err != nil {
		return Receipt{}, err
	}
	release, err := t.room.sale()
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	return t.numbered(ctx, head, func(c receipt.Closing) (receipt.Closed, []crdt.Piece, error) {
		d := c.Header(receipt.KindControl)
		d.Control = &receipt.DocControl{What: what, Period: period}
		closed, err := c.Issue(d, receipt.Supersedes{})
		return closed, nil, err
	})
}

// CheckSigning has the signing device confirm a receipt that comes to nothing, to see whether it works.
func (t *Till) CheckSigning(ctx context.Context, user string) (Receipt, error) {
	if id, done, err := t.acted(ctx); err != nil {
		return Receipt{}, err
	} else if done {
		return t.receipt(ctx, id)
	}
	sign, err := t.signer(ctx)
	if err != nil {
		return Receipt{}, err
	}
	if sign == nil {
		return Receipt{}, errNoSigner()
	}
	sign.Probe(ctx)
	t.special(ctx, sign, true)
	r, err := t.control(ctx, receipt.ControlCheck, "", user)
	t.keepSigning(ctx, sign)
	return r, err
}

func errNoSigner() error {
	return refuse(CodeNoSigner, `run it with --signer auto; shops in Germany and Austria have one`, "this till has no signing device")
}

// finish issues the last receipt of the series, if its device wants one.
func (t *Till) finish(ctx context.Context, user string) error {
	sign, err := t.signer(ctx)
	if err != nil || sign == nil || !sign.Info().Chained {
		return err
	}
	if c := sign.State().Chain; c.Last == "" || c.Final {
		return nil
	}
	_, err = t.control(context.WithValue(ctx, requestKey{}, nil), receipt.ControlFinal, "", user)
	return err
}

// attendSigning does now and then what a signing device needs: ask one that failed whether it works again, make special
// receipts, and keep the log.
func (t *Till) attendSigning(ctx context.Context) {
	if t.signing.make == nil {
		return
	}
	if t.mayWrite() != nil {
		t.endSeries(ctx)
		return
	}
	s, err := t.Settings(ctx)
	if err != nil {
		return
	}
	sign, err := t.signerFor(ctx, s.Business, true)
	if err != nil || sign == nil {
		if err != nil && ctx.Err() == nil {
			t.log.Warn("the signing device is not known", "error", err)
		}
		return
	}
	sign.Identify(ctx)
	sign.Probe(ctx)
	t.special(ctx, sign, true)
	t.keepSigning(ctx, sign)
}

// keepSigning saves what changed in the log of outages, and tells it.
func (t *Till) keepSigning(ctx context.Context, sign *journal.Signing) {
	if sign == nil {
		return
	}
	notes, changed := sign.Unsaved()
	if len(notes) > 0 {
		if err := t.keepNotes(context.WithoutCancel(ctx), notes...); err != nil { // also of a till that may write nothing else any more
			sign.Keep(notes)
			t.log.Warn("the log of the signing device was not saved", "error", err)
		}
	}
	if !changed {
		return
	}
	t.events.post(Event{What: "signing"})
	if state := sign.State(); !state.Works {
		t.raise(ctx, AlarmSigning, fmt.Sprintf("The signing device does not work. Receipts say %q, and selling goes on.", sign.Info().Outage),
			"have the device checked; the till tries it every 10 seconds and goes on signing by itself", state.Reason)
	}
}

// SigningReport is how the signing device of a till is doing.
type SigningReport struct {
	journal.DeviceInfo
	journal.SigningState
	Outages  []journal.Outage // the latest first
	Unsigned int64            // numbers of all outages that were not signed
}

// SigningReport returns how the signing device is doing, with at most limit outages; nil if there is none.
func (t *Till) SigningReport(ctx context.Context, limit int) (*SigningReport, error) {
	sign, err := t.signer(ctx)
	if err != nil || sign == nil {
		return nil, err
	}
	out := &SigningReport{DeviceInfo: sign.Info(), SigningState: sign.State()}
	list, err := sign.Outages(ctx)
	for i := len(list) - 1; i >= 0; i-- {
		out.Unsigned += list[i].Count
		if len(out.Outages) < limit {
			out.Outages = append(out.Outages, list[i])
		}
	}
	return out, err
}

// SigningStatus says in short how the signing device is doing.
type SigningStatus struct {
	Kind, Notice string // empty: the till has none
	Works        bool
	Since        time.Time
	Reason       string
	Outage       string // what receipts say while it does not work
}

// signerFails is what the doctor hears of the signing device.
func (t *Till) signerFails() *health.Signer {
	if s := t.signingStatus(); s.Kind != "" && !s.Works {
		return &health.Signer{Since: s.Since, Reason: s.Reason}
	}
	return nil
}

func (t *Till) signingStatus() SigningStatus {
	t.signing.mu.Lock()
	sign := t.signing.of
	t.signing.mu.Unlock()
	if sign == nil {
		return SigningStatus{}
	}
	i, s := sign.Info(), sign.State()
	return SigningStatus{Kind: i.Kind, Notice: i.Notice, Works: s.Works, Since: s.Since, Reason: s.Reason, Outage: i.Outage}
}
