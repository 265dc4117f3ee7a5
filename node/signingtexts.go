package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/tse"
)

// SecurityView is what a receipt has to show of its signing device.
type SecurityView struct {
	Kind    string // one of the kinds of journal; empty: the document has no security
	QR      string // text of the QR code; empty if there is none
	Outage  string // to be printed in clear: the device did not work; empty if it did
	Failure string // why not
	Notice  string // to be printed
	Ordered string // RFC 3339: the first order, if lines were ordered before; to be printed
}

// ViewSecurity reads what a document has to show of its signing device.
func ViewSecurity(d *receipt.Document) SecurityView {
	v := SecurityView{}
	text := func(name string) string {
		s, _ := d.Security.Get(name).(receipt.String)
		return string(s)
	}
	v.Kind, v.Outage, v.Failure, v.Notice = text("kind"), text(receipt.SecurityError), text("failure"), text("notice")
	switch v.Kind {
	case journal.KindTSE:
		if r, err := tse.ParseRecord(d.Security); err == nil {
			v.QR = r.QR()
		}
	case journal.KindRKSV:
		if r, err := rksv.ParseRecord(d.Security); err == nil {
			v.QR = r.JWS.QR()
		}
	}
	v.Ordered = firstOrder(d, v.Kind)
	return v
}

// orderedBefore is how much older than the first order of its tab a line is that was ordered on another one: it came from there,
// or is a part of a line that was ordered there as a whole.
const orderedBefore = 10 * time.Second

// firstOrder returns when the first order of a receipt was signed, empty if there was none.
func firstOrder(d *receipt.Document, kind string) string {
	earliest := func(first, at string) string {
		x, errX := time.Parse(time.RFC3339, first)
		y, errY := time.Parse(time.RFC3339, at)
		if first == "" || errX == nil && errY == nil && y.Before(x) || (errX != nil || errY != nil) && at < first {
			return at
		}
		return first
	}
	ordered, line := "", ""
	for _, o := range d.Orders {
		ordered = earliest(ordered, o.Time)
	}
	if kind != journal.KindTSE || d.Training || len(d.Tabs) == 0 {
		return ordered
	}
	for i := range d.Lines {
		line = earliest(line, d.Lines[i].Time)
	}
	first, err := time.Parse(time.RFC3339, line)
	then, errThen := time.Parse(time.RFC3339, or(ordered, d.Closed))
	if err == nil && errThen == nil && then.Sub(first) > orderedBefore {
		return line
	}
	return ordered
}

// signClosing has a closing confirmed, and adds to it the outages in its time.
func (t *Till) signClosing(ctx context.Context, z *receipt.ZReport) error {
	sign, err := t.signer(ctx)
	if err != nil || sign == nil {
		return err
	}
	o, err := sign.Confirm(ctx, fmt.Sprintf("Kassenabschluss %s: Belege %d bis %d", receipt.ZText(z.Series, z.Number), z.From, z.To))
	if err != nil {
		return err
	}
	defer t.keepSigning(ctx, sign)
	list, err := sign.Outages(ctx)
	if err != nil {
		return err
	}
	s, err := t.Settings(ctx)
	if err != nil {
		return err
	}
	var outages receipt.Array
	for _, x := range list {
		if in, err := within(x, z); err != nil || !in {
			if err != nil {
				return err
			}
			continue
		}
		one := receipt.Object{{Name: "reason", Value: receipt.String(x.Reason)}}
		for name, ms := range map[string]int64{"begin": x.Begin, "end": x.End} {
			if ms == 0 {
				continue
			}
			local, err := t.local(s, time.UnixMilli(ms))
			if err != nil {
				return err
			}
			one = append(one, receipt.Member{Name: name, Value: receipt.String(local.Format(time.RFC3339))})
		}
		if x.Count > 0 {
			one = append(one, receipt.Member{Name: "count", Value: receipt.Int(x.Count)},
				receipt.Member{Name: "first", Value: receipt.String(receipt.NumberText(x.Series, x.First))},
				receipt.Member{Name: "last", Value: receipt.String(receipt.NumberText(x.Series, x.Last))})
		}
		outages = append(outages, one)
	}
	const most = 200 // in a document
	if len(outages) > 0 {
		if o == nil {
			o = receipt.Object{{Name: "kind", Value: receipt.String(sign.Info().Kind)}}
		}
		o = append(o[:len(o):len(o)], receipt.Member{Name: "outages", Value: outages[max(len(outages)-most, 0):]})
	}
	z.Security = o
	return nil
}

// within reports whether an outage is one of the time or the numbers of a closing.
func within(x journal.Outage, z *receipt.ZReport) (bool, error) {
	if x.Count > 0 && x.Series == z.Series {
		return x.First <= z.To && x.Last >= z.From || x.End == 0, nil
	}
	if z.Began == "" {
		return x.End == 0, nil
	}
	began, err := time.Parse(time.RFC3339, z.Began)
	if err != nil {
		return false, fmt.Errorf("time of the first receipt: %w", err)
	}
	return x.End == 0 || x.End >= began.UnixMilli(), nil
}

// WriteDEP writes the log of signed receipts (DEP 7 of the RKSV) of this till's series: every receipt of its chain, verbatim and
// in order.
func (t *Till) WriteDEP(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	log := rksv.NewWriter(out)
	key := seriesKey{t.id.Till, t.series.Prefix()}
	for from := int64(1); from <= int64(t.series.Head().Number); from++ {
		r, err := t.receipt(ctx, receipt.ReceiptID(t.id.Shop, key.till, key.series, from))
		if err != nil {
			return fmt.Errorf("receipt %s: %w", receipt.NumberText(key.series, from), err)
		}
		said, err := rksv.ParseRecord(r.Parsed.Security)
		if err != nil {
			continue // before the chain began, or the device refused it
		}
		if err := log.Add(said.JWS.Text); err != nil {
			return err
		}
	}
	return errors.Join(log.Close(), out.Flush())
}

// HasDEP refuses to write a log where there is none.
func (t *Till) HasDEP(ctx context.Context) error {
	sign, err := t.signer(ctx)
	if err != nil {
		return err
	}
	if sign == nil || sign.Info().Kind != journal.KindRKSV {
		return refuse(CodeNoSigner, "it is there for shops in Austria", "this till has no log of signed receipts")
	}
	return nil
}
